"""Answer a question about figures from one state of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.api.context import Context
from services.api.instants import rfc3339, to_ms
from services.api.kpis.catalogue import measures_of
from services.api.kpis.rosters import DatedRoster
from services.api.kpis.schemas import AsOf, Kpi, Subject
from services.api.kpis.shaping import Frame, shape
from services.api.kpis.subjects import Level, SubjectId
from services.api.kpis.totals import Asked, Question, Totals, ask, collect
from services.api.kpis.windows import View, window_of
from services.core.kpi.indicators import Indicator
from services.store import asof, figures, roster
from services.store.asof import Checkpoint

SubjectKey = tuple[int, str]
"""Subjects in order: (0, id) by id, then (1, "") for what belongs to nobody."""


class NoCheckpointError(LookupError):
    """No checkpoint was recorded at or before what was asked for"""


@dataclass(frozen=True, slots=True)
class KpiQuestion:
    """What a client asks. `ids` None: every subject; `view` None: settled once the window is over, else live; `at_ms` None: now."""

    level: Level
    window: str
    indicators: Sequence[Indicator]
    ids: frozenset[SubjectId] | None = None
    view: View | None = None
    exact: bool = False
    as_of: int | datetime | None = None
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """What an answer rests on: the instant T, the cut through the journal, the roster. `live`: the cut is the present state."""

    at_ms: int
    cutoff: dict[int, int]
    dated: DatedRoster
    live: bool = True
    checkpoint: Checkpoint | None = None

    def as_of(self, definition_version: int) -> AsOf:
        """The ground as it goes out."""
        return AsOf(
            at=rfc3339(self.at_ms),
            checkpoint_id=None if self.checkpoint is None else self.checkpoint.checkpoint_id,
            cutoff=self.cutoff,
            roster_version=self.dated.version,
            definition_version=definition_version,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """Figures by subject and indicator, whether there are more, and the actors whose postings can matter."""

    as_of: AsOf
    items: Sequence[Kpi]
    more: bool
    actors: frozenset[str]


async def answer(
    context: Context,
    connection: asyncpg.Connection,
    question: KpiQuestion,
    *,
    after: tuple[SubjectKey, int] | None = None,
    limit: int | None = None,
) -> Answer:
    """The figures after a (subject, index of the indicator), at most `limit`. The connection sees one state of the database.

    Raises NoCheckpointError, UnknownWindowError.
    """
    return await answer_on(
        context, connection, question, await stand(context, connection, question), after=after, limit=limit
    )


async def answer_on(
    context: Context,
    connection: asyncpg.Connection,
    question: KpiQuestion,
    ground: Ground,
    *,
    after: tuple[SubjectKey, int] | None = None,
    limit: int | None = None,
) -> Answer:
    """The same on a given ground. Raises UnknownWindowError."""
    asked, frame = await prepare(context, connection, question, ground)
    subjects = [
        subject
        for subject in subjects_of(asked, question.ids)
        if after is None or (subject_key(subject), len(question.indicators)) > after
    ]
    page = subjects if limit is None else subjects[: limit // len(question.indicators) + 2]
    totals = await collect(connection, asked.narrowed(page))
    items = []
    for subject in page:
        whose, sums = named(ground.dated, asked, subject), totals.get(subject, Totals())
        items += [
            shape(indicator, whose, sums, frame)
            for place, indicator in enumerate(question.indicators)
            if after is None or (subject_key(subject), place) > after
        ]
    more = limit is not None and (len(items) > limit or len(page) < len(subjects))
    return Answer(ground.as_of(context.definitions.version), items[:limit], more, frozenset(asked.actors))


async def prepare(
    context: Context, connection: asyncpg.Connection, question: KpiQuestion, ground: Ground
) -> tuple[Asked, Frame]:
    """Set a question against its ground. Raises UnknownWindowError."""
    window = window_of(question.window, ground.at_ms, context.definitions)
    view = question.view or (View.SETTLED if window.over and not window.rolling else View.LIVE)
    asked = Question(
        level=question.level,
        subjects=question.ids,
        window=window,
        view=view,
        measures=measures_of(question.indicators, view),
        exact=question.exact,
        cutoff=None if ground.live else ground.cutoff,
    )
    return await ask(connection, asked, ground.dated, context.definitions), Frame(window, view, question.exact)


async def stand(context: Context, connection: asyncpg.Connection, question: KpiQuestion) -> Ground:
    """Find the ground of a question. Raises NoCheckpointError."""
    seen = await figures.heads(connection)
    if question.as_of is None:
        at_ms = context.clock.now_ms() if question.at_ms is None else question.at_ms
        cutoff = {shard: seq + 1 for shard, seq in seen.seqs.items()}
        return Ground(at_ms, cutoff, await context.rosters.at(connection, seen.roster_version))
    if isinstance(question.as_of, datetime):
        found = await asof.checkpoint_at(connection, question.as_of)
    else:
        found = await asof.checkpoint(connection, question.as_of)
    if found is None:
        raise NoCheckpointError
    cutoff = {shard: found.cutoff.get(shard, 0) for shard in seen.seqs}
    dated = await context.rosters.at(connection, await roster.version_at(connection, found.recorded_at))
    at_ms = to_ms(found.recorded_at) if question.at_ms is None else question.at_ms
    return Ground(at_ms, cutoff, dated, live=False, checkpoint=found)


def subjects_of(asked: Asked, ids: frozenset[SubjectId] | None) -> list[SubjectId]:
    """The subjects to answer for, in order: those asked for, else those of the roster and of any posting in the window."""
    if ids is not None:
        return sorted(ids, key=subject_key)
    days = [*asked.days, asked.gauge_day]
    found: set[SubjectId] = set(asked.resolver.subjects(days))
    found.update(asked.resolver.subject_of(actor, day) for actor in asked.actors for day in days)
    return sorted(found, key=subject_key)


def subject_key(subject: SubjectId) -> SubjectKey:
    """The place of a subject in lists."""
    return (1, "") if subject is None else (0, subject)


def named(dated: DatedRoster, asked: Asked, subject: SubjectId) -> Subject:
    """A subject with its name on the gauge's day."""
    name = None if subject is None else dated.roster.name_of(subject, asked.gauge_day)
    return Subject(level=asked.question.level, id=subject, name=name)
