"""Real servers for every integration test: one broker and one PostgreSQL a session, a fresh database and topic a test.

They start through the launcher that users run. When they cannot start, tests fail: nothing is skipped.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio

from services.stack.postgres import PostgresServer
from services.stack.sandbox import Database, Sandbox

TopicFactory = Callable[[int], Awaitable[str]]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """The servers of this session; each starts when first used and is gone at the end."""
    with Sandbox() as servers:
        yield servers


@pytest.fixture(scope="session")
def kafka(sandbox: Sandbox) -> str:
    """The broker list of a running Kafka."""
    return sandbox.kafka.brokers


@pytest.fixture(scope="session")
def postgres(sandbox: Sandbox) -> PostgresServer:
    """A running PostgreSQL."""
    return sandbox.postgres


@pytest_asyncio.fixture(loop_scope="session")
async def database(sandbox: Sandbox) -> AsyncIterator[Database]:
    """A fresh migrated database for one test; dropped after it."""
    fresh = await sandbox.database()
    yield fresh
    await sandbox.drop(fresh)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def module_database(sandbox: Sandbox) -> AsyncIterator[Database]:
    """A fresh migrated database that the tests of one module share."""
    fresh = await sandbox.database()
    yield fresh
    await sandbox.drop(fresh)


@pytest.fixture
def topic(sandbox: Sandbox) -> TopicFactory:
    """Makes fresh topics: called with a number of partitions, awaited, it gives the new name."""
    return sandbox.topic
