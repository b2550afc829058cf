"""From postings to totals: which postings enter a score of a period, on which book day, seen settled or provisionally.

A posting is added as it stands in the journal; the sums do not depend on the order, so pages and shards may come as they like.
Only the cause of an occurrence does: it is the last posting that made it, in the order of the case's shard.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from services.core.scoring.period import Month, local_date
from services.core.scoring.totals import Occurrence, Total

if TYPE_CHECKING:
    from services.core.scoring.needs import Needs


class View(StrEnum):
    """Everything known, or only what had happened before the period's end (definitions 15)."""

    SETTLED = "settled"
    PROVISIONAL = "provisional"


@dataclass(frozen=True, slots=True)
class Posting:
    """A journal line as far as scoring needs it; instants in epoch milliseconds, `value` per item."""

    shard: int
    case: str
    actor: str
    measure: str
    dim: str
    at_ms: int
    book_ms: int
    value: int
    n: int
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """The postings that enter a score: measures with the range of their book instant, and the latest instant of effect.

    Flows of the period: [start_ms, end_ms); measures of the year: [year_ms, end_ms); stocks: everything before end_ms.
    `at_before_ms` None = settled.
    """

    needs: Needs
    period: Month
    zone: str
    start_ms: int
    year_ms: int
    end_ms: int
    at_before_ms: int | None

    @classmethod
    def of(cls, needs: Needs, period: Month, zone: str, view: View) -> Selection:
        """The selection for one period in one view."""
        end = period.end_ms(zone)
        year = Month(period.year, 1).start_ms(zone)
        at_before = end if view is View.PROVISIONAL else None
        return cls(needs, period, zone, period.start_ms(zone), year, end, at_before)

    def book_day(self, posting: Posting) -> date | None:
        """The book day on which the posting enters the score; None when it does not."""
        if posting.book_ms >= self.end_ms or (self.at_before_ms is not None and posting.at_ms >= self.at_before_ms):
            return None
        if posting.measure in self.needs.stock:
            return self.period.last_day
        if posting.measure in self.needs.year:
            return local_date(posting.book_ms, self.zone) if posting.book_ms >= self.year_ms else None
        if posting.measure in self.needs.period and posting.book_ms >= self.start_ms:
            return local_date(posting.book_ms, self.zone)
        return None


_TotalKey: TypeAlias = tuple[str, str, str, date]
_CaseKey: TypeAlias = tuple[str, str, str, date, int, str]


class Gathering:
    """Adds postings up; memory grows with people, measures, dimensions and days, not with postings."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._sums: dict[_TotalKey, list[int]] = defaultdict(lambda: [0, 0])
        self._cases: dict[_CaseKey, int] = defaultdict(int)
        self._causes: dict[_CaseKey, str] = {}

    def add(self, posting: Posting) -> None:
        """Take one posting in, if it enters the score."""
        book = self._selection.book_day(posting)
        if book is None:
            return
        sums = self._sums[posting.actor, posting.measure, posting.dim, book]
        sums[0] += posting.n
        sums[1] += posting.n * posting.value
        if posting.measure in self._selection.needs.cases:
            key = (posting.actor, posting.measure, posting.dim, book, posting.shard, posting.case)
            self._cases[key] += posting.n
            if posting.n > 0:
                self._causes[key] = posting.cause

    def totals(self) -> list[Total]:
        """The net totals, in order of their key."""
        return [Total(*key, n, value) for key, (n, value) in sorted(self._sums.items()) if n or value]

    def occurrences(self) -> list[Occurrence]:
        """The net occurrences of the measures that are scored case by case, in order of their key."""
        return [
            Occurrence(
                actor,
                measure,
                dim,
                book,
                n,
                shard,
                case,
                self._causes.get((actor, measure, dim, book, shard, case), ""),
            )
            for (actor, measure, dim, book, shard, case), n in sorted(self._cases.items())
            if n
        ]
