"""The outbox: what a transaction wants sent to Kafka, in the order of its shard, until the broker has acknowledged it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from services.store.incidents import Headers, headers_from_json, headers_to_json


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A record to send to exactly this partition; `id` orders the rows of a shard."""

    id: int
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


async def put(
    connection: asyncpg.Connection,
    shard: int,
    seq: int,
    row: tuple[str, int, bytes | None, bytes | None],
    headers: Headers = (),
) -> None:
    """Add one row (topic, partition, key, value), in the caller's transaction, which holds the shard's lock."""
    await connection.execute(
        "INSERT INTO outbox (shard, seq, topic, partition, key, value, headers) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        shard,
        seq,
        *row,
        headers_to_json(headers),
    )


async def shards_waiting(connection: asyncpg.Connection) -> list[int]:
    """Shards that have rows to send."""
    rows = await connection.fetch("SELECT DISTINCT shard FROM outbox ORDER BY shard")
    return [row["shard"] for row in rows]


async def head(connection: asyncpg.Connection, shard: int, limit: int) -> list[OutboxRow]:
    """Return the oldest rows of a shard, in order."""
    rows = await connection.fetch(
        "SELECT id, topic, partition, key, value, headers FROM outbox WHERE shard = $1 ORDER BY id LIMIT $2",
        shard,
        limit,
    )
    return [
        OutboxRow(
            row["id"], row["topic"], row["partition"], row["key"], row["value"], headers_from_json(row["headers"])
        )
        for row in rows
    ]


async def remove(connection: asyncpg.Connection, shard: int, ids: Sequence[int]) -> None:
    """Remove rows that the broker has acknowledged."""
    await connection.execute("DELETE FROM outbox WHERE shard = $1 AND id = ANY($2::bigint[])", shard, list(ids))


async def oldest_age_seconds(connection: asyncpg.Connection) -> float:
    """Return how long the oldest row has been waiting; 0 when none waits."""
    age: float = await connection.fetchval(
        "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)), 0)::float8 FROM outbox"
    )
    return age
