"""Straight to Kafka, as a direct producer: structured mode, key = partitionkey, the partition computed as Java computes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.wire import STRUCTURED_HEADERS
from services.runtime.partition import shard_of
from services.simulator.delivery.receipt import DeliveryError, Receipt
from services.simulator.occurrence import Event

_METADATA_SECONDS = 10.0


class Kafka:
    """An open idempotent producer. Use `kafka(…)`."""

    def __init__(self, producer: Any, topic: str, partitions: int, *, batch: int) -> None:
        self.batch = batch
        self._producer = producer
        self._topic = topic
        self._partitions = partitions

    async def send(self, events: Sequence[Event]) -> Receipt:
        """Events of one case keep their order. Raises DeliveryError when the broker does not acknowledge."""
        try:
            waiting = [await self._produce(event) for event in events]
            await asyncio.gather(*waiting)
        except KafkaError as fault:
            raise DeliveryError(f"Kafka did not take the events: {type(fault).__name__} {fault}".strip()) from fault
        return Receipt(len(events))

    async def _produce(self, event: Event) -> Any:
        key = event["partitionkey"]
        return await self._producer.send(
            self._topic,
            orjson.dumps(event),
            key=key.encode(),
            partition=shard_of(key, self._partitions),
            headers=list(STRUCTURED_HEADERS),
        )


@asynccontextmanager
async def kafka(brokers: str, topic: str, *, batch: int = 2000) -> AsyncIterator[Kafka]:
    """A producer for a topic that exists; acks=all, idempotent. Raises DeliveryError."""
    producer = AIOKafkaProducer(
        bootstrap_servers=brokers, acks="all", enable_idempotence=True, linger_ms=10, max_batch_size=256 * 1024
    )
    try:
        await producer.start()
    except KafkaError as fault:
        await producer.stop()
        raise DeliveryError(f"no Kafka broker answers at {brokers} ({type(fault).__name__}): is it running?") from fault
    try:
        yield Kafka(producer, topic, await _partitions(producer, brokers, topic), batch=batch)
    finally:
        await producer.stop()


async def _partitions(producer: Any, brokers: str, topic: str) -> int:
    """How many there are. aiokafka asks for an unknown topic for ever: ten seconds are enough."""
    try:
        async with asyncio.timeout(_METADATA_SECONDS):
            return len(await producer.partitions_for(topic))
    except (TimeoutError, KafkaError) as fault:
        raise DeliveryError(f"there is no topic {topic} at {brokers}: create it with `kaohe topics`") from fault
