"""Settling quarantined records and conflicts, so that a period can be frozen."""

from __future__ import annotations

from fastapi import APIRouter

from services.api.auth import Freezer
from services.api.context import Ctx
from services.api.settling.schemas import ConflictDecision, QuarantineDecision
from services.runtime.problems import Problem, responses
from services.store import settling
from services.store.settling import NoSuchItem, SettledAlready

router = APIRouter(prefix="/v1", tags=["settling"])


@router.post(
    "/quarantine/transitions",
    operation_id="settleQuarantined",
    summary="Waive a quarantined record",
    status_code=201,
    responses=responses(400, 401, 403, 404, 409, 422),
)
async def settle_quarantined(body: QuarantineDecision, context: Ctx, key: Freezer) -> QuarantineDecision:
    """The record stays where it is with its bytes; it no longer blocks a freeze. Decided once: 409 when it is settled already."""
    try:
        async with context.writing() as connection:
            item = (body.shard, body.topic, body.kafka_offset)
            await settling.quarantined(connection, key.key_id, item, body.state, by=body.by, reason=body.reason)
    except NoSuchItem:
        raise Problem(404, "not-quarantined", "No record of these coordinates is in quarantine") from None
    except SettledAlready as settled:
        raise _settled(settled) from None
    return body


@router.post(
    "/conflicts/transitions",
    operation_id="settleConflict",
    summary="Resolve or waive a conflict",
    status_code=201,
    responses=responses(400, 401, 403, 404, 409, 422),
)
async def settle_conflict(body: ConflictDecision, context: Ctx, key: Freezer) -> ConflictDecision:
    """The recorded event goes on counting; the conflict no longer blocks a freeze. Decided once: 409 when it is settled already."""
    try:
        async with context.writing() as connection:
            item = (body.shard, body.seq, body.ordinal)
            await settling.conflict(connection, key.key_id, item, body.state, by=body.by, reason=body.reason)
    except NoSuchItem:
        raise Problem(404, "no-conflict", "No conflict is listed at this place") from None
    except SettledAlready as settled:
        raise _settled(settled) from None
    return body


def _settled(settled: SettledAlready) -> Problem:
    return Problem(409, "settled-already", "This is settled already", f"{settled.state} by {settled.actor}")
