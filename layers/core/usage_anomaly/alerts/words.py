"""How are figures said: quantities, money, times, lists?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from math import floor, log10

UNKNOWN = "unknown"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # no locale: same bytes
_MACHINE = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+")  # "p3.16xlarge" needs no noun, "gp3" and "db.t3.micro" do
_UNTYPED = (UNKNOWN, "")


def number(value: float) -> str:
    """ "1,151", "24.5", "0.012": whole from 100 on, three digits that count below, no tail of zeros."""
    if value == 0:
        return "0"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    digits = 2 - floor(log10(abs(value)))
    text = f"{value:.{max(0, digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def about(value: float) -> str:
    """Rounded to two digits that count: "about 800". What runs on is never known to the dollar."""
    if value == 0:
        return "0"
    step = 10 ** (floor(log10(abs(value))) - 1)
    rounded = round(value / step) * step
    return f"about {number(rounded)}"


def usd_per_hour(value: float | None) -> str:
    return UNKNOWN if value is None else f"{number(value)} USD/h"


def several(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def things(total: int, groups: Mapping[str, int], one: str, many: str) -> str:
    """The quantity with what it was: "47 p3.16xlarge", "61 instances (40 c5.large, 15 m5.large, 6 other)", "12 volumes"."""
    typed = sorted(((name, count) for name, count in groups.items() if name not in _UNTYPED), key=_largest_first)
    if not typed:
        return several(total, one, many)
    if len(typed) == 1 and typed[0][1] == total:
        name = typed[0][0]
        return f"{total:,} {name}" if _MACHINE.fullmatch(name) else f"{several(total, one, many)} ({name})"
    shown = [f"{count:,} {name}" for name, count in typed[:3]]
    other = total - sum(count for _, count in typed[:3])
    if other > 0:
        shown.append(f"{other:,} other")
    return f"{several(total, one, many)} ({', '.join(shown)})"


def day(time: datetime) -> str:
    return f"{time.day} {MONTHS[time.month - 1]}"


def clock(time: datetime) -> str:
    return f"{time:%H:%M}"


def span(start: datetime, end: datetime) -> str:
    """ "25 Nov 10:04-10:57", "25 Nov 22:10 - 26 Nov 03:40", "25 Nov 10:04"; UTC is said once by the caller."""
    if start.date() != end.date():
        return f"{day(start)} {clock(start)} - {day(end)} {clock(end)}"
    return f"{day(start)} {clock(start)}" + (f"-{clock(end)}" if clock(start) != clock(end) else "")


def listed(counts: Mapping[str, int], shown: int) -> str:
    """ "us-east-2 20, us-west-2 15 and 3 more", the largest first."""
    ranked = sorted(counts.items(), key=_largest_first)
    text = ", ".join(f"{name} {count:,}" for name, count in ranked[:shown])
    return text + (f" and {len(ranked) - shown:,} more" if len(ranked) > shown else "")


def _largest_first(item: tuple[str, int]) -> tuple[int, str]:
    return (-item[1], item[0])
