"""Indicators of a scheme: from sums to a value kept as numerator and denominator, with the parts that made it.

An indicator without denominator has no value and says why; it is never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, assert_never

from services.core.scoring.baseline import Peak, own_maximum
from services.core.scoring.document import Indicator, Ratio, Saturation, Series

if TYPE_CHECKING:
    from services.core.scoring.accounts import Accounts
    from services.core.scoring.document import Holder
    from services.core.scoring.period import Month
    from services.core.scoring.words import Words

BELOW_MINIMUM_N = "below_minimum_n"


@dataclass(frozen=True, slots=True)
class PartAmount:
    """One part of a figure and the factor it counts by."""

    id: str
    amount: Fraction
    factor: Fraction


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio with its parts; `value` None means undefined, for the reason given. `peak` is the own maximum of a saturation."""

    numerator: Fraction
    denominator: Fraction
    value: Fraction | None
    undefined: Words | None = None
    parts: tuple[PartAmount, ...] = ()
    peak: Peak | None = None
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose figure: a person, with each quantity's own credit, or a region or branch (`credit` set)."""

    id: str
    credit: Holder | None = None


def figure(indicator: Indicator, accounts: Accounts, subject: Subject, period: Month) -> Figure:
    """The indicator of one subject in the period."""
    match indicator:
        case Ratio():
            return _ratio(indicator, accounts, subject, period)
        case Series():
            return _series(indicator, accounts, subject, period)
        case Saturation():
            return _saturation(indicator, accounts, subject, period)
        case _:
            assert_never(indicator)


def _ratio(ratio: Ratio, accounts: Accounts, subject: Subject, period: Month) -> Figure:
    """Σ numerator ÷ Σ denominator of a unit: never a mean of ratios."""
    numerator = accounts.amount(ratio.numerator, subject.id, period, subject.credit)
    denominator = accounts.amount(ratio.denominator, subject.id, period, subject.credit)
    marks = (BELOW_MINIMUM_N,) if denominator < ratio.minimum_n else ()
    if denominator == 0:
        return Figure(numerator, denominator, None, ratio.undefined, marks=marks)
    return Figure(numerator, denominator, numerator / denominator, marks=marks)


def _series(series: Series, accounts: Accounts, subject: Subject, period: Month) -> Figure:
    """Σ factor × n ÷ Σ n over disjoint buckets. Source: 000:176 (完单及时率得分), definitions 14."""
    parts = tuple(
        PartAmount(part.id, accounts.amount(part.quantity, subject.id, period, subject.credit), part.factor)
        for part in series.parts
    )
    numerator = sum((part.factor * part.amount for part in parts), Fraction(0))
    due = sum((part.amount for part in parts), Fraction(0))
    if due == 0:
        return Figure(numerator, due, None, series.undefined, parts)
    return Figure(numerator, due, numerator / due, None, parts)


def _saturation(saturation: Saturation, accounts: Accounts, subject: Subject, period: Month) -> Figure:
    """工作量 ÷ 天数 ÷ own highest of the year (工作饱和度). Source: 000:175, definitions 26 and 27, readings B16 and B35."""
    parts = tuple(
        PartAmount(part.id, accounts.amount(part.quantity, subject.id, period, subject.credit), part.factor)
        for part in saturation.parts
    )
    work = sum((part.factor * part.amount for part in parts), Fraction(0))
    days = accounts.amount(saturation.days, subject.id, period, subject.credit)
    if days == 0:
        return Figure(work, days, None, saturation.undefined, parts)
    peak = own_maximum(saturation, accounts, subject.id, subject.credit, period)
    if peak is None:
        return Figure(work, days, None, saturation.undefined, parts)
    return Figure(work, days, work / days / peak.value, None, parts, peak)
