"""One batch, one transaction: what counts, what does not, and what is kept of the rest."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from services.core.kpi.definitions import Definitions
from services.core.kpi.version import CORE_VERSION
from services.metrics.errors import Hole, InvariantBroken, WorkerOutdated
from services.runtime.clock import FixedClock
from services.runtime.partition import shard_of
from services.stack.sandbox import Database
from services.store import buckets
from tests.chaos.audit import Sent, audit
from tests.chaos.histories import histories
from tests.integration.metrics.conftest import ProcessorFactory
from tests.integration.metrics.partitions import APPENDED_MS, Partition, event


def sent(*events: dict[str, Any], poison: tuple[bytes | None, ...] = ()) -> Sent:
    made = Sent(poison=list(poison))
    for each in events:
        made.add(each)
    return made


async def dump(connection: asyncpg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a batch may write, to compare before and after."""
    tables = (
        "shard_head", "shard_position", "ledger", "cases", "journal", "commits", "bucket",
        "conflict", "quarantine", "misrouted", "outbox", "source_seen",
    )  # fmt: skip
    return {
        table: [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table} AS t ORDER BY t::text")]
        for table in tables
    }


async def only(connection: asyncpg.Connection, table: str) -> asyncpg.Record:
    """The one row of a table."""
    (row,) = await connection.fetch(f"SELECT * FROM {table}")
    return row


def ticket(unit: str) -> list[dict[str, Any]]:
    """A ticket from its opening to its resolution."""
    return [
        event(unit, 0, "ticket.opened", "2026-10-08T09:00:00+08:00"),
        event(unit, 1, "ticket.assigned", "2026-10-08T09:05:00+08:00", engineer="E1"),
        event(unit, 2, "ticket.replied", "2026-10-08T09:20:00+08:00", engineer="E1"),
        event(unit, 3, "ticket.resolved", "2026-10-08T11:00:00+08:00", engineer="E1"),
    ]


async def test_a_batch_moves_ledger_cases_journal_buckets_and_position_together(
    new_processor: ProcessorFactory, database: Database
) -> None:
    partition = Partition()
    events = [each for number in range(20) for each in ticket(f"TK-{number}")]
    for each in events:
        partition.append(each)
    processor = await new_processor(partition)
    outcome = await processor.process(partition.batch())
    assert (outcome.seq, outcome.events, outcome.duplicates, outcome.conflicts) == (1, 80, 0, 0)
    assert outcome.postings > 80
    assert await audit(database.superuser_url, sent(*events)) == []
    stored = await processor.positions([("events", 0), ("events", 1)])
    assert stored[("events", 0)] is not None
    assert stored[("events", 0)].position == 80
    assert stored[("events", 1)] is None


async def test_the_same_batch_again_changes_nothing(
    new_processor: ProcessorFactory, superuser: asyncpg.Connection
) -> None:
    partition = Partition()
    for each in ticket("TK-1"):
        partition.append(each)
    processor = await new_processor(partition)
    await processor.process(partition.batch())
    before = await dump(superuser)
    outcome = await processor.process(partition.batch())
    assert (outcome.seq, outcome.events) == (0, 0)
    assert await dump(superuser) == before


async def test_of_an_overlapping_batch_only_the_rest_is_applied(
    new_processor: ProcessorFactory, database: Database, superuser: asyncpg.Connection
) -> None:
    partition = Partition()
    events = ticket("TK-1") + ticket("TK-2")
    for each in events:
        partition.append(each)
    poison = partition.append(b"not json")
    processor = await new_processor(partition)
    await processor.process(partition.batch(0, 5))
    outcome = await processor.process(partition.batch(2, 9))
    assert (outcome.events, outcome.duplicates, outcome.quarantined) == (3, 0, 1)
    assert await audit(database.superuser_url, sent(*events, poison=(poison.value,))) == []
    assert await superuser.fetchval("SELECT position_from FROM commits WHERE seq = 2") == 5


async def test_a_batch_above_the_stored_position_is_a_hole_and_changes_nothing(
    new_processor: ProcessorFactory, superuser: asyncpg.Connection
) -> None:
    partition = Partition()
    for each in ticket("TK-1"):
        partition.append(each)
    processor = await new_processor(partition)
    await processor.process(partition.batch(0, 1))
    before = await dump(superuser)
    with pytest.raises(Hole, match="stands at 1, the batch begins at 2"):
        await processor.process(partition.batch(2, 4))
    assert await dump(superuser) == before


async def test_positions_and_not_offsets_decide_so_control_records_leave_no_hole(
    new_processor: ProcessorFactory, database: Database
) -> None:
    partition = Partition(start=7)
    events = ticket("TK-1")
    for each in events:
        partition.append(each)
        partition.control()
    partition.control()
    processor = await new_processor(partition)
    await processor.process(partition.batch(7, 9))
    await processor.process(partition.batch(9, 14))
    only_control = await processor.process(partition.batch(14, 16))
    assert (only_control.seq, only_control.events) == (3, 0)
    assert await audit(database.superuser_url, sent(*events)) == []


async def test_a_partition_that_was_never_seen_is_refused(new_processor: ProcessorFactory) -> None:
    partition = Partition()
    partition.append(event("TK-1", 0))
    processor = await new_processor()
    with pytest.raises(InvariantBroken, match="no recorded log start"):
        await processor.process(partition.batch())


async def test_duplicate_conflict_misrouted_and_poison_are_told_apart_and_neighbours_count(
    new_processor: ProcessorFactory, database: Database, superuser: asyncpg.Connection
) -> None:
    home = next(f"TK-{n}" for n in range(99) if shard_of(f"TK-{n}", 4) == 2)
    away = next(f"TK-{n}" for n in range(99) if shard_of(f"TK-{n}", 4) == 1)
    partition = Partition(number=2)
    first, second = ticket(home)[:2]
    stray = event(away, 0)
    partition.append(first)
    partition.append(dict(reversed(first.items())))  # members in another order: the same event
    partition.append({**first, "data": {"queue": "another"}})
    partition.append(stray, key=b"some other key")
    poison = partition.append(b"{", key=b"k", headers=(("h", b"\xff\x00"),))
    partition.append(second)
    processor = await new_processor(partition, partitions=4)
    outcome = await processor.process(partition.batch())
    assert (outcome.events, outcome.duplicates, outcome.conflicts) == (2, 1, 1)
    assert (outcome.misrouted, outcome.quarantined, outcome.outbox) == (1, 1, 1)
    assert await audit(database.superuser_url, sent(first, second, poison=(b"{",))) == []

    conflict = await only(superuser, "conflict")
    assert (conflict["id"], conflict["topic"], conflict["kafka_offset"]) == (first["id"], "events", 2)
    assert b"another" in conflict["body"]
    listed = await only(superuser, "misrouted")
    assert (listed["kafka_offset"], listed["target_shard"], listed["case_id"]) == (3, 1, away)
    forwarded = await only(superuser, "outbox")
    assert (forwarded["topic"], forwarded["partition"]) == ("events", 1)
    assert (forwarded["key"], forwarded["value"]) == (away.encode(), partition.records[3].value)
    kept = await only(superuser, "quarantine")
    assert (kept["kafka_offset"], kept["key"], kept["value"]) == (4, b"k", poison.value)
    assert (kept["error"], kept["appended_ms"]) == ("NotJson", APPENDED_MS)


async def test_one_identity_under_two_keys_of_a_shard_is_a_conflict(
    new_processor: ProcessorFactory, database: Database, superuser: asyncpg.Connection
) -> None:
    partition = Partition()
    original = event("TK-1", 0)
    partition.append(original)
    partition.append({**event("TK-2", 0), "id": original["id"]})
    processor = await new_processor(partition)
    outcome = await processor.process(partition.batch())
    assert (outcome.events, outcome.conflicts) == (1, 1)
    assert await superuser.fetchval("SELECT case_id FROM conflict") == "TK-2"
    assert await audit(database.superuser_url, sent(original)) == []


async def test_a_batch_of_nothing_but_duplicates_still_moves_the_position(
    new_processor: ProcessorFactory, database: Database
) -> None:
    partition = Partition()
    events = ticket("TK-1")
    for each in [*events, *events, *events]:
        partition.append(each)
    processor = await new_processor(partition)
    for first in (0, 4, 8):
        await processor.process(partition.batch(first, first + 4))
    assert await audit(database.superuser_url, sent(*events)) == []
    stored = (await processor.positions([("events", 0)]))[("events", 0)]
    assert stored is not None
    assert stored.position == 12


async def test_late_amended_and_withdrawn_events_leave_exactly_what_the_fold_of_the_ledger_says(
    new_processor: ProcessorFactory, database: Database
) -> None:
    """One event a batch, in an order that no clock would give: each batch heals what the ones before posted."""
    partition = Partition()
    opened, assigned, replied, resolved = ticket("TK-1")
    amended = event(
        "TK-1",
        4,
        "event.amended",
        "2026-10-09T09:00:00+08:00",
        target=replied["id"],
        changes={"time": "2026-10-08T10:20:00+08:00"},
    )
    withdrawn = event("TK-1", 5, "event.withdrawn", "2026-10-10T09:00:00+08:00", target=resolved["id"])
    events = [withdrawn, resolved, opened, amended, replied, assigned]
    processor = await new_processor(partition)
    for number, each in enumerate(events):
        partition.append(each)
        outcome = await processor.process(partition.batch(number, number + 1))
        assert await audit(database.superuser_url, sent(*events[: number + 1])) == []
    assert outcome.refolded == 1


@pytest.mark.parametrize("seed", range(4))
async def test_histories_in_any_order_and_any_cut_give_the_fold_of_the_events(
    new_processor: ProcessorFactory, database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    events = histories(400, chance, now_ms=APPENDED_MS)
    shuffled = chance.sample(events + chance.choices(events, k=40), len(events) + 40)
    partition = Partition()
    for each in shuffled:
        partition.append(each)
    processor = await new_processor(partition)
    first = 0
    while first < partition.end:
        step = chance.choice((1, 7, 60, 200))
        await processor.process(partition.batch(first, min(first + step, partition.end)))
        first += step
    assert await audit(database.superuser_url, sent(*events)) == []


async def test_two_topics_that_touch_the_same_cases_at_once_take_turns_on_the_shard(
    new_processor: ProcessorFactory, database: Database
) -> None:
    chance = random.Random(11)
    events = histories(1_200, chance, now_ms=APPENDED_MS)
    topics = [Partition("events"), Partition("more")]
    for each in chance.sample(events, len(events)):
        chance.choice(topics).append(each)
    workers = [await new_processor(*topics) for _ in topics]

    async def read(reader: int) -> None:
        partition = topics[reader]
        for first in range(0, partition.end, 25):
            await workers[reader].process(partition.batch(first, min(first + 25, partition.end)))

    await asyncio.gather(read(0), read(1))
    assert await audit(database.superuser_url, sent(*events)) == []


async def test_two_workers_that_hold_the_same_partition_count_once(
    new_processor: ProcessorFactory, database: Database
) -> None:
    """A zombie and its successor hand over the same records, cut differently."""
    chance = random.Random(12)
    events = histories(800, chance, now_ms=APPENDED_MS)
    partition = Partition()
    for each in events:
        partition.append(each)
    workers = [await new_processor(partition) for _ in range(3)]

    async def read(worker: int) -> None:
        step, stands = (13, 40, 77)[worker], 0
        while stands < partition.end:
            await workers[worker].process(partition.batch(stands, min(stands + step, partition.end)))
            stands += step

    await asyncio.gather(*map(read, range(3)))
    assert await audit(database.superuser_url, sent(*events)) == []


async def test_a_worker_with_an_older_core_than_the_shard_refuses(
    new_processor: ProcessorFactory, superuser: asyncpg.Connection
) -> None:
    partition = Partition()
    for each in ticket("TK-1"):
        partition.append(each)
    processor = await new_processor(partition)
    await processor.process(partition.batch(0, 2))
    await superuser.execute("UPDATE shard_head SET core_version = core_version + 1")
    before = await dump(superuser)
    with pytest.raises(WorkerOutdated, match=f"written by core {CORE_VERSION + 1}, this worker has {CORE_VERSION}"):
        await processor.process(partition.batch(2, 4))
    assert await dump(superuser) == before


async def test_a_case_that_an_older_core_posted_is_healed_when_it_is_touched(
    new_processor: ProcessorFactory, database: Database, superuser: asyncpg.Connection
) -> None:
    partition = Partition()
    events = ticket("TK-1")
    for each in events:
        partition.append(each)
    processor = await new_processor(partition)
    await processor.process(partition.batch(0, 3))
    await superuser.execute("UPDATE cases SET core_version = core_version - 1, state = '{}'")
    outcome = await processor.process(partition.batch(3, 4))
    assert outcome.refolded == 1
    assert await audit(database.superuser_url, sent(*events)) == []


async def test_compacted_buckets_are_still_the_sum_of_their_postings_and_take_further_ones(
    new_processor: ProcessorFactory, database: Database, superuser: asyncpg.Connection
) -> None:
    chance = random.Random(9)
    events = histories(600, chance, now_ms=APPENDED_MS)
    partition = Partition()
    for each in chance.sample(events, len(events)):
        partition.append(each)
    clock = FixedClock(APPENDED_MS)
    processor = await new_processor(partition, clock=clock)
    await processor.process(partition.batch(0, 300))
    clock.advance(2 * 86_400_000)
    definitions = Definitions()
    yesterday = definitions.day_start_ms(definitions.local_day(clock.now_ms()) - 1)
    merged = await buckets.compact(superuser, 0, definitions.zone, yesterday)
    assert merged > 0
    assert await audit(database.superuser_url) == []
    await processor.process(partition.batch(300))
    assert await audit(database.superuser_url, sent(*events)) == []
