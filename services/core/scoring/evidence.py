"""The evidence of a score: for each person and measure the net postings of each case."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from services.core.scoring.accounts import resolve
from services.core.scoring.needs import Bearing

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

    from services.core.roster import Roster
    from services.core.scoring.document import Scheme
    from services.core.scoring.gathering import Posting, Selection


@dataclass(frozen=True, slots=True, order=True)
class Evidence:
    """Net items and value (millionths, milliseconds) that one case contributes to one person's measure."""

    person: str
    measure: str
    dim: str
    shard: int
    case: str
    n: int
    value: int


_Key: TypeAlias = tuple[str, str, str, int, str]


class EvidenceOfShard:
    """Collects the evidence of one shard: a case lies in exactly one, so memory is bounded by the shard's period."""

    def __init__(self, scheme: Scheme, population: Collection[str], roster: Roster, selection: Selection) -> None:
        self._bearing = Bearing(scheme)
        self._population = frozenset(population)
        self._roster = roster
        self._selection = selection
        self._people: dict[tuple[str, date, str, str], tuple[str, ...]] = {}
        self._sums: dict[_Key, list[int]] = defaultdict(lambda: [0, 0])

    def add(self, posting: Posting) -> None:
        """Take one posting in, for everybody on whose score it bears. Earlier months of the year are no evidence of this one."""
        book = self._selection.book_day(posting)
        if book is None or book < self._selection.period.first_day:
            return
        for person in self._on(posting.actor, book, posting.measure, posting.dim):
            sums = self._sums[person, posting.measure, posting.dim, posting.shard, posting.case]
            sums[0] += posting.n
            sums[1] += posting.n * posting.value

    def _on(self, actor: str, book: date, measure: str, dim: str) -> tuple[str, ...]:
        key = (actor, book, measure, dim)
        known = self._people.get(key)
        if known is None:
            people = self._bearing.people(measure, dim, resolve(self._roster, actor, book))
            known = self._people[key] = tuple(sorted(people & self._population))
        return known

    def rows(self) -> list[Evidence]:
        """The net evidence in order of person, measure, dimension and case."""
        return [Evidence(*key, n, value) for key, (n, value) in sorted(self._sums.items()) if n or value]
