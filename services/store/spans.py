"""Which part of a window the buckets hold, and which part only the journal can tell. Pure.

Buckets know the book *day* and the at-*hour* (the at-day, once old). So a window is cut in two: whole book days, summed from buckets
up to the last whole hour before the limit on `at`, and an edge day of which the journal tells the part.

That the journal's index on `at` finds the edge rests on a law of the postings: `at` is never before `book`. The measures that are
booked on the last millisecond of a day or month (attendance, headquarters' measures) are the exception, and need no edge: their book
lies in a window exactly when the end of their day does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from services.core.kpi.definitions import Definitions

HOUR_MS = 3_600_000
EPOCH_DAY = date(1970, 1, 1)
DAY_BOOKED = ("attendance.", "measure.")


def is_day_booked(measure: str) -> bool:
    """True for measures whose book is the last millisecond of a local day."""
    return measure.startswith(DAY_BOOKED)


@dataclass(frozen=True, slots=True)
class AtLimit:
    """Postings with `at` before this instant (epoch ms). `day_ms` and `hour_ms`: the local day and the hour in which it lies begin."""

    before_ms: int
    day_ms: int
    hour_ms: int

    @classmethod
    def at(cls, before_ms: int, definitions: Definitions) -> AtLimit:
        """The limit with its day and hour in the organisation's zone."""
        day_ms = definitions.day_start_ms(definitions.local_day(before_ms))
        return cls(before_ms, day_ms, max(day_ms, before_ms - before_ms % HOUR_MS))


@dataclass(frozen=True, slots=True)
class Edge:
    """The part of a local day that belongs to a window: book in [from_ms, to_ms) of `day`."""

    day: date
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Span:
    """Postings with book in a window and `at` before a limit (None: every one).

    Whole book days: [whole_from, whole_to) as dates and [whole_from_ms, whole_to_ms) as instants; empty when they meet.
    """

    from_ms: int
    to_ms: int
    whole_from: date
    whole_to: date
    whole_from_ms: int
    whole_to_ms: int
    edge: Edge | None
    limit: AtLimit | None

    @classmethod
    def of(cls, from_ms: int, to_ms: int, at_before_ms: int | None, definitions: Definitions) -> Span:
        """Cut [from_ms, to_ms) for measures whose `at` is never before their book.

        An end inside a day needs no edge of its own: `at` < the end already says `book` < the end. So a window that ends inside a day
        must have a limit no later than its end. Raises ValueError otherwise.
        """
        first, last = definitions.local_day(from_ms), definitions.local_day(to_ms)
        if definitions.day_start_ms(last) != to_ms:
            if at_before_ms is None or at_before_ms > to_ms:
                raise ValueError("a window that ends inside a day needs a limit on `at` no later than its end")
            last += 1
        edge = None
        if definitions.day_start_ms(first) != from_ms:
            edge = Edge(_date(first), from_ms, min(definitions.day_start_ms(first + 1), to_ms))
            first += 1
        return cls._build((from_ms, to_ms), (first, max(first, last)), edge, at_before_ms, definitions)

    @classmethod
    def of_day_booked(cls, from_ms: int, to_ms: int, at_before_ms: int | None, definitions: Definitions) -> Span:
        """Cut [from_ms, to_ms) for measures booked on the last millisecond of a day: whole days only."""
        first = definitions.local_day(from_ms)
        last = max(first, definitions.local_day(to_ms))
        return cls._build((from_ms, to_ms), (first, last), None, at_before_ms, definitions)

    @classmethod
    def _build(
        cls,
        window_ms: tuple[int, int],
        days: tuple[int, int],
        edge: Edge | None,
        at_before_ms: int | None,
        definitions: Definitions,
    ) -> Span:
        return cls(
            from_ms=window_ms[0],
            to_ms=window_ms[1],
            whole_from=_date(days[0]),
            whole_to=_date(days[1]),
            whole_from_ms=definitions.day_start_ms(days[0]),
            whole_to_ms=definitions.day_start_ms(days[1]),
            edge=edge,
            limit=None if at_before_ms is None else AtLimit.at(at_before_ms, definitions),
        )


def _date(day: int) -> date:
    return EPOCH_DAY + timedelta(days=day)
