"""How much is recorded: counts over all shards, for demonstrations and checks."""

from __future__ import annotations

import asyncpg


async def recorded_events(connection: asyncpg.Connection) -> int:
    """Return how many distinct events (source and id) the ledger holds."""
    count: int = await connection.fetchval("SELECT count(*) FROM ledger")
    return count
