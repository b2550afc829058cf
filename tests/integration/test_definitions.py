"""A database keeps the zone it was begun with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from services.stack.sandbox import Database
from services.store.borrow import borrow
from services.store.database import create_pool
from services.store.definitions import ZoneDiffers, latest_version, settle, zone_of


@pytest_asyncio.fixture(loop_scope="session")
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    """A pool of the application's role on a fresh database."""
    async with await create_pool(database.app_url, size=4) as opened:
        yield opened


async def settled(pool: asyncpg.Pool, zone: str) -> int:
    async with borrow(pool) as connection:
        return await settle(connection, zone)


async def test_the_first_process_writes_the_zone_down_and_others_find_it(pool: asyncpg.Pool) -> None:
    """Also when several start at once: one row, version 1."""
    async with borrow(pool) as connection:
        assert (await latest_version(connection), await zone_of(connection, 1)) == (1, None)
    assert await asyncio.gather(*(settled(pool, "Europe/Berlin") for _ in range(4))) == [1, 1, 1, 1]
    async with borrow(pool) as connection:
        assert await connection.fetchval("SELECT count(*) FROM definition_version") == 1
        assert await zone_of(connection, 1) == "Europe/Berlin"


async def test_of_two_zones_at_once_only_one_begins_the_database(pool: asyncpg.Pool) -> None:
    """The other process is told which, and what to do."""
    zones = ["Asia/Shanghai", "Europe/Berlin"]
    found = await asyncio.gather(*(settled(pool, zone) for zone in zones), return_exceptions=True)
    assert found.count(1) == 1
    (refusal,) = [one for one in found if isinstance(one, ZoneDiffers)]
    begun = zones[found.index(1)]
    assert f"set KAOHE_ZONE={begun}, or begin a new database" in str(refusal)
    with pytest.raises(ZoneDiffers, match=f"begun with zone {begun}, this process is set to America/New_York"):
        await settled(pool, "America/New_York")


async def test_a_version_without_a_zone_is_followed_by_one_that_names_it(pool: asyncpg.Pool) -> None:
    """The table only grows: the row without a zone stays."""
    async with borrow(pool) as connection:
        await connection.execute("INSERT INTO definition_version VALUES (1, now(), 'kaohe', 'defaults', '{}')")
    assert [await settled(pool, "Asia/Shanghai") for _ in range(2)] == [2, 2]
    with pytest.raises(ZoneDiffers):
        await settled(pool, "Europe/Berlin")
