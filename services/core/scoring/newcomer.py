"""Whether a month is somebody's first (首月). Readings B13, open point 10: the last ten days of a month begin on the 21st."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.core.scoring.document import FirstMonth
from services.core.scoring.period import Month

if TYPE_CHECKING:
    from datetime import date

LAST_TEN_DAYS_FROM = 21


def is_first_month(entry: date | None, period: Month, option: FirstMonth) -> bool:
    """True while the person is a newcomer in the period.

    `first_full_month`: who enters on the 21st or later has the following month as first month; the few days before it are a
    newcomer's, too. `calendar_month`: the month of the entry.
    """
    if entry is None:
        return False
    entered = Month.of(entry)
    if option is FirstMonth.FIRST_FULL_MONTH and entry.day >= LAST_TEN_DAYS_FROM:
        return period in (entered, entered.following())
    return period == entered
