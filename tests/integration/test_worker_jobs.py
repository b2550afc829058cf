"""Relay, doubles, checkpoints and upkeep on real servers: once, in order, whoever runs them and however often."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.codec import decode
from services.core.kpi.definitions import Definitions
from services.metrics.checkpoints import Checkpoints, Upkeep
from services.metrics.doubles import HEADERS, DoubleFinder, withdrawal
from services.metrics.relay import JOB, Relay
from services.runtime.clock import FixedClock
from services.stack.sandbox import Database
from services.store import outbox
from services.store.borrow import borrow
from services.store.database import create_pool
from services.store.doubles import Entry
from services.store.locks import try_lock

TopicFactory = Callable[[int], Awaitable[str]]


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    opened = await create_pool(database.app_url, size=6)
    yield opened
    opened.terminate()


async def fill_outbox(pool: asyncpg.Pool, topic: str, shard: int, values: list[bytes], partition: int = 0) -> None:
    async with borrow(pool) as connection:
        for number, value in enumerate(values):
            await outbox.put(connection, shard, number + 1, (topic, partition, b"key", value), (("h", b"\xff"),))


async def read(kafka: str, topic: str, partition: int, count: int) -> list[tuple[bytes | None, object]]:
    found: list[tuple[bytes | None, object]] = []
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        consumer.assign([TopicPartition(topic, partition)])
        while len(found) < count:
            record = await asyncio.wait_for(consumer.getone(), 20)
            found.append((record.value, record.headers))
    return found


async def test_the_relay_sends_in_order_to_the_named_partition_and_empties_the_outbox(
    kafka: str, topic: TopicFactory, pool: asyncpg.Pool
) -> None:
    """More rows than a page, headers of any bytes; nothing is left and everything was acknowledged."""
    name = await topic(3)
    values = [b"%d" % number for number in range(1203)]
    await fill_outbox(pool, name, 5, values, partition=2)
    sent: list[int] = []
    relay = Relay(pool, kafka, on_sent=sent.append)
    await relay.sweep()
    await relay.close()
    found = await read(kafka, name, 2, len(values))
    assert [value for value, _ in found] == values
    assert found[0][1] == (("h", b"\xff"),)
    assert sum(sent) == len(values)
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0


async def test_what_was_sent_and_not_removed_is_sent_again(kafka: str, topic: TopicFactory, pool: asyncpg.Pool) -> None:
    """A worker that dies between acknowledgement and delete leaves the rows: at least once, in order."""
    name = await topic(1)
    await fill_outbox(pool, name, 0, [b"a", b"b"])
    relay = Relay(pool, kafka)
    async with borrow(pool) as connection:
        await relay._send(await outbox.head(connection, 0, 10))
    await relay.sweep()
    await relay.close()
    assert [value for value, _ in await read(kafka, name, 0, 4)] == [b"a", b"b", b"a", b"b"]


async def test_a_shard_is_relayed_by_one_worker_at_a_time(kafka: str, topic: TopicFactory, pool: asyncpg.Pool) -> None:
    """While somebody holds the shard's lock the others pass it by, and serve the other shards."""
    name = await topic(1)
    await fill_outbox(pool, name, 0, [b"held"])
    await fill_outbox(pool, name, 1, [b"free"])
    relay = Relay(pool, kafka)
    async with borrow(pool) as other, try_lock(other, JOB, 0) as mine:
        assert mine
        await relay.sweep()
        assert [row["shard"] for row in await pool.fetch("SELECT shard FROM outbox")] == [0]
    await relay.sweep()
    await relay.close()
    assert [value for value, _ in await read(kafka, name, 0, 2)] == [b"free", b"held"]


async def test_a_row_that_kafka_refuses_stays_and_is_told(kafka: str, pool: asyncpg.Pool) -> None:
    """Nothing is dropped: the fault comes out, the row waits, a new producer is made."""
    await fill_outbox(pool, "no-such-topic", 0, [b"lost?"])
    relay = Relay(pool, kafka)
    with pytest.raises(Exception):  # noqa: B017 - which of Kafka's faults it is depends on the broker
        await asyncio.wait_for(relay.sweep(), 30)
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 1
    assert await pool.fetchval("SELECT pg_try_advisory_lock(hashtext($1), 0)", JOB)
    await relay.close()


async def record_event(pool: asyncpg.Pool, shard: int, seq: int, identity: str, case: str) -> None:
    """One commit of one event, as the processor writes them."""
    async with borrow(pool) as connection, connection.transaction():
        await connection.execute(
            """INSERT INTO commits (shard, seq, kind, topic, position_from, position_to, events, duplicates, conflicts,
                                    quarantined, misrouted, postings, core_version, definition_version)
               VALUES ($1, $2, 'events', 't', 0, 1, 1, 0, 0, 0, 0, 0, 1, 1)""",
            shard,
            seq,
        )
        await connection.execute(
            """INSERT INTO ledger (shard, source, id, case_id, type, time_ms, seq, ordinal, appended_ms, topic,
                                   kafka_offset, content_hash, body)
               VALUES ($1, 'crm', $2, $3, 'x', 1740787200123, $4, 0, 0, 't', 0, '', '')""",
            shard,
            identity,
            case,
            seq,
        )
        await connection.execute(
            "INSERT INTO shard_head (shard, seq) VALUES ($1, $2) ON CONFLICT (shard) DO UPDATE SET seq = $2", shard, seq
        )


async def test_doubles_keep_the_first_recording_and_withdraw_each_later_one_once(pool: asyncpg.Pool) -> None:
    """Over three shards, with other events around, and two finders at the same time: two withdrawals, not more."""
    await record_event(pool, 3, 1, "same", "C-3")
    await record_event(pool, 1, 1, "other", "C-9")
    await record_event(pool, 1, 2, "same", "C-1")
    found: list[int] = []

    async def look(finders: int = 2) -> None:
        """As many workers as were just started, all at once."""
        await asyncio.gather(*(DoubleFinder(pool, "events", on_found=found.append).sweep() for _ in range(finders)))

    await look()
    await record_event(pool, 0, 1, "same", "C-0")
    for _ in range(3):
        await look()
    doubles = await pool.fetch("SELECT kept_case, withdrawn_case FROM double_found ORDER BY 2")
    assert [tuple(row) for row in doubles] == [("C-3", "C-0"), ("C-3", "C-1")]
    rows = await pool.fetch("SELECT shard, topic, partition, key, value FROM outbox ORDER BY shard")
    assert [(row["shard"], row["topic"], row["partition"], row["key"]) for row in rows] == [
        (0, "events", 0, b"C-0"),
        (1, "events", 1, b"C-1"),
    ]
    assert json.loads(rows[0]["value"])["data"] == {"target": "same", "target_source": "crm"}
    assert sum(found) == 2


@pytest.mark.parametrize("case", ["C-1", "单" * 200])
def test_a_withdrawal_follows_the_contract_and_is_the_same_whenever_it_is_made(case: str) -> None:
    """A system event like any other: decoded by the codec, at the time of what it withdraws, id within bounds."""
    entry = Entry(datetime(2025, 3, 1, tzinfo=UTC), 1, case, 1740787200123)
    value = withdrawal("crm", "e" * 200, entry)
    assert value == withdrawal("crm", "e" * 200, entry)
    decoded = decode(value, HEADERS, case.encode())
    assert (decoded.source, decoded.time_ms, decoded.partitionkey) == ("kaohe", 1740787200123, case)
    assert decoded.data == {"target": "e" * 200, "target_source": "crm"}


async def test_one_checkpoint_an_interval_however_many_workers_ask(pool: asyncpg.Pool) -> None:
    """The cut names for each shard the first sequence number that it leaves out."""
    await record_event(pool, 2, 7, "e", "C")
    workers = [Checkpoints(pool, interval_seconds=3600) for _ in range(3)]
    for _ in range(2):
        await asyncio.gather(*(worker.sweep() for worker in workers))
    (row,) = await pool.fetch("SELECT reason, cutoff FROM checkpoint")
    assert (row["reason"], json.loads(row["cutoff"])) == ("interval", {"2": 8})
    await Checkpoints(pool, interval_seconds=0.0).sweep()
    assert await pool.fetchval("SELECT count(*) FROM checkpoint") == 2


async def test_upkeep_merges_old_hours_into_days_once_a_day_and_keeps_every_sum(pool: asyncpg.Pool) -> None:
    """Yesterday and today keep their hours; what is older becomes days of the zone; totals stay."""
    definitions = Definitions(zone="Asia/Shanghai")
    hour = 3_600_000
    noon = 1740801600000  # 2025-03-01T12:00+08:00
    await record_event(pool, 0, 1, "e", "C")
    async with borrow(pool) as connection:
        for hours_ago in range(96):
            await connection.execute(
                """INSERT INTO bucket (shard, engineer, measure, dim, book, slot_ms, hours, bin, n, value)
                   VALUES (0, 'crm E1', 'm', '', '2025-02-01', $1, 1, -1, 1, $2)""",
                noon - hours_ago * hour,
                hours_ago,
            )
    totals = "SELECT sum(n), sum(value) FROM bucket"
    before = await pool.fetchrow(totals)
    clock = FixedClock(noon)
    upkeep = Upkeep(pool, definitions, clock)
    await asyncio.gather(upkeep.sweep(), Upkeep(pool, definitions, clock).sweep())
    assert await pool.fetchrow(totals) == before
    slots = await pool.fetch("SELECT hours, count(*) AS slots, min(slot_ms) AS first FROM bucket GROUP BY 1 ORDER BY 1")
    yesterday = definitions.day_start_ms(definitions.local_day(noon) - 1)
    assert [(row["hours"], row["slots"]) for row in slots] == [(1, 37), (24, 3)]
    assert slots[0]["first"] == yesterday
    assert await pool.fetchval("SELECT bool_and((slot_ms + 8 * 3600000) % 86400000 = 0) FROM bucket WHERE hours = 24")
    clock.advance(24 * hour)
    await upkeep.sweep()
    assert await pool.fetchrow(totals) == before
    assert await pool.fetchval("SELECT count(*) FROM bucket WHERE hours = 1") == 13
