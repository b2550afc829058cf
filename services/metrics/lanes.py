"""Lanes: one queue a shard between the stream and the transactions.

A lane merges consecutive batches of one partition until a transaction is free to take them, so that batches grow with
the backlog and stay small when idle. Lanes run concurrently within a bound (each holds a database connection). No state
survives a reset: what is queued can always be read again from the stored position. Knows neither Faust nor PostgreSQL.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from services.metrics.batch import Outcome, PartitionBatch


class Processing(Protocol):
    """What a lane hands its merged batches to; one call is one transaction."""

    async def process(self, batch: PartitionBatch) -> Outcome:
        """Commit the batch or raise."""
        ...


@dataclass(frozen=True, slots=True)
class Done:
    """A batch that was committed, what it amounted to and how long it took."""

    batch: PartitionBatch
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """Bounds of all lanes together (`concurrency`), of one transaction (`batch_*`) and of one lane's queue (`room_*`)."""

    concurrency: int = 4
    batch_events: int = 8_000
    batch_bytes: int = 16 * 1024 * 1024
    room_events: int = 8_000
    room_bytes: int = 16 * 1024 * 1024


def size_of(batch: PartitionBatch) -> int:
    """Bytes of the values and keys of a batch."""
    return sum(len(record.value or b"") + len(record.key or b"") for record in batch.records)


class _Lane:
    """The queue of one shard: per partition, for only batches of one partition have an order among themselves."""

    __slots__ = ("broken", "bytes", "events", "queues", "room", "shard", "task", "wake")

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.queues: dict[tuple[str, int], deque[tuple[PartitionBatch, int]]] = {}
        self.events = 0
        self.bytes = 0
        self.broken = False
        self.wake = asyncio.Event()
        self.room = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def add(self, batch: PartitionBatch) -> None:
        size = size_of(batch)
        self.queues.setdefault((batch.topic, batch.partition), deque()).append((batch, size))
        self.events += len(batch.records)
        self.bytes += size
        self.wake.set()

    def clear(self) -> None:
        self.queues.clear()
        self.events = self.bytes = 0
        self.wake.clear()
        self.room.set()

    def take(self, limits: LaneLimits) -> PartitionBatch | None:
        """Remove and return the head of the queue, merged with what follows it without a gap; topics take turns."""
        if not self.queues:
            self.wake.clear()
            return None
        partition, queue = next(iter(self.queues.items()))
        parts = [queue.popleft()]
        events, size = len(parts[0][0].records), parts[0][1]
        while queue and queue[0][0].position_from == parts[-1][0].position_to:
            events += len(queue[0][0].records)
            size += queue[0][1]
            if events > limits.batch_events or size > limits.batch_bytes:
                break
            parts.append(queue.popleft())
        del self.queues[partition]
        if queue:
            self.queues[partition] = queue
        self.events -= sum(len(part.records) for part, _ in parts)
        self.bytes -= sum(part_size for _, part_size in parts)
        return merge([part for part, _ in parts])


def merge(parts: list[PartitionBatch]) -> PartitionBatch:
    """Return consecutive batches of one partition as one."""
    if len(parts) == 1:
        return parts[0]
    records = [record for part in parts for record in part.records]
    first, last = parts[0], parts[-1]
    return PartitionBatch(first.topic, first.partition, first.position_from, last.position_to, records)


class Lanes:
    """All lanes of a worker. `put` and `reset` belong to the event loop; `has_room` may be asked from another thread.

    `epoch` counts resets. A batch carries the epoch it was fetched in, and one of an older epoch is refused: it was read
    before the consumer was positioned anew.
    """

    def __init__(
        self,
        processing: Processing,
        limits: LaneLimits,
        *,
        on_done: Callable[[Done], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        self.epoch = 0
        self._processing = processing
        self._limits = limits
        self._on_done = on_done
        self._on_fault = on_fault
        self._lanes: dict[int, _Lane] = {}
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._in_flight = 0
        self._settled = asyncio.Event()
        self._settled.set()
        self._closed = False

    @property
    def in_flight(self) -> int:
        """Transactions that are running now."""
        return self._in_flight

    @property
    def queued_events(self) -> int:
        """Records that wait in all lanes."""
        return sum(lane.events for lane in self._lanes.values())

    def has_room(self, shard: int) -> bool:
        """Say whether a fetch for the shard is welcome. Two integers are compared, so any thread may ask."""
        lane = self._lanes.get(shard)
        return lane is None or (lane.events < self._limits.room_events and lane.bytes < self._limits.room_bytes)

    async def put(self, batch: PartitionBatch, epoch: int) -> bool:
        """Queue a batch, waiting while its lane is full; False when it is refused as one of an older epoch."""
        lane = self._lane(batch.partition)
        while epoch == self.epoch and not self._closed and not self.has_room(batch.partition):
            lane.room.clear()
            await lane.room.wait()
        if epoch != self.epoch or self._closed:
            return False
        lane.add(batch)
        return True

    def drop(self) -> int:
        """Forget what is queued and begin a new epoch, which is returned. What is in flight goes on."""
        self.epoch += 1
        for lane in self._lanes.values():
            lane.clear()
        return self.epoch

    async def reset(self) -> int:
        """Drop, then wait until nothing is in flight: from here on stored positions stand still. Returns the epoch."""
        epoch = self.drop()
        await self._settled.wait()
        return epoch

    async def close(self) -> None:
        """Refuse new batches, drop what is queued, let what is in flight finish."""
        self._closed = True
        await self.reset()
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _lane(self, shard: int) -> _Lane:
        lane = self._lanes.get(shard)
        if lane is None:
            lane = self._lanes[shard] = _Lane(shard)
            lane.task = asyncio.create_task(self._run(lane), name=f"lane-{shard}")
        return lane

    async def _run(self, lane: _Lane) -> None:
        while not lane.broken:
            await lane.wake.wait()
            async with self._slots:
                # Taken only now, not when woken: while the lane waited for its slot the batch could grow.
                batch = lane.take(self._limits)
                lane.room.set()
                if batch is not None:
                    await self._process(lane, batch)

    async def _process(self, lane: _Lane, batch: PartitionBatch) -> None:
        self._in_flight += 1
        self._settled.clear()
        begun = time.perf_counter()
        try:
            outcome = await self._processing.process(batch)
            self._on_done(Done(batch, outcome, time.perf_counter() - begun))
        except Exception as error:  # noqa: BLE001 - whatever it is, the lane must not skip a batch: the worker ends
            lane.broken = True
            self._on_fault(error)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._settled.set()
