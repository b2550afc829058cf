"""In which case an event is recorded: asked by the gateway for corrections that do not say it."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from services.store.ledger import Identity


async def find_cases(
    connection: asyncpg.Connection, identities: Sequence[Identity], partitions: int
) -> dict[Identity, list[str]]:
    """Return the cases of each identity that is recorded; more than one is a double. All shards are asked by their keys."""
    rows = await connection.fetch(
        """SELECT w.source, w.id, array_agg(DISTINCT l.case_id ORDER BY l.case_id) AS cases
           FROM unnest($1::text[], $2::text[]) AS w(source, id)
           JOIN ledger l ON l.shard = ANY($3::smallint[]) AND l.source = w.source AND l.id = w.id
           GROUP BY w.source, w.id""",
        [source for source, _ in identities],
        [event_id for _, event_id in identities],
        list(range(partitions)),
    )
    return {(row["source"], row["id"]): row["cases"] for row in rows}


async def find_case(connection: asyncpg.Connection, source: str, event_id: str, partitions: int) -> list[str]:
    """Return the cases in which one event is recorded; none when it is unknown."""
    return (await find_cases(connection, [(source, event_id)], partitions)).get((source, event_id), [])
