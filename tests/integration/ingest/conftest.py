"""A gateway on real servers, one for the tests of a module; each test sees what it sent itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from services.stack.sandbox import Database, Sandbox
from tests.integration.ingest.running import PARTITIONS, Running, serving, settings_of


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def server(module_database: Database, sandbox: Sandbox) -> AsyncIterator[Running]:
    """A gateway with the limits of production."""
    topic = await sandbox.topic(PARTITIONS)
    settings = settings_of(sandbox.kafka.brokers, module_database, topic)
    async with serving(settings) as (app, address), httpx.AsyncClient(base_url=address, timeout=30) as client:
        yield Running(app, client, topic, sandbox.kafka.brokers, module_database)


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(server: Running) -> AsyncIterator[Running]:
    """The module's gateway as one test uses it: a client with a key for every source, and only this test's records."""
    address = server.client.base_url
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        running = Running(server.app, client, server.topic, server.brokers, server.database)
        client.headers["authorization"] = f"Bearer {await running.key()}"
        await running.begin()
        yield running
