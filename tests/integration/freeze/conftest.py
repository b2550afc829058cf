"""A site of its own for each test that writes, and one with the worked month that the tests of a module share that only look."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import pytest_asyncio

from services.stack.sandbox import Database, Sandbox
from tests.integration.freeze.month import PARTITIONS, S01, S02, Site, example_events, example_roster, site

TopicFactory = Callable[[int], Awaitable[str]]
Frozen = dict[tuple[str, str], dict[str, Any]]
Harm = Callable[[str, str], AbstractAsyncContextManager[None]]


@pytest_asyncio.fixture(loop_scope="session")
async def empty_site(database: Database, kafka: str, topic: TopicFactory) -> AsyncIterator[Site]:
    """The example's organisation before its first event."""
    async with site(database, kafka, await topic(PARTITIONS), example_roster()) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def counted_site(empty_site: Site) -> Site:
    """The worked month, counted."""
    await empty_site.publish(example_events())
    await empty_site.work()
    return empty_site


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def shared_site(module_database: Database, sandbox: Sandbox) -> AsyncIterator[Site]:
    """The worked month, counted; for tests that leave it as it is."""
    topic = await sandbox.topic(PARTITIONS)
    async with site(module_database, sandbox.kafka.brokers, topic, example_roster()) as made:
        await made.publish(example_events())
        await made.work()
        yield made


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def frozen(shared_site: Site) -> Frozen:
    """Snapshots of the shared site by (scheme, view), of all branches."""
    return {
        (body["scheme"], view): await shared_site.frozen(body | {"view": view}, key=f"{body['scheme']} {view}")
        for body in (S01, S02)
        for view in ("settled", "provisional")
    }


@pytest_asyncio.fixture(loop_scope="session")
async def harm(shared_site: Site) -> AsyncIterator[Harm]:
    """Does as the superuser what nobody may, to one table of the shared site, and puts it right again afterwards."""
    connection = await asyncpg.connect(shared_site.database.superuser_url)

    @asynccontextmanager
    async def done(table: str, statement: str) -> AsyncIterator[None]:
        await connection.execute("SET session_replication_role = replica")  # neither seal nor foreign key objects
        await connection.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM {table}")
        assert await connection.execute(statement) not in {"UPDATE 0", "DELETE 0"}
        try:
            yield
        finally:
            await connection.execute(f"DELETE FROM {table}")
            await connection.execute(f"INSERT INTO {table} SELECT * FROM kept")
            await connection.execute("DROP TABLE kept")

    yield done
    await connection.close()
