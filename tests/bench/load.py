"""The job that every peer of the benchmark gets: interleaved ticket histories, in arrival order, on one topic.

Six events a ticket (opened, assigned, messaged, replied, resolved, closed), 1,000 engineers, thousands of tickets open
at a time, so that neighbours in the log hardly ever belong to one case.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import orjson
from aiokafka import AIOKafkaProducer

from services.runtime.partition import shard_of

STAGES = ("opened", "assigned", "messaged", "replied", "resolved", "closed")
START_MS = 1_791_000_000_000
OPEN_AT_A_TIME = 20_000


@dataclass(frozen=True, slots=True)
class Message:
    """One record to be: partition, key and value."""

    partition: int
    key: bytes
    value: bytes


def stamp(time_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    seconds, ms = divmod(time_ms, 1000)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, secs = divmod(rest, 60)
    day = date.fromordinal(719_163 + days)
    return f"{day.isoformat()}T{hours:02d}:{minutes:02d}:{secs:02d}.{ms:03d}Z"


def event(ticket: int, stage: int, time_ms: int, engineers: int) -> dict[str, object]:
    """One CloudEvent of a ticket's history."""
    unit = f"TK-{ticket:08d}"
    data: dict[str, object] = {"queue": f"queue-{ticket % 40}", "channel": "phone", "priority": "normal"}
    if stage:
        data["engineer"] = f"E{ticket * 7919 % engineers:05d}"
    if STAGES[stage] == "replied":
        data |= {"public": True, "actor": "person"}
    return {
        "specversion": "1.0",
        "id": f"{unit}-{stage}",
        "source": "crm",
        "type": f"kaohe.ticket.{STAGES[stage]}.v1",
        "subject": unit,
        "partitionkey": unit,
        "time": stamp(time_ms),
        "datacontenttype": "application/json",
        "data": data,
    }


def messages(count: int, *, partitions: int, seed: int, engineers: int = 1_000) -> Iterator[Message]:
    """`count` records in arrival order; the same seed gives the same records."""
    chance = random.Random(seed)
    opened: list[list[int]] = []
    tickets = 0
    time_ms = START_MS
    target = min(OPEN_AT_A_TIME, max(50, count // 20))
    for _ in range(count):
        time_ms += chance.randrange(1, 400)
        if len(opened) < target or not opened:
            ticket, stage = tickets, 0
            tickets += 1
            opened.append([ticket, 1])
        else:
            place = chance.randrange(len(opened))
            ticket, stage = opened[place]
            if stage + 1 == len(STAGES):
                opened[place] = opened[-1]
                opened.pop()
            else:
                opened[place][1] = stage + 1
        body = event(ticket, stage, time_ms, engineers)
        key = str(body["partitionkey"])
        yield Message(shard_of(key, partitions), key.encode(), orjson.dumps(body))


async def preload(brokers: str, topic: str, count: int, *, partitions: int, seed: int) -> int:
    """Fill the topic; returns the bytes of the values."""
    producer = AIOKafkaProducer(
        bootstrap_servers=brokers, acks="all", enable_idempotence=True, linger_ms=20, max_batch_size=256 * 1024
    )
    await producer.start()
    size = 0
    try:
        waiting = []
        for message in messages(count, partitions=partitions, seed=seed):
            size += len(message.value)
            waiting.append(
                await producer.send(
                    topic,
                    message.value,
                    key=message.key,
                    partition=message.partition,
                    headers=[("content-type", b"application/cloudevents+json")],
                )
            )
            if len(waiting) == 5_000:
                for done in waiting:
                    await done
                waiting.clear()
        for done in waiting:
            await done
    finally:
        await producer.stop()
    return size
