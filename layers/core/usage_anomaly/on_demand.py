"""How is a client made only when it is first asked?

A function's cold start pays 10-70 ms for each client; some are needed once a week.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class OnDemand:
    """Stands for a client and makes it at its first call. `make` must not need anything that a call would give."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = self._make()
        return getattr(self._made, name)
