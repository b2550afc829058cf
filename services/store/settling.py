"""Decisions on quarantined records and conflicts: appended once an item, with a row of the audit trail, in the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from services.store.roster import record_audit

QUARANTINED = ("quarantine", ("shard", "topic", "kafka_offset"))
CONFLICT = ("conflict", ("shard", "seq", "ordinal"))


class NoSuchItem(Exception):  # noqa: N818 - a finding, not a fault
    """Nothing is listed under this key."""


@dataclass(eq=False)  # not frozen: context managers set a passing exception's traceback
class SettledAlready(Exception):  # noqa: N818 - a finding, not a fault
    """Somebody decided before."""

    state: str
    actor: str


async def quarantined(
    connection: asyncpg.Connection, key_id: str, item: tuple[int, str, int], state: str, *, by: str, reason: str
) -> None:
    """Decide on the record at (shard, topic, kafka_offset). Raises NoSuchItem, SettledAlready."""
    await _settle(connection, QUARANTINED, item, (key_id, state, by, reason))


async def conflict(
    connection: asyncpg.Connection, key_id: str, item: tuple[int, int, int], state: str, *, by: str, reason: str
) -> None:
    """Decide on the conflict listed at (shard, seq, ordinal). Raises NoSuchItem, SettledAlready."""
    await _settle(connection, CONFLICT, item, (key_id, state, by, reason))


async def _settle(
    connection: asyncpg.Connection,
    kind: tuple[str, tuple[str, ...]],
    item: tuple[object, ...],
    decision: tuple[str, str, str, str],
) -> None:
    """Append the decision (key id, state, by, reason) on the item of a table with these names of its key."""
    (table, names), (key_id, state, by, reason) = kind, decision
    # The application may not lock rows of append-only tables: an advisory lock lets two decisions on one item come one by one.
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 3))", f"kaohe.settle {table} {' '.join(map(str, item))}"
    )
    where = " AND ".join(f"{name} = ${place}" for place, name in enumerate(names, start=1))
    if not await connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {where})", *item):  # noqa: S608 - names of ours
        raise NoSuchItem
    settled = await connection.fetchrow(
        f"SELECT state, actor FROM {table}_transition WHERE {where} ORDER BY recorded_at DESC LIMIT 1",  # noqa: S608 - names of ours
        *item,
    )
    if settled is not None:
        raise SettledAlready(settled["state"], settled["actor"])
    await connection.execute(
        f"INSERT INTO {table}_transition ({', '.join(names)}, state, actor, reason) VALUES ($1, $2, $3, $4, $5, $6)",  # noqa: S608
        *item,
        state,
        by,
        reason,
    )
    body = dict(zip(names, item, strict=True)) | {"state": state, "by": by, "reason": reason}
    await record_audit(connection, key_id, f"{table}.{state}", body)
