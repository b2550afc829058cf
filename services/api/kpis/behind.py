"""The cases and postings behind a figure: a drill-down that sums to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Self

import asyncpg
from pydantic import AwareDatetime, BaseModel, Field

from services.api.context import Context
from services.api.instants import rfc3339
from services.api.kpis.schemas import AsOf, Kpi
from services.api.kpis.service import KpiQuestion, named, prepare, stand
from services.api.kpis.shaping import shape
from services.api.kpis.totals import Asked, Totals, collect
from services.store import drilldown
from services.store.drilldown import Allowed, CaseNet, PostingLine, Selection
from services.store.spans import is_day_booked


class Cause(BaseModel):
    """The event that made a posting."""

    shard: int
    seq: int
    source: str
    id: str


class Posting(BaseModel):
    """One line of the journal."""

    cause: Cause
    ordinal: int
    recorded_at: AwareDatetime
    engineer: str = Field(
        description='The id as its source writes it, "<source> <id>"; "" = nobody.', examples=["crm GC01"]
    )
    measure: str
    dim: str
    at: str = Field(description="The instant of event time from which it counts.")
    book: str = Field(description="The deciding stamp: it belongs to the period in which this lies.")
    value: int = Field(description="Per item: 1, milliseconds, or millionths.")
    n: int = Field(description="Items; negative: taken back.")

    @classmethod
    def of(cls, line: PostingLine) -> Self:
        """A posting as it goes out."""
        return cls(
            cause=Cause(shard=line.shard, seq=line.seq, source=line.cause_source, id=line.cause_id),
            ordinal=line.ordinal, recorded_at=line.recorded_at, engineer=line.actor, measure=line.measure, dim=line.dim,
            at=rfc3339(line.at_ms), book=rfc3339(line.book_ms), value=line.value, n=line.n,
        )  # fmt: skip


class Net(BaseModel):
    """What a case brings to a measure."""

    measure: str
    n: int
    value: int = Field(description="Σ n × value.")


class CaseBehind(BaseModel):
    """One case behind the figure."""

    case: str = Field(examples=["PG-01"])
    shard: int
    net: list[Net]
    postings: list[Posting]


class BehindPage(BaseModel):
    """The figure, and a page of the cases behind it."""

    as_of: AsOf
    kpi: Kpi
    items: list[CaseBehind]
    next_cursor: str | None = None


async def behind(
    context: Context,
    connection: asyncpg.Connection,
    question: KpiQuestion,
    *,
    after: tuple[int, str] | None,
    limit: int,
) -> tuple[BehindPage, tuple[int, str] | None]:
    """The page of cases after a (shard, case), and the key of its last case when there are more.

    The question names one subject and one indicator. Raises NoCheckpointError, UnknownWindowError.
    """
    ground = await stand(context, connection, question)
    asked, frame = await prepare(context, connection, question, ground)
    assert question.ids is not None  # noqa: S101 - the endpoint asks for exactly one subject
    (subject,) = question.ids
    (indicator,) = question.indicators
    totals = (await collect(connection, asked)).get(subject, Totals())
    selections = selections_of(asked)
    nets = [
        net
        for chosen in selections
        for net in await drilldown.cases_behind(connection, chosen, after=after, limit=limit + 1)
    ]
    cases = sorted({(net.shard, net.case_id) for net in nets})
    page = cases[:limit]
    lines = [line for chosen in selections for line in await drilldown.postings_of(connection, chosen, page)]
    body = BehindPage(
        as_of=ground.as_of(context.definitions.version),
        kpi=shape(indicator, named(ground.dated, asked, subject), totals, frame),
        items=_items(page, nets, lines),
    )
    return body, page[-1] if len(cases) > limit else None


def selections_of(asked: Asked) -> list[Selection]:
    """The postings that the figure of the one subject sums: flows, stocks and scored stocks each by their own rule."""
    question, window, measures = asked.question, asked.question.window, asked.question.measures
    assert question.subjects is not None  # noqa: S101 - a drill-down is about one subject
    (subject,) = question.subjects
    limit_ms = window.at_before_ms(question.view)
    flows, standing = asked.allowed_flows(subject), asked.allowed_stocks(subject)
    ordinary = [name for name in measures.flows if not is_day_booked(name)]
    booked = [name for name in measures.flows if is_day_booked(name)]
    scored = standing if window.rolling else [Allowed(item.actor, to_ms=window.end_ms) for item in standing]
    chosen = [
        Selection(flows, ordinary, window.start_ms, limit_ms, question.cutoff),
        Selection(flows, booked, None, limit_ms, question.cutoff),
        Selection(standing, measures.stocks, None, window.gauge_ms, question.cutoff),
        Selection(scored, measures.scored_stocks, None, limit_ms, question.cutoff),
    ]
    return [selection for selection in chosen if selection.measures]


def _items(page: Sequence[tuple[int, str]], nets: Sequence[CaseNet], lines: Sequence[PostingLine]) -> list[CaseBehind]:
    by_case: dict[tuple[int, str], list[Net]] = defaultdict(list)
    for net in nets:
        by_case[net.shard, net.case_id].append(Net(measure=net.measure, n=net.n, value=net.value))
    postings: dict[tuple[int, str], list[Posting]] = defaultdict(list)
    for line in lines:
        postings[line.shard, line.case_id].append(Posting.of(line))
    return [
        CaseBehind(case=case_id, shard=shard, net=by_case[shard, case_id], postings=postings[shard, case_id])
        for shard, case_id in page
    ]
