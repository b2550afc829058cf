"""The servers that every integration test stands on."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.topics import SETTINGS
from services.runtime.topics import PartitionsDiffer, TopicError, TopicSpec, ensure_topics
from services.stack.sandbox import Database, Sandbox

TopicFactory = Callable[[int], Awaitable[str]]


async def test_an_idempotent_producer_gets_its_acknowledgement_and_the_record_is_read_back(
    kafka: str, topic: TopicFactory
) -> None:
    name = await topic(3)
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True) as producer:
        sent = await producer.send_and_wait(name, b"value", partition=2, headers=[("ce_id", b"1")])
    async with AIOKafkaConsumer(bootstrap_servers=kafka, isolation_level="read_committed") as consumer:
        consumer.assign([TopicPartition(name, 2)])
        await consumer.seek_to_beginning()
        record = await consumer.getone()
    assert (record.offset, record.value, record.headers) == (sent.offset, b"value", (("ce_id", b"1"),))


async def test_a_topic_has_the_declared_settings(kafka: str, topic: TopicFactory) -> None:
    name = await topic(2)
    [report] = await ensure_topics(kafka, [TopicSpec(name, 2, SETTINGS)])
    assert not report.created
    assert report.differences == {}


async def test_another_number_of_partitions_is_refused_with_the_cure(kafka: str, topic: TopicFactory) -> None:
    name = await topic(2)
    with pytest.raises(PartitionsDiffer, match=r"has 2 partitions, 3 are declared.*KAOHE_PARTITIONS=2"):
        await ensure_topics(kafka, [TopicSpec(name, 3)])


async def test_a_changed_retention_is_reported_and_left_alone(sandbox: Sandbox, kafka: str) -> None:
    name = await sandbox.topic(1, config={"retention.ms": "1000"})
    [report] = await ensure_topics(kafka, [TopicSpec(name, 1, SETTINGS)])
    assert report.differences == {"retention.ms": (SETTINGS["retention.ms"], "1000")}


async def test_a_compacted_topic_is_refused_for_it_would_lose_events(sandbox: Sandbox, kafka: str) -> None:
    name = await sandbox.topic(1, config={"cleanup.policy": "delete"})
    compacting = TopicSpec(name, 1, {"cleanup.policy": "compact"})
    with pytest.raises(TopicError, match=r"cleanup\.policy"):
        await ensure_topics(kafka, [compacting])


async def test_a_missing_topic_is_an_error_when_nothing_may_be_created(kafka: str) -> None:
    with pytest.raises(TopicError, match="kaohe topics"):
        await ensure_topics(kafka, [TopicSpec("never-made", 1)], create=False)


async def test_every_database_is_fresh_and_belongs_to_the_owner(database: Database, sandbox: Sandbox) -> None:
    other = await sandbox.database()
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("CREATE TABLE mine (a int)")
    stranger = await asyncpg.connect(other.owner_url)
    assert await stranger.fetchval("SELECT to_regclass('mine')") is None
    await owner.close()
    await stranger.close()
    await sandbox.drop(other)


async def test_the_application_is_not_the_owner(database: Database) -> None:
    app = await asyncpg.connect(database.app_url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("CREATE TABLE mine (a int)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("CREATE DATABASE mine")
    assert await app.fetchval("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user") is False
    await app.close()


async def test_a_commit_is_on_disk_before_it_is_answered(database: Database) -> None:
    app = await asyncpg.connect(database.app_url)
    durable = [await app.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")]
    await app.close()
    assert durable == ["on", "on", "on"]


def test_a_sandbox_that_was_killed_is_swept_away_by_the_next_and_a_living_one_is_not(sandbox: Sandbox) -> None:
    source = (
        "from services.stack.sandbox import Sandbox; print(Sandbox().home, flush=True); import time; time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    left = Path(process.stdout.readline().strip())
    process.kill()
    process.communicate()
    for home in (left, sandbox.home):
        os.utime(home, (0, 0))
    with Sandbox():
        assert not left.exists()
        assert sandbox.home.exists()
