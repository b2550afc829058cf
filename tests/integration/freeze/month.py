"""The worked month on real servers: events to Kafka, from Kafka through the processor into PostgreSQL, the API in front of it."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import asyncpg
import httpx
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from fastapi import Depends, FastAPI

from schemas.wire import STRUCTURED_HEADERS
from services.api.auth import authenticated
from services.api.context import Context
from services.api.periods.endpoints import router
from services.api.settling.endpoints import router as settling_router
from services.core.kpi.definitions import Definitions
from services.core.roster import Record as RosterRecord
from services.core.roster_rows import parse_row
from services.metrics.doubles import DoubleFinder
from services.metrics.processor import PartitionBatch, Processor, Record
from services.metrics.relay import Relay
from services.runtime import problems
from services.runtime.clock import FixedClock
from services.runtime.keyring import Keyring
from services.runtime.log_ends import KafkaLogEnds
from services.runtime.partition import shard_of
from services.runtime.security import Scope
from services.stack.sandbox import Database
from services.store import keys, roster
from services.store.database import create_engine, create_pool
from services.store.keys import KeyTable
from tests.examples.loader import S01_EVENTS, S01_EXPECTED, S01_ROSTER, milliseconds, rows_as_cloudevents

PARTITIONS = 8
NOW_MS = milliseconds("2026-11-10T08:00:00+08:00")
S01: dict[str, Any] = {
    "scheme": "s01",
    "parameters": {"problem_points": {"attitude": 2, "missed_appointment": 1, "misdiagnosis": 3}},
}
EXCUSED = {"person": "GC09", "reason": "no survey came back", "by": "HR Zhang"}
S02: dict[str, Any] = {"scheme": "s02", "excuse": [EXCUSED]}


def expected() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(S01_EXPECTED.read_text(encoding="utf-8"))
    return loaded


def example_events() -> list[dict[str, Any]]:
    return rows_as_cloudevents(S01_EVENTS)


def example_roster() -> list[RosterRecord]:
    with S01_ROSTER.open(encoding="utf-8", newline="") as file:
        return [parse_row(row) for row in csv.DictReader(file)]


@dataclass
class Site:
    """One organisation on real servers."""

    database: Database
    brokers: str
    topic: str
    pool: asyncpg.Pool
    clock: FixedClock
    app: FastAPI
    client: httpx.AsyncClient
    consumer: AIOKafkaConsumer

    async def publish(self, documents: Iterable[Mapping[str, Any] | bytes], *, key: str = "") -> None:
        """Write events to Kafka as the gateway would; raw bytes go to the partition of `key`."""
        producer = AIOKafkaProducer(bootstrap_servers=self.brokers, acks="all")
        await producer.start()
        try:
            for document in documents:
                raw = document if isinstance(document, bytes) else orjson.dumps(document)
                unit = key if isinstance(document, bytes) else str(document["partitionkey"])
                await producer.send(
                    self.topic,
                    value=raw,
                    key=unit.encode(),
                    partition=shard_of(unit, PARTITIONS),
                    headers=list(STRUCTURED_HEADERS),
                )
        finally:
            await producer.stop()

    async def work(self, *, page: int = 20, sweep: bool = True) -> None:
        """Count everything that stands in the log, in small batches, and relay what that sends on, until nothing is left.

        Without `sweep` nobody looks for doubles and nobody relays.
        """
        processor = Processor(self.pool, definitions=Definitions(), clock=self.clock, partitions=PARTITIONS)
        relay = Relay(self.pool, self.brokers)
        finder = DoubleFinder(self.pool, self.topic)
        partitions = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
        for partition in partitions:
            await processor.first_sight(partition.topic, partition.partition, 0, None)
        self.consumer.assign(partitions)
        behind = True
        while behind:
            behind = await self._count(processor, partitions, page)
            if sweep and behind is False:
                await finder.sweep()
                await relay.sweep()
                behind = await self._count(processor, partitions, page)
        await relay.close()

    async def _count(self, processor: Processor, partitions: list[TopicPartition], page: int) -> bool:
        """Bring every partition to the end that it has now; False when it was there already."""
        ends = await self.consumer.end_offsets(partitions)
        stored = await processor.positions((each.topic, each.partition) for each in partitions)
        positions = {TopicPartition(*pair): known.position if known else 0 for pair, known in stored.items()}
        behind = [each for each in partitions if positions[each] < ends[each]]
        for each in behind:
            self.consumer.seek(each, positions[each])
        while waiting := [each for each in behind if positions[each] < ends[each]]:
            found = await self.consumer.getmany(*waiting, timeout_ms=1000, max_records=page)
            for each in waiting:
                records = [
                    Record(one.offset, one.timestamp, one.key, one.value, tuple(one.headers))
                    for one in found.get(each, [])
                ]
                reached = await self.consumer.position(each)
                await processor.process(PartitionBatch(each.topic, each.partition, positions[each], reached, records))
                positions[each] = reached
        return bool(behind)

    async def freeze(self, body: Mapping[str, Any], key: str | None = "k1", period: str = "2026-10") -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.client.post(f"/v1/periods/{period}/snapshots", json=body, headers=headers, timeout=60)

    async def frozen(self, body: Mapping[str, Any], key: str = "k1") -> dict[str, Any]:
        answer = await self.freeze(body, key)
        assert answer.status_code == 201, answer.text
        return cast("dict[str, Any]", answer.json())

    async def get(self, path: str, **headers: str) -> Any:
        answer = await self.client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.headers["content-type"] == "application/json" else answer.text

    async def verify(self, snapshot: str) -> dict[str, Any]:
        answer = await self.client.post(f"/v1/snapshots/{snapshot}/verify", timeout=60)
        assert answer.status_code == 200, answer.text
        return cast("dict[str, Any]", answer.json())


@asynccontextmanager
async def site(database: Database, brokers: str, topic: str, records: Iterable[RosterRecord]) -> AsyncIterator[Site]:
    """A site with a roster and no events yet."""
    clock = FixedClock(NOW_MS)
    pool = await create_pool(database.app_url, size=8)
    engine = create_engine(database.app_url, size=2)
    async with pool.acquire() as connection, connection.transaction():
        await roster.append(
            cast("asyncpg.Connection", connection), written=records, removed=(), author="test", note="example"
        )
        key = await keys.create(
            cast("asyncpg.Connection", connection), label="test", scopes=[Scope.READ, Scope.FREEZE], sources=["*"]
        )
    app = FastAPI()
    problems.install(app)
    for each in (router, settling_router):
        app.include_router(each, dependencies=[Depends(authenticated)])
    app.state.context = Context(pool, engine, clock, Definitions())
    app.state.keyring = Keyring(KeyTable(pool).find, clock)
    app.state.log_ends = KafkaLogEnds(brokers, [topic], PARTITIONS)
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, enable_auto_commit=False, isolation_level="read_committed")
    await consumer.start()
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {key.plain}"}
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client:
            yield Site(database, brokers, topic, pool, clock, app, client, consumer)
    finally:
        await consumer.stop()
        await engine.dispose()
        await pool.close()
