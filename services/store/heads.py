"""Shard heads and positions: the lock, the sequence and the place in the log that commit together with every effect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import asyncpg

READ = "SELECT seq, core_version FROM shard_head WHERE shard = $1"
LOCK = "SELECT seq, core_version FROM shard_head WHERE shard = $1 FOR UPDATE"


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """Where a shard stands in one topic. `position` is the next consumer position; `topic_id` tells a recreated topic."""

    position: int
    topic_id: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """A shard's head. `seq` numbers the last commit (0: none yet), `core_version` the newest core that wrote here."""

    seq: int
    core_version: int


@dataclass(frozen=True, slots=True)
class CommitRow:
    """What one transaction did to one shard; written as its last statement. Counts are records, `seq` is its own number."""

    shard: int
    seq: int
    kind: str
    topic: str
    position_from: int
    position_to: int
    events: int
    duplicates: int
    conflicts: int
    quarantined: int
    misrouted: int
    postings: int
    core_version: int
    definition_version: int


async def lock_head(connection: asyncpg.Connection, shard: int, *, lock: bool = True) -> Head:
    """Lock the shard until the transaction ends; every writer of the shard begins here, whatever topic it reads.

    `lock=False` exists for the negative control of the chaos test only.
    """
    query = LOCK if lock else READ
    row = await connection.fetchrow(query, shard)
    if row is None:
        await connection.execute("INSERT INTO shard_head (shard) VALUES ($1) ON CONFLICT DO NOTHING", shard)
        row = await connection.fetchrow(query, shard)
        assert row is not None  # noqa: S101 - just inserted, and nobody may delete heads
    return Head(seq=row["seq"], core_version=row["core_version"])


async def position(connection: asyncpg.Connection, topic: str, shard: int) -> int | None:
    """Return the next position of the shard in the topic, None before its first sight."""
    value: int | None = await connection.fetchval(
        "SELECT position FROM shard_position WHERE topic = $1 AND shard = $2", topic, shard
    )
    return value


async def positions(
    connection: asyncpg.Connection, partitions: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], StoredPosition | None]:
    """Stored positions of (topic, shard) pairs; None where the pair was never seen."""
    wanted = list(partitions)
    rows = await connection.fetch(
        """SELECT p.topic, p.shard, p.position, p.topic_id FROM shard_position p
           JOIN unnest($1::text[], $2::int[]) AS w(topic, shard) ON p.topic = w.topic AND p.shard = w.shard""",
        [topic for topic, _ in wanted],
        [shard for _, shard in wanted],
    )
    found = {(row["topic"], row["shard"]): StoredPosition(row["position"], row["topic_id"]) for row in rows}
    return {pair: found.get(pair) for pair in wanted}


async def first_sight(
    connection: asyncpg.Connection, topic: str, shard: int, log_start: int, topic_id: str | None
) -> None:
    """Record where the log of a never-seen partition starts. No effect when the pair is known."""
    await connection.execute(
        """INSERT INTO shard_position (topic, shard, position, log_start, topic_id) VALUES ($1, $2, $3, $3, $4)
           ON CONFLICT DO NOTHING""",
        topic,
        shard,
        log_start,
        topic_id,
    )


async def record_commit(connection: asyncpg.Connection, row: CommitRow) -> None:
    """Write the commit row, move the position and the head: one statement, the last of the transaction."""
    await connection.execute(
        """WITH written AS (
               INSERT INTO commits (shard, seq, kind, topic, position_from, position_to, events, duplicates, conflicts,
                                    quarantined, misrouted, postings, core_version, definition_version)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
           ), moved AS (
               UPDATE shard_position SET position = $6 WHERE topic = $4 AND shard = $1
           )
           UPDATE shard_head SET seq = $2, core_version = greatest(core_version, $13), recorded_at = clock_timestamp()
           WHERE shard = $1""",
        row.shard,
        row.seq,
        row.kind,
        row.topic,
        row.position_from,
        row.position_to,
        row.events,
        row.duplicates,
        row.conflicts,
        row.quarantined,
        row.misrouted,
        row.postings,
        row.core_version,
        row.definition_version,
    )
