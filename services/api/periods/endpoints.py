"""Freezing a period, its snapshots, statements and their verification."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import PlainTextResponse

from services.api.auth import Freezer, Reader
from services.api.context import Ctx
from services.api.periods import reading, refusals, service, verifying
from services.api.periods.rendering import Language, render
from services.api.periods.schemas import (
    FreezeRequest,
    PeriodText,
    PersonList,
    SnapshotItem,
    SnapshotList,
    Statement,
    Verification,
)
from services.runtime.log_ends import KafkaLogEnds, LogEnds
from services.runtime.problems import responses
from services.runtime.settings import ApiSettings

router = APIRouter(prefix="/v1", tags=["periods"])

# Freezes and verifications read the whole journal, and a freeze holds a connection for its locks: so few at a time leave the pool to
# the others. Each kind has its own bound, for any reader may verify and must not keep a freeze waiting.
FREEZES_AT_A_TIME = 2
VERIFICATIONS_AT_A_TIME = 1


def log_ends_of(request: Request) -> LogEnds:
    """Where the ends of the input logs are asked for; tests may put their own on the app."""
    given = getattr(request.app.state, "log_ends", None)
    if given is None:
        settings = cast("ApiSettings", request.app.state.settings)
        given = KafkaLogEnds(settings.kafka_brokers, settings.topics, settings.partitions)
        request.app.state.log_ends = given
    return cast("LogEnds", given)


def freezing_of(request: Request) -> asyncio.Semaphore:
    """The bound on freezes in this process."""
    if not hasattr(request.app.state, "freezing"):
        request.app.state.freezing = asyncio.Semaphore(FREEZES_AT_A_TIME)
    return cast("asyncio.Semaphore", request.app.state.freezing)


def verifying_of(request: Request) -> asyncio.Semaphore:
    """The bound on verifications in this process."""
    if not hasattr(request.app.state, "verifying"):
        request.app.state.verifying = asyncio.Semaphore(VERIFICATIONS_AT_A_TIME)
    return cast("asyncio.Semaphore", request.app.state.verifying)


Ends = Annotated[LogEnds, Depends(log_ends_of)]
Freezing = Annotated[asyncio.Semaphore, Depends(freezing_of)]
Verifying = Annotated[asyncio.Semaphore, Depends(verifying_of)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=255, description="Any unique text; the same again on a retry."
    ),
]


@router.post(
    "/periods/{period}/snapshots",
    operation_id="freezePeriod",
    summary="Freeze a period",
    status_code=201,
    responses=responses(400, 401, 403, 404, 409, 422, 503),
)
async def freeze_period(
    period: PeriodText,
    body: FreezeRequest,
    context: Ctx,
    key: Freezer,
    *,
    log_ends: Ends,
    turn: Freezing,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> SnapshotItem:
    """Score a cohort once and for all. The same key and body get the same answer; the same thing twice is refused.

    Refused with the reason while events of the log are not counted, quarantined records or conflicts are open, or a score cannot be
    computed and nobody named excuses the person.
    """
    if idempotency_key is None:
        raise refusals.key_missing()
    asked = service.Asked(key.key_id, idempotency_key, service.parse_period(period), body)
    async with turn:
        item = await service.freeze(context, log_ends, asked)
    response.headers["Location"] = f"/v1/snapshots/{item.id}"
    return item


@router.get(
    "/periods/{period}/snapshots",
    operation_id="listSnapshots",
    summary="Snapshots of a period",
    responses=responses(401, 403, 422),
)
async def list_snapshots(period: PeriodText, context: Ctx, _key: Reader) -> SnapshotList:
    """Sealed ones, oldest first. What a broken-off freeze left behind is not there."""
    return await reading.of_period(context, service.parse_period(period))


@router.get(
    "/snapshots/{snapshot_id}",
    operation_id="getSnapshot",
    summary="One snapshot",
    responses=responses(401, 403, 404, 422),
)
async def get_snapshot(snapshot_id: UUID, context: Ctx, _key: Reader) -> SnapshotItem:
    """What it is a function of, and its hash."""
    return SnapshotItem.of(await reading.one(context, snapshot_id))


@router.get(
    "/snapshots/{snapshot_id}/people",
    operation_id="listSnapshotPeople",
    summary="Everybody's score in a snapshot",
    responses=responses(401, 403, 404, 422),
)
async def list_people(snapshot_id: UUID, context: Ctx, _key: Reader) -> PersonList:
    """By branch, best total first, then those without a score."""
    return await reading.people_of(context, await reading.one(context, snapshot_id))


_TEXT: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/plain": {"schema": {"type": "string"}}},
        "description": "JSON, or plain text when asked for.",
    }
}


@router.get(
    "/snapshots/{snapshot_id}/people/{person}/statement",
    operation_id="getStatement",
    summary="One person's statement",
    response_model=Statement,
    responses=_TEXT | responses(401, 403, 404, 422),
)
async def get_statement(
    snapshot_id: UUID,
    person: str,
    context: Ctx,
    _key: Reader,
    request: Request,
    lang: Annotated[Language | None, Query(description="Language of the text; else Accept-Language; else zh.")] = None,
) -> Any:
    """Score, lines that add up to it, indicators, evidence. `Accept: text/plain` gives it as text."""
    found = await reading.statement(context, snapshot_id, person)
    if _prefers_text(request.headers.get("accept", "")):
        language = lang or _language(request.headers.get("accept-language", ""))
        return PlainTextResponse(
            render(found, language), headers={"Content-Language": language, "Vary": "Accept, Accept-Language"}
        )
    return found


@router.post(
    "/snapshots/{snapshot_id}/verify",
    operation_id="verifySnapshot",
    summary="Verify a snapshot",
    responses=responses(401, 403, 404, 422),
)
async def verify_snapshot(snapshot_id: UUID, context: Ctx, _key: Reader, turn: Verifying) -> Verification:
    """Fold every case again from the ledger up to the cutoff; `same`, or the cases and sections that differ."""
    snapshot = await reading.one(context, snapshot_id)
    async with turn:
        return await verifying.verify(context, snapshot)


def _prefers_text(accept: str) -> bool:
    """True when plain text is named before, or without, JSON."""
    offered = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    text = offered.index("text/plain") if "text/plain" in offered else None
    return text is not None and ("application/json" not in offered or text < offered.index("application/json"))


def _language(accept: str) -> Language:
    """The first of zh and en that the client names; zh when it names neither."""
    for part in accept.split(","):
        tag = part.split(";")[0].strip().lower().split("-")[0]
        if tag == "zh":
            return "zh"
        if tag == "en":
            return "en"
    return "zh"
