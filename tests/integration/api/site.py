"""One organisation on a real database: batches go straight into the processor, questions through the app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import asyncpg
import httpx
import uvicorn
from fastapi import FastAPI

from services.api import instants
from services.api.app import create_app
from services.api.roster.importing import import_roster
from services.core.kpi.definitions import Definitions
from services.metrics.processor import Processor
from services.runtime.clock import FixedClock
from services.runtime.partition import shard_of
from services.runtime.security import Scope
from services.runtime.settings import ApiSettings
from services.stack.sandbox import Database
from services.store import checkpoints, keys
from services.store.database import create_pool
from tests.examples.loader import milliseconds
from tests.integration.metrics.partitions import Partition

PARTITIONS = 4
JSON = dict[str, Any]


def ms(local: str) -> int:
    """Epoch milliseconds of a local instant in Shanghai, such as 2026-10-15T12:00."""
    return milliseconds(f"{local}+08:00")


def rfc3339(instant_ms: int) -> str:
    """An instant as producers write it."""
    return instants.rfc3339(instant_ms)


@dataclass
class Site:
    """The parts, and shorthands for what tests do all the time."""

    database: Database
    pool: asyncpg.Pool
    clock: FixedClock
    app: FastAPI
    client: httpx.AsyncClient
    keys: Mapping[str, str]
    partitions: list[Partition] = field(default_factory=list)
    counted: dict[int, int] = field(default_factory=dict)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection in a transaction of its own."""
        async with self.pool.acquire() as pooled, pooled.transaction():
            yield cast("asyncpg.Connection", pooled)

    async def count(self, events: Iterable[Mapping[str, Any]], *, page: int = 1000) -> None:
        """Count events, and what was written into the partitions by hand, as a worker would: in batches of `page`, each shard alone."""
        processor = Processor(self.pool, definitions=Definitions(), clock=self.clock, partitions=PARTITIONS)
        for event in events:
            partition = self.partitions[shard_of(str(event["partitionkey"]), PARTITIONS)]
            partition.append(event, key=str(event["partitionkey"]).encode(), appended_ms=self.clock.now_ms())
        for partition in self.partitions:
            await processor.first_sight(partition.topic, partition.number, 0, None)
            counted = self.counted.get(partition.number, 0)
            for first in range(counted, partition.end, page):
                await processor.process(partition.batch(first, min(partition.end, first + page)))
            self.counted[partition.number] = partition.end

    async def roster(self, content: bytes) -> None:
        """Import a roster file."""
        async with self.connection() as connection:
            imported = await import_roster(connection, content, author="test", note="", dry_run=False)
        assert not imported.plan.errors, imported.plan.errors

    async def checkpoint(self) -> int:
        """Record the present cut."""
        async with self.connection() as connection:
            return await checkpoints.record(connection, "test", await checkpoints.current_cutoff(connection))

    async def get(self, path: str, status: int = 200, /, **parameters: Any) -> Any:
        """Ask as a holder of the scope read."""
        answer = await self.client.get(path, params=parameters)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def kpis(self, **parameters: Any) -> dict[tuple[str, str | None], JSON]:
        """Every figure of all pages, by indicator and subject id."""
        found: dict[tuple[str, str | None], JSON] = {}
        cursor = None
        while True:
            page = await self.get("/v1/kpis", **{"limit": 1000, **parameters}, **({"cursor": cursor} if cursor else {}))
            for item in page["items"]:
                key = (item["indicator"], item["subject"]["id"])
                assert key not in found, f"{key} stands on two pages"
                found[key] = item
            cursor = page["next_cursor"]
            if cursor is None:
                return found


@asynccontextmanager
async def open_site(database: Database, now: str = "2026-11-10T08:00") -> AsyncIterator[Site]:
    """A site whose clock stands at a local instant, with one key a scope."""
    clock = FixedClock(ms(now))
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(await create_pool(database.app_url, size=5))
        made: dict[str, str] = {}
        for scope in Scope:
            async with pool.acquire() as pooled:
                connection = cast("asyncpg.Connection", pooled)
                made[scope] = (await keys.create(connection, label=scope, scopes=[scope], sources=["*"])).plain
        settings = ApiSettings(kafka_brokers="127.0.0.1:1", database_url=database.app_url)
        app = create_app(settings, clock=clock)
        await stack.enter_async_context(app.router.lifespan_context(app))
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://api",
                headers={"Authorization": f"Bearer {made[Scope.READ]}"},
            )
        )
        partitions = [Partition("events", number) for number in range(PARTITIONS)]
        yield Site(database, pool, clock, app, client, made, partitions)


@asynccontextmanager
async def served(site: Site) -> AsyncIterator[str]:
    """The site's app behind a real server: its address."""
    server = uvicorn.Server(
        uvicorn.Config(site.app, host="127.0.0.1", port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    )
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing to wait for
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running
