"""The database fails in the middle: everything of a batch or nothing of it, and once."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import asyncpg
import pytest

from schemas.wire import STRUCTURED_HEADERS
from services.metrics.errors import DatabaseUnavailable, InvariantBroken
from services.runtime.partition import shard_of
from services.stack.sandbox import Database
from services.store.incidents import headers_from_json
from tests.chaos.audit import audit
from tests.chaos.histories import histories
from tests.integration.metrics.conftest import ProcessorFactory
from tests.integration.metrics.partitions import APPENDED_MS, Partition, event
from tests.integration.metrics.test_processor import dump, sent, ticket

WRITTEN = ("ledger", "cases", "journal", "bucket", "conflict", "quarantine", "misrouted", "outbox",
           "source_seen", "commits", "shard_head")  # fmt: skip


async def fail_on(superuser: asyncpg.Connection, table: str, action: str) -> None:
    """Make every write to a table perform an action of PL/pgSQL first, with the superuser's rights."""
    await superuser.execute(f"""
        CREATE SEQUENCE fired;
        CREATE FUNCTION do_harm() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN {action} RETURN NULL; END $$;
        CREATE TRIGGER harm AFTER INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION do_harm();
    """)


@pytest.mark.parametrize("table", WRITTEN)
async def test_a_failure_in_any_statement_leaves_nothing(
    new_processor: ProcessorFactory, superuser: asyncpg.Connection, table: str
) -> None:
    home, away = (next(f"TK-{n}" for n in range(99) if shard_of(f"TK-{n}", 2) == shard) for shard in (0, 1))
    partition = Partition()
    for each in ticket(home):
        partition.append(each)
    partition.append({**ticket(home)[0], "data": {"queue": "another"}})
    partition.append(b"not json")
    partition.append(event(away, 0))
    processor = await new_processor(partition, partitions=2)
    await fail_on(superuser, table, "RAISE EXCEPTION 'harm';")
    before = await dump(superuser)
    with pytest.raises(InvariantBroken, match="harm"):
        await processor.process(partition.batch())
    after = await dump(superuser)
    after["shard_head"] = before["shard_head"]  # a head without a commit may stand: it says nothing
    assert after == before


@pytest.mark.parametrize("table", ["ledger", "journal", "shard_head"])
async def test_a_backend_that_dies_in_the_middle_is_replaced_and_the_batch_counts_once(
    new_processor: ProcessorFactory, database: Database, superuser: asyncpg.Connection, table: str
) -> None:
    partition = Partition()
    events = ticket("TK-1")
    for each in events:
        partition.append(each)
    processor = await new_processor(partition)
    await processor.process(partition.batch(0, 1))
    await fail_on(
        superuser, table, "IF nextval('fired') < 3 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
    )
    outcome = await processor.process(partition.batch(1, 4))
    assert (outcome.seq, outcome.events) == (2, 3)
    assert await superuser.fetchval("SELECT last_value FROM fired") == 3
    assert await audit(database.superuser_url, sent(*events)) == []


async def test_backends_killed_at_random_under_load_leave_no_difference(
    new_processor: ProcessorFactory, database: Database, superuser: asyncpg.Connection
) -> None:
    """Some die during COMMIT, so that nobody knows the outcome: the stored position tells the next try."""
    chance = random.Random(5)
    events = histories(3_000, chance, now_ms=APPENDED_MS)
    partition = Partition()
    for each in events:
        partition.append(each)
    processor = await new_processor(partition)
    killed = 0

    async def kill() -> None:
        nonlocal killed
        while True:
            await asyncio.sleep(chance.uniform(0.02, 0.4))
            killed += await superuser.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
                database.name,
            )

    killer = asyncio.create_task(kill())
    for first in range(0, partition.end, 20):
        await processor.process(partition.batch(first, min(first + 20, partition.end)))
        await asyncio.sleep(0.03)  # a fast machine would be done before it is hit
    killer.cancel()
    with suppress(asyncio.CancelledError):
        await killer
    assert killed >= 10
    assert await audit(database.superuser_url, sent(*events)) == []


async def test_a_value_that_postgresql_refuses_is_kept_and_its_neighbours_count(
    new_processor: ProcessorFactory, database: Database, superuser: asyncpg.Connection
) -> None:
    partition = Partition()
    events = [each for number in range(8) for each in ticket(f"TK-{number}")]
    # The contract keeps out what PostgreSQL is known to refuse; here it divides by zero for a case whose name begins with "bad".
    await superuser.execute(
        "ALTER TABLE ledger ADD CONSTRAINT harm CHECK (1 / (position('bad' IN case_id) - 1) IS NOT NULL)"
    )
    for number, each in enumerate(events):
        partition.append(each)
        if number in (5, 6, 30):
            partition.append(event(f"bad-{number}", 0))
    processor = await new_processor(partition)
    await processor.process(partition.batch())
    rows = await superuser.fetch("SELECT * FROM quarantine ORDER BY kafka_offset")
    assert [row["kafka_offset"] for row in rows] == [6, 8, 33]
    assert {row["error"] for row in rows} == {"DivisionByZeroError"}
    assert [row["value"] for row in rows] == [partition.records[offset].value for offset in (6, 8, 33)]
    poison = tuple(row["value"] for row in rows)
    assert await audit(database.superuser_url, sent(*events, poison=poison)) == []


async def test_a_database_that_stays_away_ends_in_a_clear_error_within_a_bound(
    new_processor: ProcessorFactory, superuser: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.metrics.processor.RETRY_PAUSES_SECONDS", (0.05, 0.05))
    partition = Partition()
    partition.append(event("TK-1", 0))
    processor = await new_processor(partition)
    # A server that takes no connection of ours any more looks, from here, like one that is gone.
    await superuser.execute("ALTER ROLE kaohe_app CONNECTION LIMIT 0")
    await superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kaohe_app'")
    with pytest.raises(DatabaseUnavailable):
        async with asyncio.timeout(20):
            await processor.process(partition.batch())
    await superuser.execute("ALTER ROLE kaohe_app CONNECTION LIMIT -1")
    outcome = await processor.process(partition.batch())
    assert outcome.events == 1


@pytest.mark.parametrize("value", [b"not json", None])
async def test_headers_that_jsonb_cannot_hold_do_not_stop_the_shard(
    new_processor: ProcessorFactory, database: Database, superuser: asyncpg.Connection, value: bytes | None
) -> None:
    """A direct producer may write any text as a header's name; PostgreSQL's JSON has no NUL."""
    partition = Partition()
    events = ticket("TK-1")
    partition.append(events[0])
    partition.append(value, headers=(("na\x00me", b"\x00value"), ("plain", b"text")))
    for each in events[1:]:
        partition.append(each)
    processor = await new_processor(partition)
    outcome = await processor.process(partition.batch())
    assert await audit(database.superuser_url, sent(*events, poison=(value,))) == []
    assert outcome.events + outcome.quarantined > 0
    assert "plain" in await superuser.fetchval("SELECT headers::text FROM quarantine")


async def test_a_stray_with_such_headers_is_forwarded_with_them(
    new_processor: ProcessorFactory, superuser: asyncpg.Connection
) -> None:
    away = next(f"TK-{n}" for n in range(99) if shard_of(f"TK-{n}", 2) == 1)
    partition = Partition()
    partition.append(event(away, 0), headers=(*STRUCTURED_HEADERS, ("na\x00me", b"value")))
    processor = await new_processor(partition, partitions=2)
    outcome = await processor.process(partition.batch())
    assert outcome.misrouted == 1
    stored = await superuser.fetchval("SELECT headers::text FROM outbox")
    assert ("na\x00me", b"value") in headers_from_json(stored)
