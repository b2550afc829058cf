"""Which postings a scheme reads, so that whoever collects them asks for nothing else; and for whom a posting is evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from services.core.scoring.baseline import opening
from services.core.scoring.document import Basis, Holder, Indicator, Quantity, Ratio, Saturation, Scheme, Series

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from services.core.scoring.accounts import Resolved
    from services.core.scoring.period import Month


@dataclass(frozen=True, slots=True)
class Needs:
    """Measures by basis: booked in the period, booked in the calendar year up to its end, standing at its end; `cases` case by case."""

    period: frozenset[str]
    year: frozenset[str]
    stock: frozenset[str]
    cases: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        """Every measure that the scheme reads."""
        return self.period | self.year | self.stock


def needs_of(scheme: Scheme) -> Needs:
    """The measures of every quantity, deduction and veto of the scheme."""
    flows, stocks, year = set[str](), set[str](), set[str]()
    for quantity in quantities(scheme):
        (stocks if quantity.basis is Basis.STOCK else flows).update(quantity.measures)
    for criterion in scheme.criteria:
        if isinstance(criterion.indicator, Saturation):
            for quantity in _of(criterion.indicator):
                year.update(quantity.measures)
    cases = {rule.measure for rule in scheme.deductions} | {rule.measure for rule in scheme.vetoes}
    return Needs(frozenset((flows | cases) - year), frozenset(year), frozenset(stocks), frozenset(cases))


def quantities(scheme: Scheme) -> Iterator[Quantity]:
    """Every quantity that the scheme measures, deductions aside."""
    for criterion in scheme.criteria:
        yield from _of(criterion.indicator)
    if scheme.absence is not None:
        yield scheme.absence.days
        yield scheme.absence.leave


def _of(indicator: Indicator) -> Iterator[Quantity]:
    match indicator:
        case Ratio():
            yield indicator.numerator
            yield indicator.denominator
        case Series():
            yield from (part.quantity for part in indicator.parts)
        case Saturation():
            yield from (part.quantity for part in indicator.parts)
            yield indicator.days
            yield opening(indicator, "numerator")
            yield opening(indicator, "denominator")
        case _:
            assert_never(indicator)


class Bearing:
    """Whom a posting bears on: the people for whom it is evidence under a scheme."""

    def __init__(self, scheme: Scheme) -> None:
        self._credits: dict[str, list[tuple[Holder, tuple[str, ...] | None]]] = {}
        for quantity in quantities(scheme):
            for measure in quantity.measures:
                self._credits.setdefault(measure, []).append((quantity.credit, quantity.dims))
        by_case = [(rule.measure, rule.dims) for rule in scheme.deductions]
        by_case += [(rule.measure, rule.dims) for rule in scheme.vetoes]
        for measure, dims in by_case:
            self._credits.setdefault(measure, []).append((Holder.PERSON, dims))

    def people(self, measure: str, dim: str, resolved: Resolved) -> set[str]:
        """The people, by roster id, whose score the posting enters."""
        found = (
            resolved.holder(credit) for credit, dims in self._credits.get(measure, ()) if dims is None or dim in dims
        )
        return {person for person in found if person is not None}


def counts_in(needs: Needs, measure: str, book: date, period: Month) -> bool:
    """True when a posting of the measure with this book day enters a score of the period (stocks: booked before its end)."""
    if measure in needs.stock:
        return book < period.end_day
    if measure in needs.year:
        return book.year == period.year and book < period.end_day
    return measure in needs.period and period.first_day <= book < period.end_day
