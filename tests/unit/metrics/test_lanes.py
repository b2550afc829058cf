"""Lanes merge, bound, reset and never reorder a partition."""

from __future__ import annotations

import asyncio
import random

import pytest

from services.metrics.batch import Outcome, PartitionBatch, Record
from services.metrics.lanes import Done, LaneLimits, Lanes


def batch(position_from: int, count: int, *, topic: str = "t", partition: int = 0, skipped: int = 0) -> PartitionBatch:
    records = [Record(position_from + i, 0, b"k", b"v" * 10, ()) for i in range(count)]
    return PartitionBatch(topic, partition, position_from, position_from + count + skipped, records)


class Recorder:
    """Stores positions as the processor does, at the pace the test allows."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.seen: list[PartitionBatch] = []
        self.running = 0
        self.most_running = 0
        self.fail_at: int | None = None

    async def process(self, merged: PartitionBatch) -> Outcome:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await self.gate.wait()
        await asyncio.sleep(0)
        self.running -= 1
        if self.fail_at is not None and merged.position_from >= self.fail_at:
            raise RuntimeError("broken")
        self.seen.append(merged)
        return Outcome(merged.partition, len(self.seen), events=len(merged.records))


class Bench:
    def __init__(self, **limits: int) -> None:
        self.recorder = Recorder()
        self.done: list[Done] = []
        self.faults: list[Exception] = []
        self.lanes = Lanes(self.recorder, LaneLimits(**limits), on_done=self.done.append, on_fault=self.faults.append)

    async def quiet(self) -> None:
        for _ in range(200):
            await asyncio.sleep(0)


async def test_idle_batches_pass_one_by_one() -> None:
    """An idle lane starts a transaction for each batch as it comes."""
    bench = Bench()
    for position in (0, 5, 10):
        assert await bench.lanes.put(batch(position, 5), 0)
        await bench.quiet()
    assert [(b.position_from, b.position_to) for b in bench.recorder.seen] == [(0, 5), (5, 10), (10, 15)]


async def test_a_backlog_is_merged_up_to_the_limit_of_a_transaction() -> None:
    """While a transaction runs, consecutive batches wait and become one, never beyond the limit."""
    bench = Bench(batch_events=12, room_events=100)
    bench.recorder.gate.clear()
    for position in range(0, 30, 5):
        await bench.lanes.put(batch(position, 5), 0)
        await bench.quiet()
    bench.recorder.gate.set()
    await bench.quiet()
    assert [(b.position_from, b.position_to) for b in bench.recorder.seen] == [(0, 5), (5, 15), (15, 25), (25, 30)]
    assert [r.offset for b in bench.recorder.seen for r in b.records] == list(range(30))


async def test_batches_with_a_gap_between_are_not_merged() -> None:
    """A jump of positions stays visible to the processor, who must judge it."""
    bench = Bench()
    bench.recorder.gate.clear()
    for first in (0, 5, 11, 16):
        await bench.lanes.put(batch(first, 5), 0)
    bench.recorder.gate.set()
    await bench.quiet()
    assert [(b.position_from, b.position_to) for b in bench.recorder.seen] == [(0, 10), (11, 21)]


async def test_control_records_between_batches_are_no_gap() -> None:
    """Positions, not offsets, decide: a batch that ends with skipped offsets joins the next."""
    bench = Bench()
    bench.recorder.gate.clear()
    await bench.lanes.put(batch(0, 5, skipped=2), 0)
    await bench.lanes.put(batch(7, 0, skipped=3), 0)
    await bench.lanes.put(batch(10, 1), 0)
    bench.recorder.gate.set()
    await bench.quiet()
    assert [(b.position_from, b.position_to, len(b.records)) for b in bench.recorder.seen] == [(0, 11, 6)]


async def test_two_topics_of_a_shard_share_its_lane_and_take_turns() -> None:
    """Batches of one shard never run at the same time, whatever their topic, and neither topic starves the other."""
    bench = Bench(batch_events=5, concurrency=4)
    bench.recorder.gate.clear()
    for position in (0, 5, 10):
        await bench.lanes.put(batch(position, 5, topic="a"), 0)
    await bench.lanes.put(batch(0, 5, topic="b"), 0)
    bench.recorder.gate.set()
    await bench.quiet()
    assert [(b.topic, b.position_from) for b in bench.recorder.seen] == [("a", 0), ("b", 0), ("a", 5), ("a", 10)]
    assert bench.recorder.most_running == 1


async def test_shards_run_concurrently_within_the_bound() -> None:
    """Many shards, few database connections."""
    bench = Bench(concurrency=3)
    bench.recorder.gate.clear()
    for shard in range(8):
        await bench.lanes.put(batch(0, 1, partition=shard), 0)
    await bench.quiet()
    assert bench.lanes.in_flight == 3
    bench.recorder.gate.set()
    await bench.quiet()
    assert bench.recorder.most_running == 3
    assert len(bench.recorder.seen) == 8


async def test_a_full_lane_holds_the_stream_back() -> None:
    """`put` waits while the lane is full, and `has_room` says so to the fetcher."""
    bench = Bench(room_events=10, batch_events=10)
    bench.recorder.gate.clear()
    for position in (0, 5, 10):
        await bench.lanes.put(batch(position, 5), 0)
        await bench.quiet()
    assert not bench.lanes.has_room(0)
    assert bench.lanes.has_room(1)
    waiting = asyncio.create_task(bench.lanes.put(batch(15, 5), 0))
    await bench.quiet()
    assert not waiting.done()
    bench.recorder.gate.set()
    assert await waiting
    await bench.quiet()
    assert [r.offset for b in bench.recorder.seen for r in b.records] == list(range(20))


async def test_a_lane_full_of_bytes_is_full() -> None:
    """A few large records fill a lane as well as many small ones."""
    bench = Bench(room_bytes=50)
    bench.recorder.gate.clear()
    await bench.lanes.put(batch(0, 1), 0)
    await bench.quiet()
    await bench.lanes.put(batch(1, 5), 0)
    assert not bench.lanes.has_room(0)
    bench.recorder.gate.set()


async def test_a_reset_drops_the_queue_waits_for_what_runs_and_refuses_the_old_epoch() -> None:
    """After a reset nothing runs, nothing old is accepted, and a stream that was held back is let go."""
    bench = Bench(room_events=5)
    bench.recorder.gate.clear()
    await bench.lanes.put(batch(0, 5), 0)
    await bench.quiet()
    await bench.lanes.put(batch(5, 5), 0)
    held = asyncio.create_task(bench.lanes.put(batch(10, 5), 0))
    await bench.quiet()
    resetting = asyncio.create_task(bench.lanes.reset())
    await bench.quiet()
    assert not resetting.done()
    assert held.done()
    assert held.result() is False
    bench.recorder.gate.set()
    epoch = await resetting
    assert (bench.lanes.in_flight, bench.lanes.queued_events) == (0, 0)
    assert await bench.lanes.put(batch(10, 5), epoch - 1) is False
    assert await bench.lanes.put(batch(5, 5), epoch) is True
    await bench.quiet()
    assert [b.position_from for b in bench.recorder.seen] == [0, 5]


async def test_after_a_fault_the_lane_takes_nothing_more() -> None:
    """A batch that failed is never skipped: the fault is reported and the lane stands still."""
    bench = Bench(batch_events=5)
    bench.recorder.fail_at = 5
    for position in (0, 5, 10):
        await bench.lanes.put(batch(position, 5), 0)
    await bench.quiet()
    assert [b.position_from for b in bench.recorder.seen] == [0]
    assert [str(f) for f in bench.faults] == ["broken"]


async def test_a_fault_in_what_follows_a_commit_is_a_fault_too() -> None:
    """A lane that dies without a word would hold its shard for ever."""
    bench = Bench()

    def refuse(_: Done) -> None:
        raise RuntimeError("no room for figures")

    bench.lanes = Lanes(bench.recorder, LaneLimits(), on_done=refuse, on_fault=bench.faults.append)
    await bench.lanes.put(batch(0, 5), 0)
    await bench.quiet()
    assert [str(f) for f in bench.faults] == ["no room for figures"]
    assert bench.lanes.in_flight == 0


async def test_close_finishes_what_runs_and_refuses_the_rest() -> None:
    """A drain ends the transactions in flight and starts none."""
    bench = Bench()
    bench.recorder.gate.clear()
    await bench.lanes.put(batch(0, 5), 0)
    await bench.quiet()
    await bench.lanes.put(batch(5, 5), 0)
    closing = asyncio.create_task(bench.lanes.close())
    await bench.quiet()
    bench.recorder.gate.set()
    await closing
    assert [b.position_from for b in bench.recorder.seen] == [0]
    assert await bench.lanes.put(batch(10, 5), bench.lanes.epoch) is False


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_the_pace_each_partition_is_seen_once_in_order(seed: int) -> None:
    """Random sizes, topics, shards, limits and resets: per partition the records come in order, without gap or repeat."""
    rng = random.Random(seed)
    bench = Bench(batch_events=rng.randint(1, 20), room_events=rng.randint(1, 30), concurrency=rng.randint(1, 4))
    stored: dict[tuple[str, int], int] = {}
    offsets: dict[tuple[str, int], list[int]] = {}

    def position(b: PartitionBatch) -> None:
        assert stored.get((b.topic, b.partition), 0) == b.position_from
        stored[b.topic, b.partition] = b.position_to
        offsets.setdefault((b.topic, b.partition), []).extend(r.offset for r in b.records)

    bench.lanes = Lanes(
        bench.recorder, LaneLimits(batch_events=7), on_done=lambda d: position(d.batch), on_fault=bench.faults.append
    )
    read: dict[tuple[str, int], int] = {}
    epoch = 0
    for _ in range(300):
        if rng.random() < 0.02:
            epoch = await bench.lanes.reset()
            read = dict(stored)
        key = (rng.choice("ab"), rng.randrange(3))
        size = rng.randrange(6)
        where = read.get(key, 0)
        if await bench.lanes.put(batch(where, size, topic=key[0], partition=key[1]), epoch):
            read[key] = where + size
        if rng.random() < 0.3:
            await asyncio.sleep(0)
    await bench.quiet()
    await bench.quiet()
    assert stored == {k: v for k, v in read.items() if k in stored}
    for key, seen in offsets.items():
        assert seen == list(range(read[key]))
    await bench.lanes.close()
