"""The real stack for one story: gateway and API behind real HTTP, two metrics workers as processes, Kafka and PostgreSQL.

Gateway and API are told what day it is: a worked month must be past and not future, whenever the tests run.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import uvicorn
from fastapi import FastAPI

from services.api.app import create_app as api_app
from services.ingest.app import create_app as gateway_app
from services.ingest.settings import GatewaySettings
from services.runtime.clock import Clock
from services.runtime.security import Scope
from services.runtime.settings import ApiSettings
from services.stack.sandbox import Database, Sandbox
from services.store import keys
from tests.chaos.fleet import Fleet

PARTITIONS = 8


@dataclass(frozen=True, slots=True)
class Stack:
    """What a client sees: the gateway with a key to send, the API with a key for the rest."""

    gateway: httpx.AsyncClient
    api: httpx.AsyncClient
    database: Database
    topic: str

    async def get(self, path: str, **parameters: Any) -> Any:
        """Ask the API."""
        answer = await self.api.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def running(sandbox: Sandbox, folder: Path, clock: Clock) -> AsyncIterator[Stack]:
    """A fresh database and topic, and everything over them."""
    database, topic = await sandbox.database(), await sandbox.topic(PARTITIONS)
    addresses: dict[str, Any] = {
        "kafka_brokers": sandbox.kafka.brokers,
        "database_url": database.app_url,
        "events_topic": topic,
        "partitions": PARTITIONS,
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAOHE_")}
    environment |= {f"KAOHE_{name.upper()}": str(value) for name, value in addresses.items()}
    environment |= {"KAOHE_CONSUMER_GROUP": topic, "KAOHE_DOUBLES_SECONDS": "0.5"}
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(served(gateway_app(GatewaySettings(**addresses), clock)))
        api = await stack.enter_async_context(served(api_app(ApiSettings(**addresses), clock=clock)))
        await stack.enter_async_context(Fleet(folder, environment, size=2))
        send = await key(database, Scope.INGEST)
        ask = await key(database, Scope.READ, Scope.FREEZE, Scope.ADMIN)
        yield Stack(
            await stack.enter_async_context(client(gateway, send)),
            await stack.enter_async_context(client(api, ask)),
            database,
            topic,
        )


def client(address: str, secret: str) -> httpx.AsyncClient:
    """A client that shows its key."""
    return httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {secret}"}, timeout=120)


async def key(database: Database, *scopes: Scope) -> str:
    """A fresh key with these scopes, for every source."""
    connection = await asyncpg.connect(database.app_url)
    try:
        return (await keys.create(connection, label="test", scopes=list(scopes), sources=["*"])).plain
    finally:
        await connection.close()


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The app behind a real server on a free port: its address, once it is ready."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5))
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=address) as asking, asyncio.timeout(60):
            while not server.started or (await asking.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - neither tells by an event
                await asyncio.sleep(0.05)
        yield address
    finally:
        server.should_exit = True
        await task
        listener.close()
