"""The auditor's other half: the log as a plain read_committed consumer reads it, against what the commits account for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.codec import Decoded, decode
from schemas.errors import ContractError
from tests.chaos.audit import EXAMPLES, compare

Partition = tuple[str, int]
READ_SECONDS = 90.0


@dataclass(slots=True)
class Log:
    """All partitions of the input topics as they are now: records by partition, and where each ends for a reader."""

    records: Counter[Partition] = field(default_factory=Counter)
    ends: dict[Partition, int] = field(default_factory=dict)
    # (topic, partition, offset) -> content hash; and per topic, partition and identity the first offset.
    content: dict[tuple[str, int, int], bytes] = field(default_factory=dict)
    first: dict[tuple[str, int, str, str], int] = field(default_factory=dict)

    def add(self, topic: str, partition: int, offset: int, decoded: Decoded | None) -> None:
        """Add a record; None when nobody can understand it."""
        self.records[topic, partition] += 1
        if decoded is not None:
            self.content[topic, partition, offset] = decoded.content_hash
            self.first.setdefault((topic, partition, decoded.source, decoded.id), offset)


async def log_ends(brokers: str, topics: Sequence[str]) -> dict[Partition, int]:
    """Where each partition ends for a read_committed reader (the last stable offset)."""
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, isolation_level="read_committed", group_id=None)
    await consumer.start()
    try:
        return {(tp.topic, tp.partition): end for tp, end in (await _ends(consumer, topics)).items()}
    finally:
        await consumer.stop()


async def _ends(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> dict[TopicPartition, int]:
    cluster = await consumer._client.fetch_all_metadata()
    partitions = [
        TopicPartition(topic, number) for topic in topics for number in cluster.partitions_for_topic(topic) or ()
    ]
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    return ends


async def read_log(brokers: str, topics: Sequence[str]) -> Log:
    """Read every record of the topics that a read_committed consumer may see."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers,
        isolation_level="read_committed",
        group_id=None,
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    try:
        ends = await _ends(consumer, topics)
        consumer.assign(list(ends))
        await consumer.seek_to_beginning(*ends)
        log = Log(ends={(tp.topic, tp.partition): end for tp, end in ends.items()})
        async with asyncio.timeout(READ_SECONDS):
            for tp, end in ends.items():
                while await consumer.position(tp) < end:
                    _take(log, await consumer.getmany(timeout_ms=200, max_records=5_000))
        return log
    finally:
        await consumer.stop()


def _take(log: Log, fetched: dict[TopicPartition, list[object]]) -> None:
    for tp, records in fetched.items():
        for record in records:
            log.add(tp.topic, tp.partition, record.offset, _read(record))  # type: ignore[attr-defined]


def _read(record: object) -> Decoded | None:
    try:
        return decode(record.value, record.headers, record.key)  # type: ignore[attr-defined]
    except ContractError:
        return None


async def audit_log(url: str, brokers: str, topics: Sequence[str]) -> list[str]:
    """Return every difference between the log and the database. Nothing may write to either meanwhile."""
    log = await read_log(brokers, topics)
    connection = await asyncpg.connect(url)
    try:
        return [
            *await _positions_differ(connection, log),
            *await _records_differ(connection, log),
            *await _origins_differ(connection, log),
        ]
    finally:
        await connection.close()


async def _positions_differ(connection: asyncpg.Connection, log: Log) -> list[str]:
    """Every position stands at the end of its log."""
    rows = await connection.fetch("SELECT topic, shard, position FROM shard_position")
    found = {(row["topic"], row["shard"]): row["position"] for row in rows}
    return compare("positions against the log ends", found, log.ends)


async def _records_differ(connection: asyncpg.Connection, log: Log) -> list[str]:
    """Each record of the log was counted by one commit: as event, duplicate, conflict, quarantined or misrouted."""
    rows = await connection.fetch(
        """SELECT topic, shard, sum(events + duplicates + conflicts + quarantined + misrouted)::bigint AS n
           FROM commits WHERE kind = 'events' GROUP BY 1, 2"""
    )
    found = {(row["topic"], row["shard"]): row["n"] for row in rows if row["n"]}
    return compare("records that the commits account for against the log", found, dict(log.records))


async def _origins_differ(connection: asyncpg.Connection, log: Log) -> list[str]:
    """Each ledger row is the record at its coordinates, and no earlier record of that partition has its identity."""
    wrong = []
    for row in await connection.fetch("SELECT topic, shard, kafka_offset, source, id, content_hash FROM ledger"):
        topic, shard, offset, source, event_id, content_hash = row
        where = f"{source} {event_id} at {topic}[{shard}]@{offset}"
        if log.content.get((topic, shard, offset)) != bytes(content_hash):
            wrong.append(f"{where} is not the record that the log holds there")
        elif (first := log.first.get((topic, shard, source, event_id))) != offset:
            wrong.append(f"{where}: the log holds it first at {first}")
    return [f"ledger against the log: {len(wrong)} differ, e.g. {'; '.join(wrong[:EXAMPLES])}"] if wrong else []
