"""Sources, conflicts, quarantine, misrouted records, doubles and checkpoints: newest first, read only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from sqlalchemy import Row

from services.api.auth import Reader
from services.api.completeness.schemas import (
    CheckpointItem,
    ConflictItem,
    DoubleItem,
    MisroutedItem,
    QuarantineItem,
    QuarantineRecord,
    SourceItem,
)
from services.api.context import Ctx
from services.api.paging import Page, Paging, Place, bad_cursor
from services.runtime.problems import Problem, responses
from services.store import listings, sources
from services.store.listings import After

router = APIRouter(prefix="/v1", tags=["completeness"])

LIST_PROBLEMS = responses(400, 401, 403, 422)
Unsettled = Annotated[bool, Query(description="Only items that nobody has decided on.")]


@router.get("/sources", operation_id="listSources", summary="How complete each source is", responses=LIST_PROBLEMS)
async def list_sources(context: Ctx, _key: Reader, paging: Paging) -> Page[SourceItem]:
    """By name: last event time, last seen, counts. A silent source makes live figures look better than they are."""
    place = Place.of("sources")
    after = place.decode(paging.cursor, str)
    async with context.engine.connect() as connection:
        rows = await sources.sources(connection, after=None if after is None else str(after[0]), limit=paging.limit + 1)
    now_ms = context.clock.now_ms()
    following = place.encode([rows[paging.limit - 1].source]) if len(rows) > paging.limit else None
    return paging.page([SourceItem.of(row, now_ms) for row in rows[: paging.limit]], following)


@router.get("/conflicts", operation_id="listConflicts", summary="One identity, other content", responses=LIST_PROBLEMS)
async def list_conflicts(
    context: Ctx, _key: Reader, paging: Paging, unsettled: Unsettled = False
) -> Page[ConflictItem]:
    """Events that came again with other content. The recorded one counts."""
    place = Place.of("conflicts", unsettled)
    after = _after(place.decode(paging.cursor, str, int, int, int))
    async with context.engine.connect() as connection:
        rows = await listings.conflicts(connection, after=after, limit=paging.limit + 1, unsettled=unsettled)
    following = _next(place, rows, paging.limit, ("shard", "seq", "ordinal"))
    return paging.page([ConflictItem.of(row) for row in rows[: paging.limit]], following)


@router.get("/quarantine", operation_id="listQuarantine", summary="Records not understood", responses=LIST_PROBLEMS)
async def list_quarantine(
    context: Ctx, _key: Reader, paging: Paging, unsettled: Unsettled = False
) -> Page[QuarantineItem]:
    """Kept with bytes and coordinates while their neighbours count."""
    place = Place.of("quarantine", unsettled)
    after = _after(place.decode(paging.cursor, str, int, str, int))
    async with context.engine.connect() as connection:
        rows = await listings.quarantined(connection, after=after, limit=paging.limit + 1, unsettled=unsettled)
    following = _next(place, rows, paging.limit, ("shard", "topic", "kafka_offset"))
    return paging.page([QuarantineItem.of(row) for row in rows[: paging.limit]], following)


@router.get(
    "/quarantine/{shard}/{topic}/{offset}",
    operation_id="getQuarantined",
    summary="One record with its bytes",
    responses=responses(401, 403, 404, 422),
)
async def get_quarantined(
    context: Ctx,
    _key: Reader,
    shard: Annotated[int, Path(ge=0, lt=2**15)],
    topic: Annotated[str, Path(pattern=r"^[a-zA-Z0-9._-]{1,249}$")],
    offset: Annotated[int, Path(ge=0, lt=2**63)],
) -> QuarantineRecord:
    """The record as it was found."""
    async with context.engine.connect() as connection:
        row = await listings.quarantined_record(connection, shard, topic, offset)
    if row is None:
        raise Problem(404, "not-quarantined", "No record of these coordinates is in quarantine")
    return QuarantineRecord.of(row)


@router.get(
    "/misrouted", operation_id="listMisrouted", summary="Records in the wrong partition", responses=LIST_PROBLEMS
)
async def list_misrouted(context: Ctx, _key: Reader, paging: Paging) -> Page[MisroutedItem]:
    """Forwarded to the partition of their key, where they count; their producer's partitioner wants mending."""
    place = Place.of("misrouted")
    after = _after(place.decode(paging.cursor, str, int, str, int))
    async with context.engine.connect() as connection:
        rows = await listings.strays(connection, after=after, limit=paging.limit + 1)
    following = _next(place, rows, paging.limit, ("shard", "topic", "kafka_offset"))
    return paging.page([MisroutedItem.model_validate(row) for row in rows[: paging.limit]], following)


@router.get("/doubles", operation_id="listDoubles", summary="One identity under two keys", responses=LIST_PROBLEMS)
async def list_doubles(context: Ctx, _key: Reader, paging: Paging) -> Page[DoubleItem]:
    """The earlier recording counts, the later one was withdrawn."""
    place = Place.of("doubles")
    after = _after(place.decode(paging.cursor, str, str, str, int))
    async with context.engine.connect() as connection:
        rows = await listings.doubles(connection, after=after, limit=paging.limit + 1)
    following = _next(place, rows, paging.limit, ("source", "id", "withdrawn_shard"))
    return paging.page([DoubleItem.model_validate(row) for row in rows[: paging.limit]], following)


@router.get("/checkpoints", operation_id="listCheckpoints", summary="Recorded cuts", responses=LIST_PROBLEMS)
async def list_checkpoints(context: Ctx, _key: Reader, paging: Paging) -> Page[CheckpointItem]:
    """One a minute and one at each freeze; give an id as `as_of` to any KPI."""
    place = Place.of("checkpoints")
    after = _after(place.decode(paging.cursor, str, int))
    async with context.engine.connect() as connection:
        rows = await listings.checkpoints(connection, after=after, limit=paging.limit + 1)
    following = _next(place, rows, paging.limit, ("checkpoint_id",))
    return paging.page([CheckpointItem.of(row) for row in rows[: paging.limit]], following)


def _after(key: tuple[str | int | None, ...] | None) -> After | None:
    if key is None:
        return None
    try:
        recorded_at = datetime.fromisoformat(str(key[0]))
    except ValueError:
        raise bad_cursor() from None
    if recorded_at.tzinfo is None:
        raise bad_cursor()
    return After(recorded_at, key[1:])


def _next(place: Place, rows: Sequence[Row[Any]], limit: int, names: Sequence[str]) -> str | None:
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    return place.encode([last.recorded_at.isoformat(), *(getattr(last, name) for name in names)])
