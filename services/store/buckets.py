"""Buckets: the journal pre-summed by book day and at-slot, in the same transaction as the postings they sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import asyncpg

# (engineer, measure, dim, book day, slot start in epoch ms, hours of the slot, histogram bin of a duration or NO_BIN)
BucketKey = tuple[str, str, str, date, int, int, int]
NO_BIN = -1


async def add(connection: asyncpg.Connection, shard: int, sums: Mapping[BucketKey, Sequence[int]]) -> None:
    """Add [n, value] to each bucket. The caller holds the shard's lock, so no other writer can touch these rows."""
    rows = [(*key, *amount) for key, amount in sums.items() if amount[0] or amount[1]]
    if not rows:
        return
    await connection.execute(
        """INSERT INTO bucket (shard, engineer, measure, dim, book, slot_ms, hours, bin, n, value)
           SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::date[], $6::bigint[], $7::smallint[],
                                    $8::smallint[], $9::bigint[], $10::bigint[])
           ON CONFLICT (shard, engineer, measure, dim, book, slot_ms, hours, bin)
           DO UPDATE SET n = bucket.n + excluded.n, value = bucket.value + excluded.value""",
        shard,
        *zip(*rows, strict=True),
    )


async def compact(connection: asyncpg.Connection, shard: int, zone: str, before_ms: int) -> int:
    """Merge hour slots older than `before_ms` into day slots of the zone; returns the hour rows merged.

    The caller holds the shard's lock: a posting into the same slot must not run beside it.
    """
    merged: int = await connection.fetchval(
        """WITH o AS (
               DELETE FROM bucket WHERE shard = $1 AND hours = 1 AND slot_ms < $2
               RETURNING engineer, measure, dim, book, slot_ms, bin, n, value
           ), written AS (
               INSERT INTO bucket (shard, engineer, measure, dim, book, slot_ms, hours, bin, n, value)
               SELECT $1, o.engineer, o.measure, o.dim, o.book,
                      (extract(epoch FROM date_trunc('day', to_timestamp(o.slot_ms / 1000.0) AT TIME ZONE $3)
                                          AT TIME ZONE $3) * 1000)::bigint,
                      24, o.bin, sum(o.n), sum(o.value)
               FROM o GROUP BY 2, 3, 4, 5, 6, 8
               ON CONFLICT (shard, engineer, measure, dim, book, slot_ms, hours, bin)
               DO UPDATE SET n = bucket.n + excluded.n, value = bucket.value + excluded.value
           )
           SELECT count(*) FROM o""",
        shard,
        before_ms,
        zone,
    )
    return merged
