"""The processor on a fresh database, driven with batches that the tests cut themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import asyncpg
import pytest_asyncio

from services.core.kpi.definitions import Definitions
from services.metrics.processor import Processor
from services.runtime.clock import Clock, FixedClock
from services.stack.sandbox import Database
from services.store.database import create_pool
from tests.integration.metrics.partitions import APPENDED_MS, Partition

ProcessorFactory = Callable[..., Awaitable[Processor]]


@pytest_asyncio.fixture(loop_scope="session")
async def new_processor(database: Database) -> AsyncIterator[ProcessorFactory]:
    """Makes processors: called with partitions, awaited, it gives one to which these are known."""
    async with AsyncExitStack() as stack:

        async def make(*known: Partition, partitions: int = 1, clock: Clock | None = None) -> Processor:
            pool = await stack.enter_async_context(await create_pool(database.app_url, size=4))
            processor = Processor(
                pool,
                definitions=Definitions(),
                clock=clock or FixedClock(APPENDED_MS),
                partitions=partitions,
            )
            for partition in known:
                await processor.first_sight(partition.topic, partition.number, partition.start, None)
            return processor

        yield make


@pytest_asyncio.fixture(loop_scope="session")
async def superuser(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may do everything: to look, and to do harm."""
    connection = await asyncpg.connect(database.superuser_url)
    yield connection
    await connection.close()
