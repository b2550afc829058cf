"""Days taken out of an order at the customer's wish, and the limits that move with them (rules 9 and 16).

Days out are half-open intervals of local days, sorted and disjoint.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from services.core.kpi.localday import DAY_MS, LocalDays

DaysOut: TypeAlias = tuple[tuple[int, int], ...]
Limits: TypeAlias = tuple[int, int, int]
"""The first instant of local day 8; the instants at which the age reaches 7 × 24 h and 30 × 24 h."""

NONE_OUT: Final[DaysOut] = ()


def take_out(out: DaysOut, first: int, end: int) -> DaysOut:
    """The union of `out` and the days [first, end): overlapping wishes count once (O13).

    >>> take_out(((3, 6),), 5, 8)
    ((3, 8),)
    """
    if end <= first:
        return out
    apart = [span for span in out if span[1] < first or end < span[0]]
    touching = [span for span in out if not (span[1] < first or end < span[0])]
    first = min([first, *(span[0] for span in touching)])
    end = max([end, *(span[1] for span in touching)])
    return tuple(sorted([*apart, (first, end)]))


def day_number(accepted_day: int, day: int, out: DaysOut) -> int:
    """Day k: 1 on the day of acceptance, days out before `day` not counted; the day itself always counts (O13).

    >>> day_number(2, 7, ((4, 7),))
    3
    """
    return day - accepted_day + 1 - sum(min(end, day) - first for first, end in out if first < day)


def limits_of(accepted_ms: int, out: DaysOut, days: LocalDays) -> Limits:
    """When day 7 is over, and when the age passes 7 and 30 × 24 h.

    The age stands still on a day out. So an age that reaches its limit as a day out begins exceeds it when the days out end.
    """
    day_8 = days.day(accepted_ms) + 7
    overdue_7 = accepted_ms + 7 * DAY_MS
    overdue_30 = accepted_ms + 30 * DAY_MS
    for first, end in out:
        if first < day_8:
            day_8 += end - first
        begins = days.start_ms(first)
        lasts = days.start_ms(end) - begins
        if begins <= overdue_7:
            overdue_7 += lasts
        if begins <= overdue_30:
            overdue_30 += lasts
    return days.start_ms(day_8), overdue_7, overdue_30
