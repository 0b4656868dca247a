"""On which days is a generated organization watched?"""

from __future__ import annotations

from datetime import date

DAYS = 42
# Each span has both clock changes and two month ends: 28 February and 31 March 2026 with 8 March (US) and 29 March (EU);
# 30 September and 31 October 2026 with 25 October (EU) and 1 November (US).
SPRING, AUTUMN = date(2026, 2, 24), date(2026, 9, 28)


def first_day(seed: int) -> date:
    """The first day of the calendar of a seed: spring for odd ones, autumn for even ones."""
    return SPRING if seed % 2 else AUTUMN
