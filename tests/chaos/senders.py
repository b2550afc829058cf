"""Producers that do not give up: a round is sent again until the broker has acknowledged all of it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.chaos.load import Channel, Delivery, ghosts

ACKNOWLEDGED_SECONDS = 15.0
ABORTED_SHARE = 0.15
PAUSE_SECONDS = 0.3


class Senders:
    """One plain and one transactional producer. A context manager; `counts` says what they did."""

    def __init__(self, brokers: str, topics: Mapping[Channel, str], chance: random.Random, *, partitions: int) -> None:
        self.counts: Counter[str] = Counter()
        self._brokers = brokers
        self._topics = topics
        self._chance = chance
        self._partitions = partitions
        self._numbers = count(1)
        self._plain = _Reborn(brokers)
        self._transactional = _Reborn(brokers, transactional_id=f"{topics[Channel.TRANSACTIONAL]}-tx")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._plain.close()
        await self._transactional.close()

    async def play(self, rounds: Sequence[Sequence[Delivery]], seconds_per_round: float) -> None:
        """Send the rounds at their pace, or as fast as the broker lets us when it was away."""
        loop = asyncio.get_running_loop()
        for round_ in rounds:
            due = loop.time() + seconds_per_round
            await self.send(round_)
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def send(self, deliveries: Sequence[Delivery]) -> None:
        """Send a round; returns when all of it is in the log."""
        plain = [delivery for delivery in deliveries if delivery.channel is not Channel.TRANSACTIONAL]
        transactional = [delivery for delivery in deliveries if delivery.channel is Channel.TRANSACTIONAL]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_plain(plain))
            group.create_task(self._send_in_transactions(transactional))
        self.counts["sent"] += len(deliveries)

    async def _send_plain(self, deliveries: Sequence[Delivery]) -> None:
        waiting = list(deliveries)
        while waiting:
            waiting = await self._attempt(waiting)
            if waiting:
                self.counts["sent again"] += len(waiting)
                self._plain.drop()
                await asyncio.sleep(PAUSE_SECONDS)

    async def _attempt(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Send once; what is not known to be in the log."""
        futures: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(ACKNOWLEDGED_SECONDS):
                producer = await self._plain.producer()
                for delivery in deliveries:
                    futures.append(await self._put(producer, delivery))  # noqa: PERF401 - what is sent must be known
                await asyncio.gather(*futures, return_exceptions=True)
        except (KafkaError, TimeoutError):
            self.counts["failed sends"] += 1
        done = [future.done() and not future.cancelled() and future.exception() is None for future in futures]
        done += [False] * (len(deliveries) - len(futures))
        return [delivery for delivery, sent in zip(deliveries, done, strict=True) if not sent]

    async def _send_in_transactions(self, deliveries: Sequence[Delivery]) -> None:
        for part in self._parts(deliveries):
            if self._chance.random() < ABORTED_SHARE:
                lost = [*part, *ghosts(self._chance, 5, self._partitions, f"{next(self._numbers)}")]
                self.counts["aborted transactions"] += await self._transaction(lost, commit=False)
            while not await self._transaction(part, commit=True):
                self.counts["failed transactions"] += 1
            self.counts["committed transactions"] += 1

    def _parts(self, deliveries: Sequence[Delivery]) -> Iterator[Sequence[Delivery]]:
        first = 0
        while first < len(deliveries):
            size = self._chance.randrange(5, 120)
            yield deliveries[first : first + size]
            first += size

    async def _transaction(self, deliveries: Sequence[Delivery], *, commit: bool) -> bool:
        """Send in one transaction; whether it ended as it should. When in doubt the next producer aborts it."""
        try:
            async with asyncio.timeout(ACKNOWLEDGED_SECONDS):
                producer = await self._transactional.producer()
                await producer.begin_transaction()
                futures = [await self._put(producer, delivery) for delivery in deliveries]
                await asyncio.gather(*futures)
                await (producer.commit_transaction() if commit else producer.abort_transaction())
        except (KafkaError, TimeoutError):
            self._transactional.drop()
            await asyncio.sleep(PAUSE_SECONDS)
            return False
        return True

    async def _put(self, producer: Any, delivery: Delivery) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = await producer.send(
            self._topics[delivery.channel],
            value=delivery.value,
            key=delivery.key,
            partition=delivery.partition,
            headers=list(delivery.headers),
        )
        return future


class _Reborn:
    """A producer that is made anew after it has failed: aiokafka's idempotent one never recovers from some faults."""

    def __init__(self, brokers: str, **settings: Any) -> None:
        self._settings = {
            "bootstrap_servers": brokers,
            "acks": "all",
            "enable_idempotence": True,
            "linger_ms": 5,
            "max_batch_size": 128 * 1024,
            **({"transaction_timeout_ms": 20_000} if "transactional_id" in settings else {}),
            **settings,
        }
        self._producer: Any = None
        self._ending: list[asyncio.Task[None]] = []

    async def producer(self) -> Any:
        """The living producer. Raises KafkaError when no broker answers."""
        if self._producer is None:
            producer = AIOKafkaProducer(**self._settings)
            try:
                await producer.start()
            except BaseException:
                await _ended(producer)
                raise
            self._producer = producer
        return self._producer

    def drop(self) -> None:
        """Use another one from now on. The old one ends by itself, however long it holds what it could not send."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._ending.append(asyncio.create_task(_ended(producer)))

    async def close(self) -> None:
        """End all of them. By now the broker is there, so it does not take long."""
        self.drop()
        await asyncio.gather(*self._ending)


async def _ended(producer: Any) -> None:
    with suppress(KafkaError):
        await producer.stop()
