"""One case: its recorded events, the state they fold to, what is listed about it, and what has been posted for it."""

from __future__ import annotations

from typing import Any, Self

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.api.auth import Reader
from services.api.context import Ctx
from services.api.instants import rfc3339
from services.core.kpi.case import CaseState
from services.core.kpi.definitions import Definitions
from services.core.kpi.listed import Listed
from services.core.kpi.version import CORE_VERSION
from services.core.kpi.walk import fold_case
from services.runtime.problems import Problem, responses
from services.store import drilldown
from services.store.cases import decode_posted, decode_state, encode_state
from services.store.drilldown import CaseRow, RecordedEvent
from services.store.mapping import event_from_ledger

router = APIRouter(prefix="/v1/cases", tags=["cases"])


class EventOut(BaseModel):
    """One recorded event: the producer's attributes and data, and where it came from."""

    source: str
    id: str
    type: str
    time: str
    appended: str = Field(description="The broker's append time.")
    seq: int = Field(description="The commit that recorded it.")
    topic: str
    kafka_offset: int
    content: dict[str, Any] = Field(description="What the producer said, in canonical form.")

    @classmethod
    def of(cls, event: RecordedEvent) -> Self:
        """A ledger row as it goes out."""
        return cls(
            source=event.source, id=event.id, type=event.type, time=rfc3339(event.time_ms),
            appended=rfc3339(event.appended_ms), seq=event.seq, topic=event.topic, kafka_offset=event.kafka_offset,
            content=orjson.loads(event.body),
        )  # fmt: skip


class Condition(BaseModel):
    """An event that the case cannot use, and why."""

    source: str
    id: str
    family: str
    verb: str
    why: str
    target: str | None = Field(description="What a correction names.")

    @classmethod
    def of(cls, listed: Listed) -> Self:
        """A listed condition as it goes out."""
        return cls(
            source=listed.source,
            id=listed.id,
            family=listed.family,
            verb=listed.verb,
            why=listed.why,
            target=listed.target,
        )


class PostedLine(BaseModel):
    """Net items that stand posted for the case under one key."""

    engineer: str
    measure: str
    dim: str
    at: str
    book: str
    value: int
    n: int


class CaseOut(BaseModel):
    """A case as the last commit left it. Lines of `posted` ahead of now are deadlines."""

    case: str
    shard: int
    last_seq: int
    core_version: int
    events: list[EventOut]
    state: dict[str, Any]
    listed: list[Condition]
    posted: list[PostedLine]


@router.get(
    "/{case:path}",
    operation_id="getCase",
    summary="One case with its events",
    responses=responses(401, 403, 404),
)
async def get_case(context: Ctx, _key: Reader, case: str) -> CaseOut:
    """Events by time; the state is the fold of them, the postings what the state amounts to."""
    async with context.reading() as connection:
        row = await drilldown.find_case(connection, case) if "\x00" not in case else None
        if row is None:
            raise Problem(404, "unknown-case", "There is no such case")
        events = await drilldown.events_of(connection, row.shard, row.case_id)
    return _shape(row, events, context.definitions)


def _state(row: CaseRow, events: list[RecordedEvent], definitions: Definitions) -> CaseState:
    """The stored state, or the fold of the events where another release stored one of another shape."""
    if row.core_version == CORE_VERSION:
        return decode_state(row.state)
    return fold_case([event_from_ledger(event.body) for event in events], definitions).state


def _shape(row: CaseRow, events: list[RecordedEvent], definitions: Definitions) -> CaseOut:
    posted = decode_posted(row.posted)
    state = _state(row, events, definitions)
    return CaseOut(
        case=row.case_id,
        shard=row.shard,
        last_seq=row.last_seq,
        core_version=row.core_version,
        events=[EventOut.of(event) for event in events],
        state=orjson.loads(encode_state(state)),
        listed=[Condition.of(item) for item in state.listed],
        posted=[
            PostedLine(
                engineer=engineer, measure=measure, dim=dim, at=rfc3339(at_ms), book=rfc3339(book_ms), value=value, n=n
            )
            for (engineer, measure, dim, at_ms, book_ms, value), n in sorted(
                posted.items(), key=lambda item: item[0][3]
            )
        ],
    )
