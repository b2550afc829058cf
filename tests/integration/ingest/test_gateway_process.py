"""`python -m services.ingest`: starts, logs without payloads, and on SIGTERM keeps what it promised."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from schemas.codec import Decoded
from services.runtime.security import Scope
from services.stack.ports import free_port
from services.stack.sandbox import Database, Sandbox
from services.store import keys
from tests.integration.ingest.running import PARTITIONS, Running, event


@asynccontextmanager
async def process(
    sandbox: Sandbox, database: Database, topic: str, log: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    port = free_port()
    environment = os.environ | {
        "KAOHE_KAFKA_BROKERS": sandbox.kafka.brokers,
        "KAOHE_DATABASE_URL": database.app_url,
        "KAOHE_EVENTS_TOPIC": topic,
        "KAOHE_PARTITIONS": str(PARTITIONS),
        "KAOHE_INGEST_PORT": str(port),
    }
    with log.open("wb") as output:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.ingest", env=environment, stdout=output, stderr=output
        )
    address = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=address) as client:
            while True:
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        break
                except httpx.TransportError:
                    assert started.returncode is None, "it ended; its log is in tmp_path"
                await asyncio.sleep(0.1)
        yield started, address
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def test_what_was_acknowledged_before_a_sigterm_is_in_kafka_and_the_process_ends_well(
    sandbox: Sandbox, database: Database, tmp_path: Path
) -> None:
    topic = await sandbox.topic(PARTITIONS)
    log = tmp_path / "ingest.log"
    promised: set[str] = set()
    async with (
        process(sandbox, database, topic, log) as (running, address),
        httpx.AsyncClient(base_url=address) as client,
    ):
        gateway = Running(None, client, topic, sandbox.kafka.brokers, database)  # type: ignore[arg-type]
        client.headers["authorization"] = f"Bearer {await gateway.key()}"

        async def send() -> None:
            while True:
                batch = [event(subject="PG-秘密", data={"customer": "a-customer"}) for _ in range(20)]
                try:
                    answer = await gateway.post(batch)
                except httpx.TransportError:
                    return
                if answer.status_code == 202:
                    promised.update(told["id"] for told in batch)

        senders = [asyncio.create_task(send()) for _ in range(4)]
        await asyncio.sleep(1.0)
        running.send_signal(signal.SIGTERM)
        async with asyncio.timeout(25):
            assert await running.wait() == 0
        await asyncio.gather(*senders)
    read = {item.id for _, _, item in await gateway.records() if isinstance(item, Decoded)}
    assert promised
    assert promised <= read
    told = log.read_text()
    assert '"accepted": 20' in told
    assert "秘密" not in told
    assert "a-customer" not in told
    assert "kh_" not in told


async def test_the_first_key_is_made_once_with_every_scope_and_source(database: Database) -> None:
    import asyncpg

    async def ensure() -> str | None:
        connection = await asyncpg.connect(database.app_url)
        try:
            async with connection.transaction():
                return await keys.ensure_bootstrap_key(connection)
        finally:
            await connection.close()

    made = [plain for plain in await asyncio.gather(*(ensure() for _ in range(5))) if plain]
    assert len(made) == 1
    connection = await asyncpg.connect(database.app_url)
    found = await keys.find(connection, made[0].split("_")[1])
    assert found is not None
    assert found.scopes == {scope.value for scope in Scope}
    assert found.sends_as("anything")
    assert await keys.ensure_bootstrap_key(connection) is None
    await connection.close()
