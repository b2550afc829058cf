"""A COPY whose connection is cut must fail: asyncpg alone waits for ever, and the shard with it."""

from __future__ import annotations

import asyncio
import random
import time

import asyncpg
import pytest

from services.stack.sandbox import Database
from services.store.database import create_pool

ROWS = 20_000


@pytest.mark.parametrize("seed", range(2))
async def test_a_copy_ends_when_postgresql_cuts_the_connection(database: Database, seed: int) -> None:
    """Cut at a random instant in the middle of 20 MB; the pool serves again at once."""
    rng = random.Random(seed)
    pool = await create_pool(database.app_url, size=1)
    superuser = await asyncpg.connect(database.superuser_url)
    rows = [(0, f"{number}" + "x" * 1000, 1, 1, 1) for number in range(ROWS)]

    async def copy() -> None:
        async with pool.acquire() as connection, connection.transaction():
            await connection.copy_records_to_table(
                "source_seen", records=rows, columns=("shard", "source", "last_time_ms", "last_appended_ms", "events")
            )

    async def cut() -> float:
        await asyncio.sleep(rng.uniform(0.05, 0.3))
        await superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kaohe_app' AND datname = current_database()"
        )
        return time.monotonic()

    try:
        async with asyncio.timeout(60):
            cutting = asyncio.create_task(cut())
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
                await copy()
            assert time.monotonic() - await cutting < 8
            assert await pool.fetchval("SELECT count(*) FROM source_seen") == 0
    finally:
        pool.terminate()
        await superuser.close()
