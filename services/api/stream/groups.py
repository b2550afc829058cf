"""Viewers of one question share its figures: computed once, sent to each as fast as it takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import asyncpg

from services.api.context import Context
from services.api.kpis.catalogue import measures_of
from services.api.kpis.schemas import AsOf, Kpi
from services.api.kpis.service import Answer, Ground, KpiQuestion, answer_on, stand
from services.api.kpis.windows import ROLLING_MS, View
from services.api.stream.frames import FigureKey, Seen, changed, key_of
from services.store import changes

FALLBACK_MS = 60_000
"""A figure is looked at again after this time even if nothing seems to move it."""


@dataclass(slots=True)
class Viewer:
    """One open stream. What it has not taken yet is kept merged by figure, so a slow one costs no backlog and gets the newest."""

    waiting: dict[FigureKey, Kpi] = field(default_factory=dict)
    as_of: AsOf | None = None
    seen: Seen | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def give(self, items: Iterable[Kpi], as_of: AsOf, seen: Seen) -> None:
        """Leave figures for the viewer to take."""
        self.waiting.update({key_of(kpi): kpi for kpi in items})
        self.as_of, self.seen = as_of, seen
        self.woken.set()

    def take(self) -> list[Kpi]:
        """Everything that waits."""
        items = list(self.waiting.values())
        self.waiting.clear()
        self.woken.clear()
        return items


@dataclass(slots=True)
class Group:
    """A question with its viewers, its latest figures, and the instant at which the clock alone will move one of them."""

    question: KpiQuestion
    viewers: list[Viewer] = field(default_factory=list)
    figures: dict[FigureKey, Kpi] = field(default_factory=dict)
    as_of: AsOf | None = None
    seen: Seen | None = None
    actors: frozenset[str] = frozenset()
    wake_ms: int = 0
    dirty: asyncio.Event = field(default_factory=asyncio.Event)

    def is_touched(self, actors: Iterable[str]) -> bool:
        """True when one of the actors can matter to the question."""
        return not self.actors.isdisjoint(actors)


async def compute(context: Context, group: Group) -> list[Kpi]:
    """Read the figures anew; returns those that changed."""
    async with context.reading() as connection:
        ground = await stand(context, connection, group.question)
        found = await answer_on(context, connection, group.question, ground)
        group.wake_ms = await _next_wake(context, connection, group.question, found, ground.at_ms)
    moved = changed(group.figures, found.items)
    group.figures = {key_of(kpi): kpi for kpi in found.items}
    group.actors = found.actors
    group.as_of = found.as_of
    group.seen = Seen(ground.at_ms, ground.dated.version, ground.cutoff)
    return moved


async def figures_seen(context: Context, question: KpiQuestion, seen: Seen) -> Mapping[FigureKey, Kpi]:
    """The figures as a client saw them: at its instant, before its cut, by its roster. Raises LookupError for a roster never recorded."""
    async with context.reading() as connection:
        shards = {shard: seen.cutoff.get(shard, 0) for shard in (await changes.heads(connection)).seqs}
        dated = await context.rosters.at(connection, seen.roster_version)
        ground = Ground(seen.at_ms, shards, dated, live=False)
        found = await answer_on(context, connection, question, ground)
    return {key_of(kpi): kpi for kpi in found.items}


async def _next_wake(
    context: Context, connection: asyncpg.Connection, question: KpiQuestion, found: Answer, at_ms: int
) -> int:
    """When the clock alone moves a figure next: a posting ahead begins to act, one leaves the window, or the local day ends.

    A posting acts once `at` < T, and is in a rolling window while book >= T - width: both move one millisecond later than they fall.
    """
    definitions = context.definitions
    midnight = definitions.day_start_ms(definitions.local_day(at_ms) + 1)
    width = ROLLING_MS.get(question.window, 0)
    starts = [at_ms, at_ms - width] if width else [at_ms]
    firsts = await changes.next_at(connection, sorted(found.actors), _names(question), starts)
    wakes = [first + passed + 1 for first, passed in zip(firsts, (0, width), strict=False) if first is not None]
    return min([at_ms + FALLBACK_MS, midnight, *wakes])


def _names(question: KpiQuestion) -> list[str]:
    measures = measures_of(question.indicators, question.view or View.LIVE)
    return [*measures.flows, *measures.stocks, *measures.scored_stocks]
