"""What is the sum over a span of numbered buckets?"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping


class Sums:
    """Running sums over numbered buckets, extended lazily; `value` tells what a bucket holds now.

    `touch` a bucket when its value may have changed.
    """

    __slots__ = ("_sums", "_value", "_values", "keys")

    def __init__(self, value: Callable[[int], int]) -> None:
        self._value = value
        self._values: dict[int, int] = {}
        self.keys: list[int] = []
        self._sums: list[int] = [0]  # one longer than the keys it is good for

    def remember(self, values: Mapping[int, int]) -> None:
        """Begin with buckets whose values never change."""
        self.keys = sorted(values)
        self._values = dict(values)

    def touch(self, bucket: int) -> None:
        at = bisect_left(self.keys, bucket)
        if at == len(self.keys) or self.keys[at] != bucket:
            self.keys.insert(at, bucket)
        self._values.pop(bucket, None)
        del self._sums[at + 1 :]

    def at(self, bucket: int) -> int:
        """What a touched bucket holds."""
        found = self._values.get(bucket)
        if found is None:
            found = self._values[bucket] = self._value(bucket)
        return found

    def between(self, low: int, high: int) -> list[int]:
        """The touched buckets in [low, high], both included, in order."""
        return self.keys[bisect_left(self.keys, low) : bisect_right(self.keys, high)]

    def sum(self, low: int, high: int) -> int:
        """The sum over [low, high], both included."""
        keys, sums = self.keys, self._sums
        if len(sums) <= len(keys):
            for key in keys[len(sums) - 1 :]:
                sums.append(sums[-1] + self.at(key))
        return sums[bisect_right(keys, high)] - sums[bisect_left(keys, low)]
