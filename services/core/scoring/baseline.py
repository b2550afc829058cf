"""The own highest daily figure of a month in the calendar year so far (年度个人最高饱和度), BASELINE."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from services.core.scoring.document import Holder, Quantity, Saturation, Unit

if TYPE_CHECKING:
    from services.core.scoring.accounts import Accounts
    from services.core.scoring.period import Month


@dataclass(frozen=True, slots=True)
class Peak:
    """The month of the highest figure and its two numbers (work, days)."""

    month: Month
    numerator: Fraction
    denominator: Fraction

    @property
    def value(self) -> Fraction:
        """Work per day of that month."""
        return self.numerator / self.denominator


def own_maximum(
    saturation: Saturation, accounts: Accounts, person: str, credit: Holder | None, period: Month
) -> Peak | None:
    """The highest month from January to the period; the earliest of equal ones, None when no month has both days and work.

    A month counts by the delivered opening figure where there is one, otherwise by its computed work over its recorded attendance.
    The period itself is always computed; `includes_current` False leaves it out (the ratio may then exceed 1). Another calendar year
    never counts. Source: readings B16; example s01, open point 10.
    """
    months = [month for month in period.months_of_year_so_far() if month != period or saturation.includes_current]
    peaks = [_month(saturation, accounts, person, credit, month, opened=month != period) for month in months]
    best: Peak | None = None
    for peak in peaks:
        if peak is not None and (best is None or peak.value > best.value):
            best = peak
    return best if best is not None and best.value > 0 else None


def _month(
    saturation: Saturation, accounts: Accounts, person: str, credit: Holder | None, month: Month, *, opened: bool
) -> Peak | None:
    if opened:
        delivered = accounts.amount(opening(saturation, "denominator"), person, month, credit)
        if delivered:
            return Peak(month, accounts.amount(opening(saturation, "numerator"), person, month, credit), delivered)
    days = accounts.amount(saturation.days, person, month, credit)
    if not days:
        return None
    work = sum(
        (part.factor * accounts.amount(part.quantity, person, month, credit) for part in saturation.parts), Fraction(0)
    )
    return Peak(month, work, days)


def opening(saturation: Saturation, side: str) -> Quantity:
    """The delivered monthly figure's numerator or denominator."""
    return Quantity((f"measure.{saturation.opening}.{side}",), Holder.PERSON, unit=Unit.AMOUNT)
