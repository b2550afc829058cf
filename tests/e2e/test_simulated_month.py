"""A simulated month through the real stack: half by the gateway, half straight to Kafka, some of it both ways — in the books once."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from services.runtime.clock import FixedClock
from services.runtime.partition import shard_of
from services.simulator.delivery.gateway import Gateway
from services.simulator.delivery.kafka import kafka
from services.simulator.delivery.receipt import DeliveryError, Receipt
from services.simulator.disturbances import Rates
from services.simulator.month import Plan, simulate
from services.stack.sandbox import Sandbox
from tests.chaos.audit import Sent, audit
from tests.e2e.stack import PARTITIONS, Stack, running

AFTERWARDS = FixedClock(int(datetime.fromisoformat("2026-11-10T08:00:00+08:00").timestamp() * 1000))
PLAN = Plan("2026-10", seed=5, engineers=12, representatives=4, scale=0.6)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Servers of this module."""
    with Sandbox() as servers:
        yield servers


async def test_gateway_and_direct_producers_are_equal_citizens(sandbox: Sandbox, tmp_path: Path) -> None:
    month = simulate(replace(PLAN, rates=replace(Rates(), amended=0.05, withdrawn=0.03, duplicates=0.1)))
    events = [arrival.event for arrival in month.arrivals]
    half, overlap = len(events) // 2, 300
    async with running(sandbox, tmp_path, AFTERWARDS) as stack:
        way = Gateway(stack.gateway, batch=500, attempts=8)
        for at in range(0, half + overlap, way.batch):
            batch = events[at : min(at + way.batch, half + overlap)]
            assert await way.send(batch) == Receipt(len(batch))
        async with kafka(sandbox.kafka.brokers, stack.topic) as direct:
            assert await direct.send(events[half:]) == Receipt(len(events) - half)
        await heard(stack, len(events) + overlap)
        sent = Sent()
        for event in events:
            sent.add(event)
        assert len(sent.events) == month.identities
        assert await audit(stack.database.app_url, sent) == []


async def heard(stack: Stack, records: int) -> None:
    """Wait until the workers have committed so many records."""
    async with asyncio.timeout(240):
        while True:
            sources: Any = await stack.get("/v1/sources")
            if sum(source["events"] for source in sources["items"]) == records:
                return
            await asyncio.sleep(0.2)


async def test_a_direct_record_lies_where_java_would_put_it_and_says_what_it_is(sandbox: Sandbox) -> None:
    topic = await sandbox.topic(PARTITIONS)
    events = [arrival.event for arrival in simulate(PLAN).arrivals[:200]]
    async with kafka(sandbox.kafka.brokers, topic) as direct:
        await direct.send(events)
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=sandbox.kafka.brokers, auto_offset_reset="earliest"
    ) as consumer:
        records: list[Any] = []
        async with asyncio.timeout(60):
            while len(records) < len(events):
                records += [one for batch in (await consumer.getmany(timeout_ms=500)).values() for one in batch]
    for record in records:
        assert record.partition == shard_of(record.key.decode(), PARTITIONS)
        assert dict(record.headers)["content-type"] == b"application/cloudevents+json"
    assert sorted(record.key.decode() for record in records) == sorted(event["partitionkey"] for event in events)


async def test_a_topic_that_is_not_there_is_one_clear_error(sandbox: Sandbox) -> None:
    with pytest.raises(DeliveryError, match="there is no topic nowhere"):
        async with kafka(sandbox.kafka.brokers, "nowhere"):
            pass
