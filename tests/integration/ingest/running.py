"""A running gateway and what a test asks of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import uvicorn
from aiokafka import AIOKafkaConsumer, TopicPartition
from fastapi import FastAPI

from schemas.codec import Decoded, decode
from services.ingest.app import create_app
from services.ingest.context import Context
from services.ingest.settings import GatewaySettings
from services.runtime.clock import Clock, SystemClock
from services.runtime.security import Scope
from services.stack.sandbox import Database
from services.store import keys

PARTITIONS = 8


numbers = itertools.count(1)


def event(**changed: Any) -> dict[str, Any]:
    """An accepted dispatch order with a fresh id; `...` takes a member out."""
    told: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"e-{next(numbers)}",
        "source": "crm",
        "type": "kaohe.dispatch.accepted.v1",
        "subject": "PG-01",
        "time": "2026-10-08T09:00:00+08:00",
        "data": {"performed_by": "KF01", "order_type": "上门维修"},
    }
    return {name: value for name, value in (told | changed).items() if value is not ...}


@dataclass
class Running:
    """A gateway that answers. `client` carries a key for every source."""

    app: FastAPI
    client: httpx.AsyncClient
    topic: str
    brokers: str
    database: Database
    _begun: dict[Any, int] = field(default_factory=dict)

    @property
    def context(self) -> Context:
        context: Context = self.app.state.context
        return context

    async def key(
        self, *, scopes: Sequence[Scope] = (Scope.INGEST,), sources: Sequence[str] = ("*",), days: float | None = None
    ) -> str:
        """A fresh key, in force for so many days from now (negative: expired)."""
        expires = (
            None if days is None else datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC) + timedelta(days=days)
        )
        connection = await asyncpg.connect(self.database.app_url)
        try:
            made = await keys.create(connection, label="test", scopes=scopes, sources=sources, expires_at=expires)
        finally:
            await connection.close()
        return made.plain

    async def post(self, events: Any, *, key: str | None = None) -> httpx.Response:
        """Submit a batch (a list) or one event in structured mode."""
        kind = "application/cloudevents-batch+json" if isinstance(events, list) else "application/cloudevents+json"
        headers = {"content-type": kind} | ({"authorization": f"Bearer {key}"} if key else {})
        return await self.client.post("/v1/events", json=events, headers=headers)

    async def begin(self) -> None:
        """From here on `records` tells."""
        async with _reading(self.brokers, self.topic) as (consumer, parts):
            self._begun = await consumer.end_offsets(parts)

    async def records(self) -> list[tuple[int, int, Decoded | str]]:
        """What was written since `begin`: partition, offset, and the event or the name of why it is none."""
        async with _reading(self.brokers, self.topic) as (consumer, parts):
            ends = await consumer.end_offsets(parts)
            for part in parts:
                consumer.seek(part, self._begun.get(part, 0))
            found: list[tuple[int, int, Decoded | str]] = []
            while any([await consumer.position(part) < ends[part] for part in parts]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found += [(record.partition, record.offset, _read(record)) for record in batch]
            return found


@contextlib.asynccontextmanager
async def _reading(brokers: str, topic: str) -> AsyncIterator[tuple[Any, list[Any]]]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        parts = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(parts)
        yield consumer, parts
    finally:
        await consumer.stop()


def _read(record: Any) -> Decoded | str:
    try:
        return decode(record.value, record.headers, record.key)
    except Exception as fault:  # noqa: BLE001 - its name is what the test compares
        return type(fault).__name__


def settings_of(brokers: str, database: Database, topic: str, **changed: Any) -> GatewaySettings:
    """Settings of a gateway on the test's servers."""
    told: dict[str, Any] = {
        "kafka_brokers": brokers,
        "database_url": database.app_url,
        "events_topic": topic,
        "partitions": PARTITIONS,
    }
    return GatewaySettings(**(told | changed))


@contextlib.asynccontextmanager
async def serving(
    settings: GatewaySettings, *, ready: bool = True, clock: Clock | None = None
) -> AsyncIterator[tuple[FastAPI, str]]:
    """The app behind a real HTTP server; `ready` waits until it can take events."""
    app = create_app(settings, clock)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5))
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=address) as client, asyncio.timeout(30):
            while not server.started or (ready and (await client.get("/readyz")).status_code != 200):  # noqa: ASYNC110 - neither tells by an event
                await asyncio.sleep(0.05)
        yield app, address
    finally:
        server.should_exit = True
        await task
        listener.close()
