"""When the broker or the database is away, nothing is claimed, and what can go on goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator

import asyncpg
import httpx
import pytest_asyncio
from aiokafka import TopicPartition

from schemas.codec import Decoded
from services.ingest.settings import MIB
from services.runtime.clock import FixedClock, SystemClock
from services.stack.ports import free_port
from services.stack.sandbox import Database, Sandbox
from tests.integration.ingest.running import PARTITIONS, Running, event, serving, settings_of


@contextlib.contextmanager
def frozen(sandbox: Sandbox) -> Iterator[None]:
    """The broker answers nobody, as on a host that hangs."""
    child = sandbox.kafka.child
    assert child is not None
    os.kill(child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(child.pid, signal.SIGCONT)


@pytest_asyncio.fixture(loop_scope="session")
async def hasty(database: Database, sandbox: Sandbox) -> AsyncIterator[Running]:
    """A gateway that waits two seconds for the broker and takes one megabyte on."""
    topic = await sandbox.topic(PARTITIONS)
    settings = settings_of(sandbox.kafka.brokers, database, topic, ingest_ack_seconds=2.0, ingest_in_flight_bytes=MIB)
    async with serving(settings) as (app, address), httpx.AsyncClient(base_url=address, timeout=30) as client:
        running = Running(app, client, topic, sandbox.kafka.brokers, database)
        client.headers["authorization"] = f"Bearer {await running.key()}"
        yield running


async def settled(gateway: Running) -> None:
    """Wait until nothing is in flight any more."""
    async with asyncio.timeout(30):
        while gateway.context.gate.taken:  # noqa: ASYNC110 - the gate has no event
            await asyncio.sleep(0.1)


async def test_without_a_broker_nothing_is_claimed(database: Database) -> None:
    settings = settings_of(f"127.0.0.1:{free_port()}", database, "kaohe.events.v1", ingest_ack_seconds=1.0)
    async with (
        serving(settings, ready=False) as (app, address),
        httpx.AsyncClient(base_url=address, timeout=30) as client,
    ):
        running = Running(app, client, "kaohe.events.v1", "", database)
        key = await running.key()
        answer = await running.post([event(), event(time="naive")], key=key)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert answer.json()["type"] == "urn:kaohe:problem:broker-away"
        assert [v["status"] for v in answer.json()["verdicts"]] == ["unacknowledged", "rejected"]
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200


async def test_a_broker_that_hangs_is_waited_for_with_a_bound_and_a_resend_counts_once(
    hasty: Running, sandbox: Sandbox
) -> None:
    batch = [event(id=f"hang-{n}", subject=f"PG-{n}") for n in range(20)]
    with frozen(sandbox):
        answer = await hasty.post(batch)
        assert answer.status_code == 503
        assert {v["status"] for v in answer.json()["verdicts"]} == {"unacknowledged"}
        assert (await hasty.client.get("/readyz")).status_code == 503
    again = await hasty.post(batch)
    assert again.status_code == 202
    await settled(hasty)
    read = [read for _, _, read in await hasty.records() if isinstance(read, Decoded)]
    assert {item.id for item in read} == {told["id"] for told in batch}
    assert len({(item.id, item.content_hash) for item in read}) == len(batch)


async def test_what_is_in_flight_is_bounded_and_refused_at_once_beyond_it(hasty: Running, sandbox: Sandbox) -> None:
    large = [event(data={"note": "x" * 50_000}) for _ in range(7)]
    with frozen(sandbox):
        answers = await asyncio.gather(*(hasty.post(large) for _ in range(4)))
        kinds = sorted(answer.json()["type"].rpartition(":")[2] for answer in answers)
        assert {answer.status_code for answer in answers} == {503}
        assert "busy" in kinds
        assert all("retry-after" in answer.headers for answer in answers)
    await settled(hasty)
    assert (await hasty.post(large)).status_code == 202


async def test_a_producer_with_a_broken_sequence_is_replaced(hasty: Running) -> None:
    assert (await hasty.post(event())).status_code == 202
    outlet = hasty.context.outlet
    broken = outlet._producer
    for partition in range(
        PARTITIONS
    ):  # as after a lost batch: the broker answers OUT_OF_ORDER_SEQUENCE_NUMBER for ever
        broken._txn_manager.increment_sequence_number(TopicPartition(hasty.topic, partition), 5)
    assert (await hasty.post(event())).status_code == 503
    assert "OutOfOrderSequenceNumber" in outlet.obstacle or outlet.ready
    async with asyncio.timeout(20):
        while not outlet.ready:  # noqa: ASYNC110 - readiness is polled by whoever needs it
            await asyncio.sleep(0.05)
    assert outlet._producer is not broken
    assert (await hasty.post(event())).status_code == 202


async def test_a_topic_with_another_number_of_partitions_is_not_written_to(
    database: Database, sandbox: Sandbox
) -> None:
    topic = await sandbox.topic(3)
    settings = settings_of(sandbox.kafka.brokers, database, topic)
    async with (
        serving(settings, ready=False) as (app, address),
        httpx.AsyncClient(base_url=address, timeout=30) as client,
    ):
        running = Running(app, client, topic, sandbox.kafka.brokers, database)
        async with asyncio.timeout(20):
            while "3 partitions" not in (await client.get("/readyz")).text:  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.1)
        assert (await running.post(event(), key=await running.key())).status_code == 503


async def test_known_keys_go_on_while_the_database_is_away(database: Database, sandbox: Sandbox) -> None:
    topic = await sandbox.topic(PARTITIONS)
    clock = FixedClock(SystemClock().now_ms())
    settings = settings_of(sandbox.kafka.brokers, database, topic)
    async with (
        serving(settings, clock=clock) as (app, address),
        httpx.AsyncClient(base_url=address, timeout=30) as client,
    ):
        running = Running(app, client, topic, sandbox.kafka.brokers, database)
        known, other = await running.key(), await running.key()
        assert (await running.post(event(), key=known)).status_code == 202
        superuser = await asyncpg.connect(sandbox.postgres.url("postgres", "postgres"))
        await superuser.execute(f'ALTER DATABASE "{database.name}" WITH ALLOW_CONNECTIONS false')
        await superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database.name
        )
        try:
            clock.advance(60_000)
            assert (await running.post(event(), key=known)).status_code == 202
            unseen = await running.post(event(), key=other)
            assert (unseen.status_code, unseen.json()["type"]) == (503, "urn:kaohe:problem:database-away")
            withdrawal = event(type="kaohe.event.withdrawn.v1", subject=..., data={"target": "1"})
            correction = await running.post([event(), withdrawal], key=known)
            assert (correction.status_code, correction.headers["retry-after"]) == (503, "5")
            clock.advance(15 * 60_000)
            assert (
                await running.post(event(), key=known)
            ).status_code == 503  # for so long an old answer does not stand
        finally:
            await superuser.execute(f'ALTER DATABASE "{database.name}" WITH ALLOW_CONNECTIONS true')
            await superuser.close()
        assert (await running.post(event(), key=other)).status_code == 202


async def test_a_gateway_that_starts_without_the_database_takes_events_once_it_is_there(
    sandbox: Sandbox, database: Database
) -> None:
    topic = await sandbox.topic(PARTITIONS)
    settings = settings_of(sandbox.kafka.brokers, database, topic)
    nowhere = settings.model_copy(update={"database_url": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"})
    async with serving(nowhere) as (_, address), httpx.AsyncClient(base_url=address, timeout=30) as client:
        answer = await client.post("/v1/events", json=event(), headers={"x-api-key": "kh_abc_def"})
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:kaohe:problem:database-away")
