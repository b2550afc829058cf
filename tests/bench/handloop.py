"""The peer that tells what Faust costs: a hand-written aiokafka loop that drives the same processor.

One task a partition, as our lanes do; backlog merged to the same batch size. `python -m tests.bench.handloop TOPIC EVENTS`.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.core.kpi.definitions import Definitions
from services.metrics.__main__ import GC_THRESHOLDS
from services.metrics.batch import PartitionBatch, Record
from services.metrics.processor import Processor
from services.runtime.clock import SystemClock
from services.runtime.settings import MetricsSettings
from services.store.database import create_pool

MERGE = 8_000


async def drain(consumer: AIOKafkaConsumer, partition: TopicPartition, end: int, processor: Processor) -> int:
    """Read one partition to its end, a transaction per merged fetch; returns the records applied."""
    position = 0
    while position < end:
        records: list[Record] = []
        start = position
        while len(records) < MERGE and position < end:
            fetched = await consumer.getmany(partition, timeout_ms=50, max_records=MERGE - len(records))
            records.extend(
                Record(record.offset, record.timestamp, record.key, record.value, tuple(record.headers))
                for record in fetched.get(partition, ())
            )
            position = await consumer.position(partition)
            if not fetched:
                break
        if records:
            await processor.process(PartitionBatch(partition.topic, partition.partition, start, position, records))
    return position


async def run(topic: str, events: int) -> None:
    settings = MetricsSettings()
    pool = await create_pool(settings.database_url, size=8)
    processor = Processor(
        pool, definitions=Definitions(zone=settings.zone), clock=SystemClock(), partitions=settings.partitions
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_brokers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=4 * 1024 * 1024,
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    for partition in partitions:
        await processor.first_sight(topic, partition.partition, 0, None)
    started = time.perf_counter()
    await asyncio.gather(*(drain(consumer, partition, ends[partition], processor) for partition in partitions))
    print(f"events_per_second {events / (time.perf_counter() - started):.1f}", flush=True)  # noqa: T201
    await consumer.stop()
    await pool.close()


if __name__ == "__main__":
    gc.set_threshold(*GC_THRESHOLDS)
    uvloop.run(run(sys.argv[1], int(sys.argv[2])))
