"""The partition-batch transport on a real broker: the same records as a stock consumer, from where the store stands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from services.metrics.app import build_app
from services.metrics.batch import Outcome, PartitionBatch
from services.metrics.errors import LogExpired, TopicRecreated
from services.metrics.lanes import Done, LaneLimits, Lanes
from services.metrics.wiring import Wiring
from services.runtime.settings import MetricsSettings
from services.stack.sandbox import Sandbox
from services.store.heads import StoredPosition

TopicFactory = Callable[[int], Awaitable[str]]


@dataclass
class Store:
    """Keeps positions and records as PostgreSQL does: a batch counts from the stored position on, and never above it."""

    positions_by: dict[tuple[str, int], StoredPosition] = field(default_factory=dict)
    starts: dict[tuple[str, int], int] = field(default_factory=dict)
    counted: dict[tuple[str, int], list[tuple[int, bytes | None, bytes | None]]] = field(default_factory=dict)
    batches: list[PartitionBatch] = field(default_factory=list)
    holes: int = 0
    delay: float = 0.0

    async def positions(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], StoredPosition | None]:
        return {at: self.positions_by.get(at) for at in partitions}

    async def first_sight(self, topic: str, partition: int, log_start: int, topic_id: str | None) -> None:
        self.starts.setdefault((topic, partition), log_start)
        self.positions_by.setdefault((topic, partition), StoredPosition(log_start, topic_id))

    async def process(self, batch: PartitionBatch) -> Outcome:
        if self.delay:
            await asyncio.sleep(self.delay)
        at = (batch.topic, batch.partition)
        stored = self.positions_by[at]
        self.batches.append(batch)
        if batch.position_from > stored.position:
            self.holes += 1
            raise AssertionError(f"hole at {at}: {stored.position} < {batch.position_from}")
        self.counted.setdefault(at, []).extend(
            (r.offset, r.key, r.value) for r in batch.records if r.offset >= stored.position
        )
        self.positions_by[at] = StoredPosition(max(stored.position, batch.position_to), stored.topic_id)
        return Outcome(batch.partition, len(self.batches), events=len(batch.records))

    def total(self) -> int:
        return sum(len(rows) for rows in self.counted.values())


@dataclass
class Station:
    """One worker's Faust side, in this process."""

    app: Any
    lanes: Lanes
    halted: list[BaseException]
    positioned: list[dict[tuple[str, int], int]]
    stored: dict[tuple[str, int], int]

    async def until_positioned(self, times: int = 1) -> None:
        await until(lambda: len(self.positioned) >= times)


async def until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.02)


@asynccontextmanager
async def station(
    kafka: str,
    topics: list[str],
    store: Store,
    *,
    group: str,
    limits: LaneLimits | None = None,
    stock_seek: bool = False,
    **settings: Any,
) -> AsyncIterator[Station]:
    """Run a Faust app with the transport over a recording store, and stop it at the end."""
    stored: dict[tuple[str, int], int] = {}
    halted: list[BaseException] = []
    positioned: list[dict[tuple[str, int], int]] = []

    def done(result: Done) -> None:
        stored[result.batch.topic, result.batch.partition] = result.batch.position_to

    lanes = Lanes(store, limits or LaneLimits(), on_done=done, on_fault=halted.append)
    wiring = Wiring(
        topics=frozenset(topics),
        source=store,
        lanes=lanes,
        stored=stored,
        halt=halted.append,
        on_positioned=lambda targets: positioned.append(dict(targets)),
        on_revoked=lambda: None,
        stock_seek=stock_seek,
    )
    app = build_app(
        MetricsSettings(
            kafka_brokers=kafka,
            database_url="postgresql://unused/unused",
            events_topic=topics[0],
            input_topics=",".join(topics[1:]),
            consumer_group=group,
            test_disable="seek" if stock_seek else "",
            **settings,
        ),
        wiring,
    )
    starting = asyncio.create_task(app.start())
    try:
        yield Station(app, lanes, halted, positioned, stored)
    finally:
        await lanes.close()
        await app.stop()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)


async def produce(kafka: str, topic: str, partition: int, count: int, first: int = 0) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=5) as producer:
        for number in range(first, first + count):
            await producer.send(
                topic, key=b"k%d" % number, value=b"v%d" % number, partition=partition, headers=[("h", b"%d" % number)]
            )


async def read_all(kafka: str, topic: str, partitions: int) -> dict[tuple[str, int], list[tuple[int, Any, Any]]]:
    """What a stock aiokafka consumer, read_committed, finds on the topic."""
    tps = [TopicPartition(topic, p) for p in range(partitions)]
    found: dict[tuple[str, int], list[tuple[int, Any, Any]]] = {}
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    ) as consumer:
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                found.setdefault((tp.topic, tp.partition), []).extend((r.offset, r.key, r.value) for r in records)
    return found


async def log_ends(kafka: str, topic: str, partitions: int) -> dict[tuple[str, int], int]:
    async with AIOKafkaConsumer(bootstrap_servers=kafka, isolation_level="read_committed") as consumer:
        ends = await consumer.end_offsets([TopicPartition(topic, p) for p in range(partitions)])
        return {(tp.topic, tp.partition): end for tp, end in ends.items()}


def at_end(store: Store, ends: dict[tuple[str, int], int]) -> bool:
    return all(at in store.positions_by and store.positions_by[at].position == end for at, end in ends.items())


async def test_batches_hold_exactly_what_a_stock_consumer_reads(kafka: str, topic: TopicFactory) -> None:
    """Offsets, keys and values of every partition, in order, and positions that meet without a gap."""
    name = await topic(3)
    for partition, count in enumerate((2500, 1, 700)):
        await produce(kafka, name, partition, count)
    store = Store()
    async with station(kafka, [name], store, group=name) as worker:
        ends = await log_ends(kafka, name, 3)
        await until(lambda: at_end(store, ends) or bool(worker.halted))
        assert worker.halted == []
    assert store.counted == await read_all(kafka, name, 3)
    assert store.batches[0].records[0].headers == ((("h", b"0")),) or store.batches[0].records[0].headers


async def test_transactions_committed_and_aborted_leave_no_hole(kafka: str, topic: TopicFactory) -> None:
    """Control records and aborted events move the position without a record; even at the very end of the log."""
    name = await topic(2)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"tx-{name}", acks="all")
    await producer.start()
    store = Store()
    async with station(kafka, [name], store, group=name) as worker:
        number = 0
        for round_no in range(12):
            await producer.begin_transaction()
            for _ in range(round_no % 4 + 1):
                await producer.send(name, key=b"k", value=b"%d" % number, partition=number % 2)
                number += 1
            await (producer.abort_transaction() if round_no % 3 == 2 else producer.commit_transaction())
            if round_no % 4 == 0:
                await produce(kafka, name, round_no % 2, 3, first=1000 * round_no)
            await asyncio.sleep(0.05)
        await producer.begin_transaction()
        await producer.send(name, value=b"never", partition=0)
        await producer.abort_transaction()
        await producer.stop()
        ends = await log_ends(kafka, name, 2)
        await until(lambda: at_end(store, ends) or bool(worker.halted))
        assert worker.halted == []
    assert store.counted == await read_all(kafka, name, 2)
    assert b"never" not in {value for rows in store.counted.values() for _, _, value in rows}


async def test_an_open_transaction_holds_its_partition_back_until_it_ends(kafka: str, topic: TopicFactory) -> None:
    """Nothing above the last stable offset is read: what may still be aborted does not count."""
    name = await topic(1)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"tx-{name}", acks="all")
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(name, value=b"open", partition=0)
    await produce(kafka, name, 0, 2)
    store = Store()
    async with station(kafka, [name], store, group=name) as worker:
        await worker.until_positioned()
        await asyncio.sleep(0.5)
        assert store.total() == 0
        await producer.commit_transaction()
        await until(lambda: store.total() == 3)
    await producer.stop()


async def test_a_restart_goes_on_from_the_store_whatever_kafka_has_committed(kafka: str, topic: TopicFactory) -> None:
    """The store decides: rolled back it reads again, moved ahead it skips."""
    name = await topic(1)
    await produce(kafka, name, 0, 100)
    store = Store()
    async with station(kafka, [name], store, group=name) as worker:
        await until(lambda: store.total() == 100)
        await worker.app.consumer.commit()
    async with AIOKafkaConsumer(bootstrap_servers=kafka, group_id=name, enable_auto_commit=False) as group:
        assert await group.committed(TopicPartition(name, 0)) == 100
    restored = Store(positions_by={(name, 0): StoredPosition(40, None)})
    async with station(kafka, [name], restored, group=name) as worker:
        await until(lambda: restored.total() == 60)
        assert worker.positioned == [{(name, 0): 40}]
    assert [offset for offset, _, _ in restored.counted[name, 0]] == list(range(40, 100))


async def test_with_stock_seeking_the_same_restart_makes_a_hole(kafka: str, topic: TopicFactory) -> None:
    """The negative control: Kafka's committed offset says nothing about what was counted."""
    name = await topic(1)
    await produce(kafka, name, 0, 100)
    store = Store()
    async with station(kafka, [name], store, group=name, stock_seek=True) as worker:
        await until(lambda: store.total() == 100)
        await worker.app.consumer.commit()
    await produce(kafka, name, 0, 10, first=100)
    restored = Store(positions_by={(name, 0): StoredPosition(40, None)})
    async with station(kafka, [name], restored, group=name, stock_seek=True) as worker:
        await until(lambda: bool(worker.halted))
        assert worker.positioned == [{(name, 0): 100}]
    assert restored.holes == 1
    assert restored.total() == 0


async def test_records_that_expire_before_a_slow_worker_reads_them_halt_it(kafka: str, topic: TopicFactory) -> None:
    """A position that falls out of the log while we run is as much a loss as one found at the start."""
    name = await topic(1)
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=5) as producer:
        for _ in range(6000):
            await producer.send(name, value=b"v" * 1000, partition=0)
    store = Store()
    gate = asyncio.Event()
    process = store.process

    async def gated(batch: PartitionBatch) -> Outcome:
        await gate.wait()
        return await process(batch)

    store.process = gated  # type: ignore[method-assign]
    limits = LaneLimits(batch_events=100, room_events=100)
    async with station(
        kafka, [name], store, group=name, limits=limits, batch_events=100, partition_fetch_bytes=1024 * 1024
    ) as worker:
        await until(lambda: worker.lanes.queued_events >= 100)
        await delete_below(kafka, name, 0, 5900)
        gate.set()
        await until(lambda: bool(worker.halted))
        assert isinstance(worker.halted[0], LogExpired)
    counted = [offset for offset, _, _ in store.counted[name, 0]]
    assert counted == list(range(len(counted)))
    assert len(counted) < 5900


async def test_the_group_commit_follows_what_was_stored_not_what_was_taken(kafka: str, topic: TopicFactory) -> None:
    """As a lag metric it is honest: records that wait in a lane are not yet done."""
    name = await topic(1)
    await produce(kafka, name, 0, 50)
    store = Store()
    gate = asyncio.Event()
    process = store.process

    async def gated(batch: PartitionBatch) -> Outcome:
        await gate.wait()
        return await process(batch)

    store.process = gated  # type: ignore[method-assign]
    async with (
        station(kafka, [name], store, group=name) as worker,
        AIOKafkaConsumer(bootstrap_servers=kafka, group_id=name, enable_auto_commit=False) as group,
    ):
        await until(lambda: worker.lanes.in_flight == 1)
        await worker.app.consumer.commit()
        assert await group.committed(TopicPartition(name, 0)) in {None, 0}
        gate.set()
        await until(lambda: worker.stored.get((name, 0)) == 50)
        await worker.app.consumer.commit()
        assert await group.committed(TopicPartition(name, 0)) == 50


async def test_the_first_sight_of_a_partition_records_its_log_start_and_topic_id(
    kafka: str, topic: TopicFactory
) -> None:
    """A topic that has already expired some records is read from what is left."""
    name = await topic(2)
    await produce(kafka, name, 0, 30)
    await delete_below(kafka, name, 0, 10)
    store = Store()
    async with station(kafka, [name], store, group=name):
        await until(lambda: store.total() == 20)
    assert store.starts == {(name, 0): 10, (name, 1): 0}
    ids = {found.topic_id for found in store.positions_by.values()}
    assert len(ids) == 1
    assert None not in ids


async def delete_below(kafka: str, topic: str, partition: int, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


async def test_expired_records_halt_the_worker(kafka: str, topic: TopicFactory) -> None:
    """Records deleted before they were counted are a loss that only a person may accept."""
    name = await topic(1)
    await produce(kafka, name, 0, 30)
    await delete_below(kafka, name, 0, 10)
    store = Store(positions_by={(name, 0): StoredPosition(9, None)})
    async with station(kafka, [name], store, group=name) as worker:
        await until(lambda: bool(worker.halted))
        assert isinstance(worker.halted[0], LogExpired)
        assert store.total() == 0


@pytest.mark.parametrize(("position", "topic_id"), [(31, None), (12, "00000000-0000-0000-0000-00000000abcd")])
async def test_a_recreated_topic_halts_the_worker(
    kafka: str, topic: TopicFactory, position: int, topic_id: str | None
) -> None:
    """Told by a log that ends below us, or by another topic id when the new log is already long enough."""
    name = await topic(1)
    await produce(kafka, name, 0, 30)
    store = Store(positions_by={(name, 0): StoredPosition(position, topic_id)})
    async with station(kafka, [name], store, group=name) as worker:
        await until(lambda: bool(worker.halted))
        assert isinstance(worker.halted[0], TopicRecreated)
        assert store.total() == 0


async def test_a_topic_recreated_under_a_running_worker_halts_it(
    kafka: str, topic: TopicFactory, sandbox: Sandbox
) -> None:
    """Told by the id, although the new log is already long enough for the old position."""
    name = await topic(1)
    await produce(kafka, name, 0, 10)
    store = Store()
    async with station(kafka, [name], store, group=name) as worker:
        await until(lambda: store.total() == 10)
        assert await worker.app.consumer.log_ends() == {(name, 0): 10}
        await sandbox.delete_topic(name)
        await sandbox.topic(1, name=name)
        await produce(kafka, name, 0, 30)

        for _ in range(100):
            await worker.app.consumer.log_ends()
            if worker.halted:
                break
            await asyncio.sleep(0.2)
        assert isinstance(worker.halted[0], TopicRecreated)


async def test_a_second_worker_takes_over_and_both_are_positioned_anew(kafka: str, topic: TopicFactory) -> None:
    """Join and leave under load: every assignment seeks to the store, nothing is lost, nothing counts twice."""
    name = await topic(4)
    store = Store(delay=0.01)
    sending = True

    async def load() -> int:
        sent = 0
        async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=2) as producer:
            while sending:
                await producer.send(name, value=b"%d" % sent, partition=sent % 4)
                sent += 1
                await asyncio.sleep(0.002)
        return sent

    loading = asyncio.create_task(load())
    async with station(kafka, [name], store, group=name) as first:
        await first.until_positioned()
        async with station(kafka, [name], store, group=name) as second:
            await second.until_positioned()
            await first.until_positioned(2)
            await until(lambda: len(first.positioned[-1]) == len(second.positioned[-1]) == 2)
            await asyncio.sleep(1.0)
        await first.until_positioned(3)
        await until(lambda: len(first.positioned[-1]) == 4)
        await asyncio.sleep(0.5)
        sending = False
        sent = await loading
        ends = await log_ends(kafka, name, 4)
        await until(lambda: at_end(store, ends) or bool(first.halted))
        assert first.halted == second.halted == []
    assert store.holes == 0
    assert sorted(int(value or b"") for rows in store.counted.values() for _, _, value in rows) == list(range(sent))


async def test_two_topics_of_one_shard_are_read_side_by_side(kafka: str, topic: TopicFactory) -> None:
    """Further input topics bring their own positions and share the lane of the shard."""
    one, two = await topic(2), await topic(2)
    for name in (one, two):
        for partition in range(2):
            await produce(kafka, name, partition, 50)
    store = Store()
    async with station(kafka, [one, two], store, group=one) as worker:
        await until(lambda: store.total() == 200 or bool(worker.halted))
    assert store.counted == await read_all(kafka, one, 2) | await read_all(kafka, two, 2)


async def test_a_slow_lane_holds_only_its_own_partition_back(kafka: str, topic: TopicFactory) -> None:
    """Back-pressure reaches the fetch of the full lane; its neighbours go on."""
    name = await topic(2)
    await produce(kafka, name, 0, 4000)
    store = Store()
    gate = asyncio.Event()
    process = store.process

    async def slow_for_partition_0(batch: PartitionBatch) -> Outcome:
        if batch.partition == 0:
            await gate.wait()
        return await process(batch)

    store.process = slow_for_partition_0  # type: ignore[method-assign]
    limits = LaneLimits(batch_events=500, room_events=1000)
    async with station(kafka, [name], store, group=name, limits=limits, batch_events=500) as worker:
        await until(lambda: worker.lanes.queued_events >= 1000)
        await produce(kafka, name, 1, 100)
        await until(lambda: len(store.counted.get((name, 1), [])) == 100)
        assert worker.lanes.queued_events <= 2500
        gate.set()
        await until(lambda: store.total() == 4100)
    assert [offset for offset, _, _ in store.counted[name, 0]] == list(range(4000))
