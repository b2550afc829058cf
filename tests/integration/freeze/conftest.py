"""A site of its own for each test, and one with the worked month that tests share that only look."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio

from services.stack.sandbox import Database
from tests.integration.freeze.month import PARTITIONS, Site, example_events, example_roster, site

TopicFactory = Callable[[int], Awaitable[str]]


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
