"""Event → visible: from the instant an event is due at the producer to the instant another connection can read its commit."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import asyncpg
from aiokafka import AIOKafkaProducer

from tests.bench.load import messages


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds over all events after the warm-up; `rate` is what was really sent per second."""

    p50_ms: float
    p99_ms: float
    worst_ms: float
    events: int
    rate: float


async def watch(url: str, topic: str, seen: dict[int, list[tuple[int, float]]], stop: asyncio.Event) -> None:
    """Note, per partition, when each position became visible to a reader that asks every 4 ms."""
    connection = await asyncpg.connect(url)
    last: dict[int, int] = {}
    try:
        while not stop.is_set():
            rows = await connection.fetch("SELECT shard, position FROM shard_position WHERE topic = $1", topic)
            now = time.perf_counter()
            for row in rows:
                if last.get(row["shard"]) != row["position"]:
                    last[row["shard"]] = row["position"]
                    seen.setdefault(row["shard"], []).append((row["position"], now))
            await asyncio.sleep(0.004)
    finally:
        await connection.close()


async def measure(
    brokers: str, url: str, topic: str, *, partitions: int, rate: int, seconds: float, warm_seconds: float, seed: int
) -> Latency:
    """Send at a fixed rate, open loop: an event is stamped when it is due, not when it was sent."""
    count = int(rate * (seconds + warm_seconds))
    seen: dict[int, list[tuple[int, float]]] = {}
    stop = asyncio.Event()
    watcher = asyncio.create_task(watch(url, topic, seen, stop))
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all", enable_idempotence=True, linger_ms=0)
    await producer.start()
    sent: list[tuple[float, asyncio.Future[object]]] = []
    start = time.perf_counter() + 0.1
    for number, message in enumerate(messages(count, partitions=partitions, seed=seed)):
        due = start + number / rate
        pause = due - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        future = await producer.send(
            topic,
            message.value,
            key=message.key,
            partition=message.partition,
            headers=[("content-type", b"application/cloudevents+json")],
        )
        sent.append((due, future))
    took = time.perf_counter() - start
    placed = [(due, await future) for due, future in sent]
    await producer.stop()
    ends: dict[int, int] = {}
    for _, place in placed:
        ends[place.partition] = max(ends.get(place.partition, 0), place.offset + 1)  # type: ignore[attr-defined]
    deadline = time.perf_counter() + 30
    while any(seen.get(p, [(0, 0.0)])[-1][0] < end for p, end in ends.items()):
        if time.perf_counter() > deadline:
            raise TimeoutError("the worker did not reach the end of the log within 30 s")
        await asyncio.sleep(0.05)
    stop.set()
    await watcher
    waits = sorted(
        visible(seen[place.partition], place.offset) - due  # type: ignore[attr-defined]
        for due, place in placed
        if due >= start + warm_seconds
    )
    return Latency(
        p50_ms=1000 * waits[len(waits) // 2],
        p99_ms=1000 * waits[-(-len(waits) * 99 // 100) - 1],
        worst_ms=1000 * waits[-1],
        events=len(waits),
        rate=count / took,
    )


def visible(positions: list[tuple[int, float]], offset: int) -> float:
    """Return the instant from which a position beyond the offset could be read."""
    low, high = 0, len(positions) - 1
    while low < high:
        middle = (low + high) // 2
        if positions[middle][0] > offset:
            high = middle
        else:
            low = middle + 1
    return positions[low][1]
