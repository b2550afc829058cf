"""The slow way to every figure: fold each case from its events in memory, look at each posting, resolve it, add it up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from services.api.kpis.subjects import Level, Resolver, SubjectId
from services.core.kpi.contribution import Posted, PostingKey
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event
from services.core.kpi.indicators import INDICATORS, figure
from services.core.kpi.matured import matured_score, pending
from services.core.kpi.measures import measure_of
from services.core.kpi.quantile import nearest_rank
from services.core.kpi.reading import Total
from services.core.kpi.response import waiting
from services.core.kpi.walk import fold_case
from services.core.roster import Roster
from tests.examples.loader import by_case
from tests.integration.api.site import ms

DEFINITIONS = Definitions()
SCORED = ("dispatch.stale_30", "dispatch.past_day_7")
WIDTHS = {"1h": 1, "24h": 24, "7d": 7 * 24, "30d": 30 * 24}

Line = tuple[PostingKey, int]


@dataclass(frozen=True)
class World:
    """All events, and everything they post."""

    events: Sequence[Event]
    roster: Roster
    lines: Sequence[Line]

    @classmethod
    def of(cls, events: Sequence[Event], roster: Roster) -> World:
        posted: list[Posted] = [fold_case(case, DEFINITIONS).posted for case in by_case(events).values()]
        return cls(events, roster, [line for case in posted for line in case.items()])

    def flow(self, level: Level, start: int, end: int, before: int) -> dict[SubjectId, dict[str, Total]]:
        """Booked in [start, end), acting before an instant; by the roster of the book day."""
        return self._sums(((key, n) for key, n in self.lines if start <= key[4] < end and key[3] < before), level, None)

    def stock(
        self, level: Level, day: date, at_before: int, book_before: int = 2**62
    ) -> dict[SubjectId, dict[str, Total]]:
        """Acting before an instant; by the roster of one day."""
        return self._sums(
            ((key, n) for key, n in self.lines if key[3] < at_before and key[4] < book_before), level, day
        )

    def samples(self, level: Level, measure: str, start: int, end: int, before: int) -> dict[SubjectId, Counter[int]]:
        """Items by value."""
        resolver = Resolver(self.roster, level)
        found: dict[SubjectId, Counter[int]] = defaultdict(Counter)
        for key, n in self.lines:
            if key[1] == measure and start <= key[4] < end and key[3] < before:
                found[resolver.subject_of(key[0], local_day(key[4]))][key[5]] += n
        return found

    def _sums(self, lines: Iterable[Line], level: Level, day: date | None) -> dict[SubjectId, dict[str, Total]]:
        resolver = Resolver(self.roster, level)
        found: dict[SubjectId, dict[str, Total]] = defaultdict(dict)
        for (actor, measure, _, _, book, value), n in lines:
            subject = resolver.subject_of(actor, day or local_day(book))
            found[subject][measure] = found[subject].get(measure, Total()) + Total(n, n * value)
        return found


@dataclass(frozen=True)
class Expected:
    """One figure."""

    numerator: int
    denominator: int
    value: Fraction | None
    n: int
    pending: tuple[int, Fraction | None, Fraction | None]
    median: int | None
    p90: int | None
    unanswered: int
    oldest_ms: int | None


def local_day(instant: int) -> date:
    return date(1970, 1, 1) + timedelta(days=DEFINITIONS.local_day(instant))


def expected(world: World, level: Level, window: str, view: str, now: int) -> dict[tuple[str, SubjectId], Expected]:
    """Every figure of the catalogue, for every subject with postings."""
    start, end = bounds(window, now)
    gauge = min(now, end)
    over = end <= now and window not in WIDTHS
    before = {"live": now, "settled": 2**62 if over else now}.get(view, gauge)
    flows = world.flow(level, start, end, before)
    day = local_day(gauge - 1)
    gauges = world.stock(level, day, gauge)
    scored = world.stock(level, day, before, 2**62 if window in WIDTHS else end)
    waits, ahead, late = open_cases(world, level, gauge, day)
    values = {
        name: world.samples(level, name, start, end, before)
        for name in ("ticket.first_response", "ticket.engineer_response")
    }
    found = {}
    for subject in {*flows, *gauges, *scored}:
        totals = {name: total for name, total in flows.get(subject, {}).items() if not is_stock(name)}
        totals |= {n: t for n, t in gauges.get(subject, {}).items() if is_stock(n) and n not in SCORED}
        totals |= {n: t for n, t in scored.get(subject, {}).items() if n in SCORED}
        for name, indicator in INDICATORS.items():
            got = figure(indicator, totals)
            if view == "matured" and name == "dispatch.on_time_score":
                n = late.get(subject, 0)
                got = matured_score({**totals, "dispatch.past_day_7": Total(n, n)}, ahead.get(subject, []))
            samples = values[indicator.numerator[0]].get(subject, Counter()) if indicator.kind == "mean" else Counter()
            ages = waits.get(subject, []) if name == "ticket.first_response_engineer" else []
            found[name, subject] = Expected(
                got.numerator, got.denominator, got.value, got.n, (got.pending, got.best, got.worst),
                nearest_rank(samples, Fraction(1, 2)), nearest_rank(samples, Fraction(9, 10)), len(ages), max(ages, default=None),
            )  # fmt: skip
    return found


def open_cases(
    world: World, level: Level, at: int, day: date
) -> tuple[Mapping[SubjectId, list[int]], Mapping[SubjectId, list[int]], Mapping[SubjectId, int]]:
    """Who waits for an answer at T and how long; the days k of orders whose outcome is open; how many are late so far.

    From the events before T alone. An order that is open over 30 days is not late besides.
    """
    resolver = Resolver(world.roster, level)
    waits: dict[SubjectId, list[int]] = defaultdict(list)
    ahead: dict[SubjectId, list[int]] = defaultdict(list)
    late: Counter[SubjectId] = Counter()
    for case in by_case(event for event in world.events if event.time_ms < at).values():
        folded = fold_case(case, DEFINITIONS)
        state = folded.state
        standing = [(key, n) for key, n in folded.posted.items() if key[3] < at]
        if not sum(n for key, n in standing if key[1] == "dispatch.stale_30"):
            for key, n in standing:
                late[resolver.subject_of(key[0], day)] += n if key[1] == "dispatch.past_day_7" else 0
        clock = waiting(state, at)
        if clock is not None and clock.engineer_ms is not None:
            waits[resolver.subject_of(clock.engineer, day)].append(clock.engineer_ms)
        order = pending(state, at, DEFINITIONS)
        if order is not None:
            ahead[resolver.subject_of(order.engineer, day)].append(order.k)
    return waits, ahead, late


def bounds(window: str, now: int) -> tuple[int, int]:
    if window in WIDTHS:
        return now - WIDTHS[window] * 3_600_000, now
    first = local_day(now).replace(day=1) if window == "month" else date.fromisoformat(f"{window}-01")
    following = (first + timedelta(days=32)).replace(day=1)
    return ms(f"{first}T00:00"), ms(f"{following}T00:00")


def is_stock(name: str) -> bool:
    measure = measure_of(name)
    return measure is not None and measure.kind == "stock"
