"""A metrics worker as it runs: a process with signals, exit codes, health and real servers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner, murmur2

from services.stack.sandbox import Database

TopicFactory = Callable[[int], Awaitable[str]]
PARTITIONS = 4
PATIENCE = 90.0  # seconds; a bound on hanging, not on speed: the machine may be busy


@dataclass
class Process:
    """A running worker: its process, where its health listens and what it has written."""

    child: asyncio.subprocess.Process
    port_file: Path
    log: Path

    @property
    def port(self) -> int:
        return int(self.port_file.read_text())

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.get(f"http://127.0.0.1:{self.port}{path}", timeout=5)

    async def until_ready(self, seconds: float = PATIENCE) -> None:
        async def ready() -> bool:
            if self.child.returncode is not None:
                raise AssertionError(await asyncio.to_thread(self.log.read_text))
            return self.port_file.exists() and (await self.get("/readyz")).status_code == 200

        await until(ready, seconds, self.log)

    async def stop(self) -> int:
        self.child.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.child.wait(), PATIENCE + 10)

    def lines(self, event: str) -> list[dict[str, object]]:
        entries = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [entry for entry in entries if entry.get("event") == event]


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, log: Path | None = None) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(await asyncio.to_thread(log.read_text) if log else "")
        await asyncio.sleep(0.05)


@dataclass
class Site:
    """Servers and a topic, and the environment of a worker over them."""

    kafka: str
    database: Database
    topic: str
    folder: Path
    started: int = 0

    def environment(self, **extra: str) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("KAOHE_")},
            "KAOHE_KAFKA_BROKERS": self.kafka,
            "KAOHE_DATABASE_URL": self.database.app_url,
            "KAOHE_EVENTS_TOPIC": self.topic,
            "KAOHE_PARTITIONS": str(PARTITIONS),
            "KAOHE_CONSUMER_GROUP": self.topic,
            "KAOHE_DRAIN_SECONDS": str(PATIENCE),
            "KAOHE_STALL_SECONDS": str(4 * PATIENCE),
            **extra,
        }

    @asynccontextmanager
    async def worker(self, **extra: str) -> AsyncIterator[Process]:
        """Start a worker; what is still running at the end is killed."""
        self.started += 1
        log = self.folder / f"worker-{self.started}.log"
        port_file = self.folder / f"worker-{self.started}.port"
        with log.open("wb") as output:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "services.metrics",
                env=self.environment(KAOHE_PORT_FILE=str(port_file), **extra),
                stdout=output,
                stderr=output,
            )
        try:
            yield Process(child, port_file, log)
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()

    async def positions(self) -> dict[int, int]:
        connection = await asyncpg.connect(self.database.app_url)
        try:
            rows = await connection.fetch("SELECT shard, position FROM shard_position WHERE topic = $1", self.topic)
            return {row["shard"]: row["position"] for row in rows}
        finally:
            await connection.close()

    async def fetchval(self, query: str) -> object:
        connection = await asyncpg.connect(self.database.superuser_url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()


@pytest.fixture
async def site(kafka: str, database: Database, topic: TopicFactory, tmp_path: Path) -> Site:
    return Site(kafka, database, await topic(PARTITIONS), tmp_path)


def event(number: int, *, case: str | None = None, event_id: str | None = None) -> bytes:
    case = case or f"D-{number}"
    return json.dumps(
        {
            "specversion": "1.0",
            "id": event_id or f"e-{number}",
            "source": "crm",
            "type": "kaohe.dispatch.accepted.v1",
            "subject": case,
            "partitionkey": case,
            "time": f"2025-03-01T08:{number // 60 % 60:02d}:{number % 60:02d}+08:00",
            "data": {"engineer": "E1"},
        }
    ).encode()


def shard(case: str) -> int:
    hashed: int = murmur2(case.encode())
    return (hashed & 0x7FFFFFFF) % PARTITIONS


async def produce(site: Site, values: list[tuple[str, bytes]], partition: int | None = None) -> None:
    async with AIOKafkaProducer(bootstrap_servers=site.kafka, acks="all", partitioner=DefaultPartitioner()) as producer:
        for case, value in values:
            await producer.send(
                site.topic, key=case.encode(), value=value, partition=shard(case) if partition is None else partition
            )


async def test_a_worker_counts_what_is_sent_and_drains_on_sigterm(site: Site) -> None:
    """Ready when positioned, figures served, every event in the ledger, a bounded drain with exit code 0."""
    await produce(site, [(f"D-{n}", event(n)) for n in range(200)])
    async with site.worker() as worker:
        await worker.until_ready()

        async def counted() -> bool:
            return await site.fetchval("SELECT count(*) FROM ledger") == 200

        await until(counted, PATIENCE, worker.log)
        assert (await worker.get("/livez")).text == "ok\n"
        metrics = (await worker.get("/metrics")).text
        assert 'kaohe_records_total{fate="events"} 200.0' in metrics
        assert f'kaohe_lag_records{{partition="0",topic="{site.topic}"}}' in metrics
        assert await worker.stop() == 0
        assert worker.lines("worker.stopped")
    assert sum((await site.positions()).values()) == 200
    assert await site.fetchval("SELECT count(*) FROM checkpoint") == 1


async def test_a_killed_worker_is_replaced_by_the_others(site: Site) -> None:
    """Killed with -9: the next worker goes on from the stored positions; each event is in the ledger once."""
    await produce(site, [(f"D-{n}", event(n)) for n in range(100)])
    async with site.worker() as first, site.worker() as second:
        await first.until_ready()
        await second.until_ready()
        first.child.kill()
        await produce(site, [(f"D-{n}", event(n)) for n in range(100, 200)])

        async def counted() -> bool:
            return await site.fetchval("SELECT count(*) FROM ledger") == 200

        await until(counted, PATIENCE, second.log)
        assert await second.stop() == 0
    assert sum((await site.positions()).values()) == 200


async def test_a_recreated_log_ends_the_process_with_the_code_for_people(site: Site) -> None:
    """Exit code 78 and one line that names topic, partition and positions."""
    await site.fetchval(
        f"INSERT INTO shard_position (topic, shard, position, log_start) VALUES ('{site.topic}', 0, 5, 0) RETURNING 1"
    )
    async with site.worker() as worker:
        assert await asyncio.wait_for(worker.child.wait(), PATIENCE) == 78
        (line,) = worker.lines("worker.halted")
        assert line["error"] == "LogCut"
        assert f"{site.topic}[0], stored position 5, log ends at 0" in str(line["reason"])


async def test_a_hole_ends_the_process_at_once(site: Site) -> None:
    """Exit code 70: positions that moved back under a running worker are an invariant broken."""
    await produce(site, [(f"D-{n}", event(n)) for n in range(40)])
    async with site.worker() as worker:
        await worker.until_ready()

        async def counted() -> bool:
            return await site.fetchval("SELECT count(*) FROM ledger") == 40

        await until(counted, PATIENCE, worker.log)
        await site.fetchval("UPDATE shard_position SET position = 0 RETURNING 1")
        await produce(site, [(f"D-{n}", event(n)) for n in range(40, 80)])
        assert await asyncio.wait_for(worker.child.wait(), PATIENCE) == 70
        assert worker.lines("worker.halted")[0]["error"] == "Hole"
    async with site.worker() as worker:
        await worker.until_ready()

        async def repaired() -> bool:
            return await site.fetchval("SELECT count(*) FROM ledger") == 80

        await until(repaired, PATIENCE, worker.log)
        assert await worker.stop() == 0


async def test_guards_cannot_be_removed_outside_tests(site: Site) -> None:
    """The switch of the negative controls is refused without KAOHE_TESTING, and tells loudly with it."""
    async with site.worker(KAOHE_TEST_DISABLE="seek") as worker:
        assert await asyncio.wait_for(worker.child.wait(), PATIENCE) == 78
        assert "needs KAOHE_TESTING=1" in str(worker.lines("worker.halted")[0]["reason"])
    async with site.worker(KAOHE_TEST_DISABLE="seek", KAOHE_TESTING="1") as worker:
        await worker.until_ready()
        assert worker.lines("worker.guards_removed")[0]["level"] == "critical"
        assert await worker.stop() == 0


async def test_the_same_event_under_two_keys_is_withdrawn_once(site: Site) -> None:
    """A double is listed, its later recording withdrawn by a system event that comes back through Kafka."""
    one, two = "D-1", next(f"D-{n}" for n in range(2, 99) if shard(f"D-{n}") != shard("D-1"))
    async with site.worker(KAOHE_DOUBLES_SECONDS="0.3") as worker:
        await worker.until_ready()
        await produce(site, [(one, event(1, case=one, event_id="same"))])

        async def first() -> bool:
            return await site.fetchval("SELECT count(*) FROM ledger") == 1

        await until(first, PATIENCE, worker.log)
        await produce(site, [(two, event(1, case=two, event_id="same"))])

        async def withdrawn() -> bool:
            return bool(await site.fetchval("SELECT count(*) = 3 AND bool_or(source = 'kaohe') FROM ledger"))

        await until(withdrawn, PATIENCE, worker.log)
        await asyncio.sleep(1)
        assert await worker.stop() == 0
    assert await site.fetchval("SELECT count(*) FROM ledger") == 3
    assert await site.fetchval("SELECT kept_case || ' ' || withdrawn_case FROM double_found") == f"{one} {two}"
    assert (
        await site.fetchval("SELECT id || ' ' || case_id FROM ledger WHERE source = 'kaohe'")
        == f"double:crm:same:{two} {two}"
    )
    assert await site.fetchval("SELECT count(*) FROM outbox") == 0


async def test_a_record_in_the_wrong_partition_is_forwarded_and_counts_once(site: Site) -> None:
    """The relay sends it on to the partition of its key, with the same identity."""
    case = "D-7"
    wrong = (shard(case) + 1) % PARTITIONS
    await produce(site, [(case, event(7))], partition=wrong)
    async with site.worker() as worker:
        await worker.until_ready()

        async def counted() -> bool:
            return await site.fetchval("SELECT count(*) FROM ledger") == 1

        await until(counted, PATIENCE, worker.log)
        assert await worker.stop() == 0
    assert await site.fetchval("SELECT shard FROM ledger") == shard(case)
    assert await site.fetchval("SELECT count(*) FROM outbox") == 0
    assert await site.fetchval("SELECT count(*) FROM misrouted") == 1


async def test_another_number_of_partitions_is_refused_at_the_start(site: Site) -> None:
    """Shards would be others: exit code 78, before anything is read."""
    async with site.worker(KAOHE_PARTITIONS="8") as worker:
        assert await asyncio.wait_for(worker.child.wait(), PATIENCE) == 78
        (line,) = worker.lines("worker.halted")
        assert "has 4 partitions, 8 are declared" in str(line["reason"])


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("KAOHE_EVENTS_TOPIC", "no-such-topic", "TopicsUnavailable"),
        ("KAOHE_KAFKA_BROKERS", "127.0.0.1:9", "BrokerUnavailable"),
    ],
)
async def test_what_is_not_there_yet_ends_the_process_with_the_code_for_later(
    site: Site, variable: str, value: str, error: str
) -> None:
    """Exit code 75: the supervisor starts it again, backing off."""
    async with site.worker(**{variable: value}) as worker:
        assert await asyncio.wait_for(worker.child.wait(), PATIENCE) == 75
        (line,) = worker.lines("worker.halted")
        assert line["error"] == error


async def test_another_zone_than_the_databases_is_refused_at_the_start(site: Site) -> None:
    """The first worker writes the zone down; one set to another ends with exit code 78 and says what to do."""
    async with site.worker(KAOHE_ZONE="Europe/Berlin") as worker:
        await worker.until_ready()
        assert await worker.stop() == 0
    async with site.worker() as worker:
        assert await asyncio.wait_for(worker.child.wait(), PATIENCE) == 78
        (line,) = worker.lines("worker.halted")
        assert line["error"] == "SettingsRefused"
        assert "set KAOHE_ZONE=Europe/Berlin, or begin a new database" in str(line["reason"])


async def test_settings_that_are_wrong_are_told_in_one_line(site: Site) -> None:
    """No traceback: the environment is at fault, and the exit code says that a person has to act."""
    async with site.worker(KAOHE_PARTITIONS="none") as worker:
        assert await asyncio.wait_for(worker.child.wait(), PATIENCE) == 78
        text = worker.log.read_text()
        assert "partitions" in text
        assert "Traceback" not in text
