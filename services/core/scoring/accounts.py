"""Whose each posting is: totals resolved by the roster on their book day and added up per holder.

The book day decides once for engineer → region → representative → branch (example s01, open point 2), so a late order moves with the
engineer who is responsible for it. Headquarters' measures name a region instead of a person. What nobody explains is kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from services.core.scoring.document import Holder, Quantity, Unit
from services.core.scoring.exact import MILLION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from services.core.roster import Roster
    from services.core.scoring.period import Month
    from services.core.scoring.totals import Total


class PriceMissingError(ValueError):
    """A posting's dimension has no price in the points table of the scheme's parameters."""


_ORDER = {Holder.PERSON: 0, Holder.REGION: 1, Holder.REPRESENTATIVE: 2, Holder.BRANCH: 3}

_Sums: TypeAlias = dict[tuple[str, str, int], dict[str, tuple[int, int]]]
"""(holder, measure, month number) -> dimension -> (n, value)."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The holders of a posting on its book day; None where the roster has no answer."""

    person: str | None
    region: str | None
    representative: str | None
    branch: str | None

    def holder(self, kind: Holder) -> str | None:
        """The holder of one kind."""
        return self.holders()[_ORDER[kind]]

    def holders(self) -> tuple[str | None, str | None, str | None, str | None]:
        """The holders of every kind, in the order of _ORDER."""
        return self.person, self.region, self.representative, self.branch


def resolve(roster: Roster, actor: str, book: date) -> Resolved:
    """The person, region, representative and branch behind an actor on the book day."""
    person = roster.person_of(actor, book)
    region = roster.region_of(person, book) if person else roster.region_named(actor, book)
    representative = roster.representative_of(region, book) if region else None
    owner = region or person
    branch = roster.branch_of(owner, book) if owner else None
    return Resolved(person, region, representative, branch)


class Accounts:
    """Sums of totals by holder, measure, dimension and month."""

    def __init__(self, totals: Iterable[Total], roster: Roster, prices: Mapping[str, Mapping[str, Fraction]]) -> None:
        self._prices = prices
        self._sums: tuple[_Sums, ...] = ({}, {}, {}, {})
        self.unattributed: list[Total] = []
        known: dict[tuple[str, date], Resolved] = {}
        for total in totals:
            key = (total.actor, total.book)
            resolved = known.get(key)
            if resolved is None:
                resolved = known[key] = resolve(roster, *key)
            self._add(total, resolved)

    def _add(self, total: Total, resolved: Resolved) -> None:
        if resolved.person is None and resolved.region is None:
            self.unattributed.append(total)
            return
        month = _number(total.book.year, total.book.month)
        for sums, holder in zip(self._sums, resolved.holders(), strict=True):
            if holder is not None:
                by_dim = sums.setdefault((holder, total.measure, month), {})
                n, value = by_dim.get(total.dim, (0, 0))
                by_dim[total.dim] = (n + total.n, value + total.value)

    def amount(self, quantity: Quantity, holder: str, month: Month, credit: Holder | None = None) -> Fraction:
        """The quantity of one holder in one month; `credit` overrides whose postings are meant (for regions and branches)."""
        sums = self._sums[_ORDER[credit or quantity.credit]]
        number = _number(month.year, month.month)
        found = [sums[key] for measure in quantity.measures if (key := (holder, measure, number)) in sums]
        return sum((self._of(quantity, by_dim) for by_dim in found), Fraction(0))

    def _of(self, quantity: Quantity, by_dim: Mapping[str, tuple[int, int]]) -> Fraction:
        counted = {dim: sums for dim, sums in by_dim.items() if quantity.dims is None or dim in quantity.dims}
        if quantity.unit is Unit.AMOUNT:
            return Fraction(sum(value for _, value in counted.values()), MILLION)
        if quantity.priced_by is None:
            return Fraction(sum(n for n, _ in counted.values()))
        return sum((n * self._price(quantity.priced_by, dim) for dim, (n, _) in counted.items() if n), Fraction(0))

    def _price(self, table: str, dim: str) -> Fraction:
        try:
            return self._prices[table][dim]
        except KeyError:
            raise PriceMissingError(f"parameter {table!r} has no points for {dim!r}") from None


def _number(year: int, month: int) -> int:
    return 12 * year + month
