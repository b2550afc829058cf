"""A site on a fresh database for each test, and one that holds the worked month for those that only read it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from services.stack.sandbox import Database
from tests.examples.loader import S01_EVENTS, S01_ROSTER, rows_as_cloudevents
from tests.integration.api.site import Site, open_site


@pytest_asyncio.fixture(loop_scope="session")
async def site(database: Database) -> AsyncIterator[Site]:
    """An empty organisation."""
    async with open_site(database) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def month(module_database: Database) -> AsyncIterator[Site]:
    """The worked month S01, all of it counted."""
    async with open_site(module_database) as opened:
        await opened.roster(S01_ROSTER.read_bytes())
        await opened.count(rows_as_cloudevents(S01_EVENTS), page=7)
        yield opened


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def empty(module_database: Database) -> AsyncIterator[Site]:
    """An empty organisation for questions that change nothing."""
    async with open_site(module_database) as opened:
        yield opened
