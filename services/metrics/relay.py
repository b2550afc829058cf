"""The outbox relay: to Kafka in the order of each shard, at least once; whoever reads drops repeats by identity."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.store import outbox
from services.store.borrow import borrow
from services.store.locks import try_lock
from services.store.outbox import OutboxRow

log = structlog.get_logger(__name__)

JOB = "kaohe.relay"
PAGE = 500
STOP_SECONDS = 5.0
SEND_SECONDS = 15.0


class Relay:
    """Sends what committed transactions put into the outbox. One worker relays a shard at a time (advisory lock).

    A row is deleted after the broker has acknowledged it with all its copies. A worker that dies between sends it again.
    """

    def __init__(self, pool: asyncpg.Pool, brokers: str, *, on_sent: Callable[[int], None] = lambda _: None) -> None:
        self._pool = pool
        self._brokers = brokers
        self._on_sent = on_sent
        self._producer: AIOKafkaProducer | None = None
        self.wake = asyncio.Event()

    async def sweep(self) -> None:
        """Relay whatever waits in shards that nobody else relays now. Raises KafkaError, TimeoutError or asyncpg's errors."""
        async with borrow(self._pool) as connection:
            for shard in await outbox.shards_waiting(connection):
                async with try_lock(connection, JOB, shard) as mine:
                    if mine:
                        await self._relay(connection, shard)

    async def close(self) -> None:
        """Stop the producer, within bounds: with idempotence it would wait for its last batches for ever."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(TimeoutError, KafkaError):
                await asyncio.wait_for(producer.stop(), STOP_SECONDS)

    async def _relay(self, connection: asyncpg.Connection, shard: int) -> None:
        while rows := await outbox.head(connection, shard, PAGE):
            await self._send(rows)
            await outbox.remove(connection, shard, [row.id for row in rows])
            self._on_sent(len(rows))
            log.info("outbox.relayed", shard=shard, rows=len(rows))

    async def _send(self, rows: Sequence[OutboxRow]) -> None:
        """Send in order and wait for every acknowledgement. A producer that failed once is not used again.

        After an out-of-order sequence aiokafka's idempotent producer never recovers, and with idempotence a batch never
        expires: hence the time limit and the new object.
        """
        try:
            producer = await self._started()
            async with asyncio.timeout(SEND_SECONDS):
                futures = [
                    await producer.send(
                        row.topic, value=row.value, key=row.key, partition=row.partition, headers=list(row.headers)
                    )
                    for row in rows
                ]
                await asyncio.gather(*futures)
        except (KafkaError, TimeoutError):
            await self.close()
            raise

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._brokers,
                acks="all",
                enable_idempotence=True,
                linger_ms=5,
                client_id="kaohe-relay",
            )
            await producer.start()
            self._producer = producer
        return self._producer
