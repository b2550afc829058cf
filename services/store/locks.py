"""Advisory locks: a periodic job runs in one process at a time, whoever comes first; the others pass it by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg


@asynccontextmanager
async def try_lock(connection: asyncpg.Connection, job: str, shard: int = 0) -> AsyncIterator[bool]:
    """Hold the lock of a job (and shard) inside the block, or say False when another session holds it.

    The lock belongs to the session, so it ends with the connection when the process dies.
    """
    taken: bool = await connection.fetchval("SELECT pg_try_advisory_lock(hashtext($1), $2)", job, shard)
    try:
        yield taken
    finally:
        if taken and not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock(hashtext($1), $2)", job, shard)
