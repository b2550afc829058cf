"""Collect what the figures of some subjects sum: flows of a window, stocks, counts by value; resolved by the dated roster."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import asyncpg

from services.api.kpis.pending import OPEN_ORDERS, PAST_DAY_7, late_so_far, pending_days
from services.api.kpis.rosters import DatedRoster
from services.api.kpis.subjects import Level, Resolver, SubjectId, actors_of, stretches
from services.api.kpis.windows import View, Window
from services.core.kpi.definitions import Definitions
from services.core.kpi.histogram import bin_of
from services.core.kpi.reading import Total
from services.store import drilldown, figures, roster
from services.store.drilldown import Allowed
from services.store.figures import Cutoff, Sample, Stretches, Sum, Wanted
from services.store.spans import EPOCH_DAY, is_day_booked


@dataclass(frozen=True, slots=True)
class Measures:
    """What a set of figures needs.

    Flows of the window, stocks at its instant, stocks as a score counts them, counts of durations, the age of the oldest item of a
    stock, and whether orders whose outcome is open are looked at.
    """

    flows: Sequence[str] = ()
    stocks: Sequence[str] = ()
    scored_stocks: Sequence[str] = ()
    durations: Sequence[str] = ()
    oldest: Sequence[str] = ()
    pending: bool = False


@dataclass(slots=True)
class Totals:
    """One subject's sums.

    Flows are (Σ n, Σ n·value). `values` and `bins` count items by exact value and by histogram bin; `oldest_since_ms` tells since when
    the oldest item of a stock stands; `pending_days` are the days k on which pending orders would be completed now.
    """

    flows: dict[str, tuple[int, int]] = field(default_factory=dict)
    stocks: Counter[str] = field(default_factory=Counter)
    scored_stocks: Counter[str] = field(default_factory=Counter)
    values: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    bins: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    oldest_since_ms: dict[str, int] = field(default_factory=dict)
    pending_days: list[int] = field(default_factory=list)
    _by_measure: dict[str, Total] | None = None

    def add_flow(self, found: Sum) -> None:
        """Add one row of a flow."""
        n, value = self.flows.get(found.measure, (0, 0))
        self.flows[found.measure] = (n + found.n, value + found.value)

    def by_measure(self) -> Mapping[str, Total]:
        """Everything as the core's figures take it; made once, when all is collected."""
        if self._by_measure is None:
            made = {name: Total(n, value) for name, (n, value) in self.flows.items()}
            for stocks in (self.stocks, self.scored_stocks):
                made |= {name: Total(n, n) for name, n in stocks.items()}
            self._by_measure = made
        return self._by_measure

    def n(self, measure: str) -> int:
        """Σ n of a flow."""
        return self.flows.get(measure, (0, 0))[0]

    def value(self, measure: str) -> int:
        """Σ n·value of a flow."""
        return self.flows.get(measure, (0, 0))[1]


@dataclass(frozen=True, slots=True)
class Question:
    """Whose figures, of which window and view. `subjects` None: everybody's; `cutoff`: as of a checkpoint."""

    level: Level
    subjects: frozenset[SubjectId] | None
    window: Window
    view: View
    measures: Measures
    exact: bool = False
    cutoff: Cutoff | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question set against one roster: the stretches of its window, the gauge's day, and the actors that can matter."""

    question: Question
    definitions: Definitions
    resolver: Resolver
    days: Sequence[date]
    gauge_day: date
    actors: Sequence[str]

    @property
    def stretches(self) -> Stretches:
        """The window's stretches as the store takes them."""
        starts = [self.definitions.day_start_ms((day - EPOCH_DAY).days) for day in self.days]
        return Stretches(self.days, starts)

    def narrowed(self, subjects: Iterable[SubjectId]) -> Asked:
        """The same question about fewer subjects."""
        fewer = frozenset(subjects)
        actors = actors_of(self.actors, self.resolver, fewer, [*self.days, self.gauge_day])
        return replace(self, question=replace(self.question, subjects=fewer), actors=actors)

    def wants(self, subject: SubjectId) -> bool:
        """True for a subject of the question."""
        return self.question.subjects is None or subject in self.question.subjects

    def allowed_flows(self, subject: SubjectId) -> list[Allowed]:
        """The actors with the books that make a subject's flows, for a drill-down."""
        window, starts = self.question.window, self.stretches.starts_ms
        ends = [*starts[1:], window.end_ms]
        return [
            Allowed(actor, max(start, window.start_ms), min(end, window.end_ms))
            for actor in self.actors
            for day, start, end in zip(self.days, starts, ends, strict=True)
            if self.resolver.subject_of(actor, day) == subject
        ]

    def allowed_stocks(self, subject: SubjectId) -> list[Allowed]:
        """The actors whose stocks are the subject's on the gauge's day."""
        return [Allowed(actor) for actor in self.actors if self.resolver.subject_of(actor, self.gauge_day) == subject]


async def ask(
    connection: asyncpg.Connection, question: Question, dated: DatedRoster, definitions: Definitions
) -> Asked:
    """Prepare a question: which actors can belong to its subjects on the days it covers."""
    window = question.window
    first, last = _day(window.start_ms, definitions), _day(window.end_ms - 1, definitions)
    days = stretches(dated.records, first, last)
    resolver = Resolver(dated.roster, question.level)
    gauge_day = window.gauge_day(definitions)
    actors = await roster.actors(connection)
    if question.subjects is not None:
        actors = actors_of(actors, resolver, question.subjects, [*days, gauge_day])
    return Asked(question, definitions, resolver, days, gauge_day, actors)


async def collect(connection: asyncpg.Connection, asked: Asked) -> dict[SubjectId, Totals]:
    """The sums of every subject that has any; subjects outside the question are left out."""
    question, measures = asked.question, asked.question.measures
    spans = question.window.spans(question.view, asked.definitions)
    found: dict[SubjectId, Totals] = defaultdict(Totals)
    wanted = Wanted(asked.actors, measures.flows, question.cutoff)
    for row in await figures.flows(connection, wanted, spans, asked.stretches):
        _subject(found, asked, row).add_flow(row)
    await _stocks(connection, asked, wanted.only(measures.stocks), found)
    for actor, measure, n in await _scored_stocks(connection, asked, wanted.only(measures.scored_stocks)):
        found[asked.resolver.subject_of(actor, asked.gauge_day)].scored_stocks[measure] += n
    for sample in await _durations(connection, asked, wanted.only(measures.durations)):
        _count(_subject(found, asked, sample), sample)
    return {subject: totals for subject, totals in found.items() if asked.wants(subject)}


async def _stocks(
    connection: asyncpg.Connection, asked: Asked, wanted: Wanted, found: Mapping[SubjectId, Totals]
) -> None:
    """Stocks at the gauge's instant, and where it is asked for since when the oldest item stands."""
    if not wanted.measures:
        return
    gauge = asked.question.window.gauge_limit(asked.definitions)
    by_actor: dict[str, Counter[str]] = defaultdict(Counter)
    for row in await figures.stocks(connection, wanted, gauge):
        found[asked.resolver.subject_of(row.actor, asked.gauge_day)].stocks[row.measure] += row.n
        by_actor[row.measure][row.actor] += row.n
    question = asked.question
    for measure in question.measures.oldest:
        items = await drilldown.standing(
            connection, measure, by_actor[measure], until_ms=gauge.before_ms, cutoff=wanted.cutoff
        )
        for item in items:
            oldest = found[asked.resolver.subject_of(item.actor, asked.gauge_day)].oldest_since_ms
            oldest[measure] = min(item.since_ms, oldest.get(measure, item.since_ms))
    if question.measures.pending:
        days = await pending_days(
            connection,
            by_actor[OPEN_ORDERS],
            at_ms=gauge.before_ms,
            cutoff=wanted.cutoff,
            definitions=asked.definitions,
        )
        for actor, pending in days.items():
            found[asked.resolver.subject_of(actor, asked.gauge_day)].pending_days.extend(pending)


async def _scored_stocks(connection: asyncpg.Connection, asked: Asked, wanted: Wanted) -> list[tuple[str, str, int]]:
    """Stocks as a score counts them: those booked before the period's end, whatever is known of them in this view.

    (actor, measure, items). In the matured view what is past day 7 is late so far, unless it is open over 30 days already.
    """
    if not wanted.measures:
        return []
    question = asked.question
    limit = question.window.spans(question.view, asked.definitions).ordinary.limit
    book_before = None
    if not question.window.rolling:
        book_before = (_day(question.window.end_ms, asked.definitions), question.window.end_ms)
    rows = await figures.stocks(connection, wanted, limit, book_before=book_before)
    if not question.measures.pending:
        return [(row.actor, row.measure, row.n) for row in rows]
    past: Counter[str] = Counter()
    for row in rows:
        past[row.actor] += row.n if row.measure == PAST_DAY_7 else 0
    late = await late_so_far(
        connection, past, at_ms=question.window.gauge_ms, cutoff=wanted.cutoff, definitions=asked.definitions
    )
    rest = [(row.actor, row.measure, row.n) for row in rows if row.measure != PAST_DAY_7]
    return rest + [(actor, PAST_DAY_7, n) for actor, n in late.items()]


async def _durations(connection: asyncpg.Connection, asked: Asked, wanted: Wanted) -> Iterable[Sample]:
    if not wanted.measures:
        return ()
    if any(is_day_booked(measure) for measure in wanted.measures):
        raise ValueError("durations are booked on instants")
    span = asked.question.window.spans(asked.question.view, asked.definitions).ordinary
    read = figures.samples if asked.question.exact else figures.histogram
    return await read(connection, wanted, span, asked.stretches)


def _subject(found: Mapping[SubjectId, Totals], asked: Asked, row: Sum | Sample) -> Totals:
    return found[asked.resolver.subject_of(row.actor, asked.days[row.stretch])]


def _count(totals: Totals, sample: Sample) -> None:
    """Exact values are counted by value and by bin; a bin of a whole day by bin only."""
    if not sample.is_bin:
        totals.values[sample.measure][sample.value] += sample.n
    totals.bins[sample.measure][sample.value if sample.is_bin else bin_of(sample.value)] += sample.n


def _day(instant_ms: int, definitions: Definitions) -> date:
    return date.fromordinal(EPOCH_DAY.toordinal() + definitions.local_day(instant_ms))
