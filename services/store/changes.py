"""What changed since a viewer looked: heads, touched actors, and the instants at which figures move without an event.

Asked many times a second, so every statement here is small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg


@dataclass(frozen=True, slots=True)
class Heads:
    """Where the database stands: the last seq of each shard, and the roster's version."""

    seqs: Mapping[int, int]
    roster_version: int


async def heads(connection: asyncpg.Connection) -> Heads:
    """The one small read that serves every viewer."""
    rows = await connection.fetch(
        """SELECT shard, seq FROM shard_head
           UNION ALL SELECT -1, coalesce(max(version), 0) FROM roster_version"""
    )
    found = {row["shard"]: row["seq"] for row in rows}
    return Heads({shard: seq for shard, seq in found.items() if shard >= 0}, found[-1])


async def touched(connection: asyncpg.Connection, since: Mapping[int, int], until: Mapping[int, int]) -> set[str]:
    """The actors with postings of seq in (since, until] of each shard; a shard without `since` is new."""
    changed = {shard: (since.get(shard, 0), last) for shard, last in until.items() if since.get(shard, 0) < last}
    rows = await connection.fetch(
        """SELECT DISTINCT j.engineer FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS c(shard, after, last)
           JOIN journal j ON j.shard = c.shard AND j.seq > c.after AND j.seq <= c.last""",
        list(changed),
        [after for after, _ in changed.values()],
        [last for _, last in changed.values()],
    )
    return {row["engineer"] for row in rows}


async def next_at(
    connection: asyncpg.Connection, actors: Sequence[str], measures: Sequence[str], from_ms: Sequence[int]
) -> list[int | None]:
    """For each instant the first `at` of these actors' postings at or after it: one index probe an actor and measure."""
    rows = await connection.fetch(
        """SELECT w.place, min(found.at_ms) AS at_ms
           FROM unnest($3::bigint[]) WITH ORDINALITY AS w(from_ms, place)
           CROSS JOIN unnest($1::text[]) AS a(engineer) CROSS JOIN unnest($2::text[]) AS m(measure)
           LEFT JOIN LATERAL (
               SELECT j.at_ms FROM journal j WHERE j.engineer = a.engineer AND j.measure = m.measure AND j.at_ms >= w.from_ms
               ORDER BY j.at_ms LIMIT 1
           ) AS found ON true
           GROUP BY w.place ORDER BY w.place""",
        list(actors),
        list(measures),
        list(from_ms),
    )
    found = {row["place"]: row["at_ms"] for row in rows}
    return [found.get(place) for place in range(1, len(from_ms) + 1)]
