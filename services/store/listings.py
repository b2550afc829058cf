"""What stands beside the numbers: conflicts, quarantine, misrouted records, doubles, checkpoints. Newest first, by keyset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Select, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.store.tables import (
    checkpoint,
    conflict,
    conflict_transition,
    double_found,
    ledger,
    misrouted,
    quarantine,
    quarantine_transition,
)

Rows = Sequence[Row[Any]]


@dataclass(frozen=True, slots=True)
class After:
    """The place behind which a page begins: the recorded instant and the key of the last item."""

    recorded_at: datetime
    key: tuple[Any, ...]


async def conflicts(connection: AsyncConnection, *, after: After | None, limit: int, unsettled: bool) -> Rows:
    """Recorded identities that came again with other content, with the event that counts and the latest decision on it."""
    keys = [conflict.c.recorded_at, conflict.c.shard, conflict.c.seq, conflict.c.ordinal]
    state = _latest_state(conflict_transition, {name: conflict.c[name] for name in ("shard", "seq", "ordinal")})
    query = select(
        *[column for column in conflict.c if column.name != "body"], ledger.c.time_ms.label("counted_time_ms"), *state
    ).outerjoin(
        ledger,
        (ledger.c.shard == conflict.c.shard) & (ledger.c.source == conflict.c.source) & (ledger.c.id == conflict.c.id),
    )
    if unsettled:
        query = query.where(state[0].element.is_(None))
    return await _page(connection, query, keys, after, limit)


async def quarantined(connection: AsyncConnection, *, after: After | None, limit: int, unsettled: bool) -> Rows:
    """Records that could not be understood, without their bytes."""
    names = ("shard", "topic", "kafka_offset")
    state = _latest_state(quarantine_transition, {name: quarantine.c[name] for name in names})
    columns = [column for column in quarantine.c if column.name not in {"key", "value", "headers"}]
    query = select(*columns, func.octet_length(quarantine.c.value).label("value_bytes"), *state)
    if unsettled:
        query = query.where(state[0].element.is_(None))
    keys = [quarantine.c.recorded_at, *(quarantine.c[name] for name in names)]
    return await _page(connection, query, keys, after, limit)


async def quarantined_record(connection: AsyncConnection, shard: int, topic: str, offset: int) -> Row[Any] | None:
    """One record with its bytes."""
    names = ("shard", "topic", "kafka_offset")
    state = _latest_state(quarantine_transition, {name: quarantine.c[name] for name in names})
    found = await connection.execute(
        select(quarantine, func.octet_length(quarantine.c.value).label("value_bytes"), *state).where(
            quarantine.c.shard == shard, quarantine.c.topic == topic, quarantine.c.kafka_offset == offset
        )
    )
    return found.one_or_none()


async def strays(connection: AsyncConnection, *, after: After | None, limit: int) -> Rows:
    """Records found in another partition than their key says; each was forwarded."""
    keys = [misrouted.c.recorded_at, misrouted.c.shard, misrouted.c.topic, misrouted.c.kafka_offset]
    return await _page(connection, select(misrouted), keys, after, limit)


async def doubles(connection: AsyncConnection, *, after: After | None, limit: int) -> Rows:
    """Identities recorded under two keys; the later one was withdrawn."""
    keys = [double_found.c.recorded_at, double_found.c.source, double_found.c.id, double_found.c.withdrawn_shard]
    return await _page(connection, select(double_found), keys, after, limit)


async def checkpoints(connection: AsyncConnection, *, after: After | None, limit: int) -> Rows:
    """Recorded cuts through the journal."""
    keys = [checkpoint.c.recorded_at, checkpoint.c.checkpoint_id]
    return await _page(connection, select(checkpoint), keys, after, limit)


def _latest_state(transitions: FromClause, keys: Mapping[str, ColumnElement[Any]]) -> list[Any]:
    """Columns state, actor, reason of the latest transition of an item, NULL when nobody has decided."""
    return [
        select(transitions.c[name])
        .where(*(transitions.c[key] == column for key, column in keys.items()))
        .order_by(transitions.c.recorded_at.desc())
        .limit(1)
        .scalar_subquery()
        .label(name if name == "state" else f"state_{name}")
        for name in ("state", "actor", "reason")
    ]


async def _page(
    connection: AsyncConnection, query: Select[Any], keys: Sequence[ColumnElement[Any]], after: After | None, limit: int
) -> Rows:
    """The page after a place, newest first; `keys` begins with the recorded instant."""
    if after is not None:
        place = zip(keys, (after.recorded_at, *after.key), strict=True)
        query = query.where(tuple_(*keys) < tuple_(*(literal(part, key.type) for key, part in place)))
    found = await connection.execute(query.order_by(*(key.desc() for key in keys)).limit(limit))
    rows: Rows = found.all()
    return rows
