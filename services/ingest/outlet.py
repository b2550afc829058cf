"""The way to Kafka: an idempotent producer that waits for all replicas, rebuilt when it breaks, and never waited for without bound.

What a client is told follows from the acknowledgement of each record and from nothing else. A record whose acknowledgement did not come in time may still
arrive: its outcome is unknown, the client sends it again under the same id, and the ledger counts it once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.wire import STRUCTURED_HEADERS
from services.ingest.gate import Gate
from services.ingest.verdicts import Admitted

log = structlog.get_logger(__name__)

_HEADERS: Final = list(STRUCTURED_HEADERS)
_BATCH_BYTES: Final = 256 * 1024
_REQUEST_BYTES: Final = 1_048_576
_RETRY_SECONDS: Final = (0.5, 1.0, 2.0, 5.0)
_STOP_SECONDS: Final = 5.0


class Outlet:
    """Publishes to one topic. `start` returns at once; until `ready`, publishing acknowledges nothing."""

    def __init__(self, brokers: str, topic: str, partitions: int, gate: Gate, *, ack_seconds: float) -> None:
        self._brokers = brokers
        self._topic = topic
        self._partitions = partitions
        self._gate = gate
        self._ack_seconds = ack_seconds
        self._producer: Any = None
        self._connecting: asyncio.Task[None] | None = None
        self._retired: set[asyncio.Task[None]] = set()
        self.obstacle = "not connected to Kafka yet"
        self.rebuilds = 0

    @property
    def ready(self) -> bool:
        """Whether the broker answers and the topic is as declared."""
        return self._producer is not None

    async def probe(self, seconds: float) -> str | None:
        """What keeps events from going out right now, None if nothing does: the broker is asked for its metadata."""
        producer = self._producer
        if producer is None:
            return self.obstacle
        try:
            async with asyncio.timeout(seconds):
                await producer.client.fetch_all_metadata()
        except (KafkaError, OSError, TimeoutError) as fault:
            return f"the broker does not answer: {type(fault).__name__}"
        return None

    def start(self) -> None:
        """Connect in the background, for as long as it takes."""
        self._connecting = asyncio.create_task(self._connect(), name="kafka-connect")

    async def stop(self, seconds: float) -> None:
        """Flush within so many seconds and close."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        producer, self._producer = self._producer, None
        if producer is not None:
            await _close(producer, seconds)
        await asyncio.gather(*self._retired, return_exceptions=True)

    async def publish(self, events: Sequence[Admitted]) -> list[int | None]:
        """Offsets of the events that the broker acknowledged in time, None for the others. Raises Problem 503 `busy`."""
        producer = self._producer
        if producer is None:
            return [None] * len(events)
        size = sum(len(event.value) for event in events)
        self._gate.take(size)
        pending: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(self._ack_seconds):
                await self._hand_over(producer, events, pending)
                await asyncio.wait(pending)
        except TimeoutError:
            log.warning("broker.slow", waiting=sum(not future.done() for future in pending), seconds=self._ack_seconds)
        except (KafkaError, AssertionError, ConnectionError) as fault:
            self._retire(producer, fault)
        finally:
            _when_done(pending, lambda: self._gate.release(size))
        offsets = [self._offset(producer, future) for future in pending]
        return offsets + [None] * (len(events) - len(offsets))

    async def _hand_over(self, producer: Any, events: Sequence[Admitted], pending: list[asyncio.Future[Any]]) -> None:
        """Give events to the producer in their order; `pending` grows by a future for each that it took."""
        for event in events:
            pending.append(  # noqa: PERF401 - one by one: what was taken before a failure must be known
                await producer.send(
                    self._topic, event.value, event.partitionkey.encode(), partition=event.partition, headers=_HEADERS
                )
            )

    def _offset(self, producer: Any, future: asyncio.Future[Any]) -> int | None:
        if not future.done() or future.cancelled():
            return None
        fault = future.exception()
        if fault is None:
            return int(future.result().offset)
        self._retire(producer, fault)
        return None

    def _retire(self, producer: Any, fault: BaseException) -> None:
        """Part from a producer that failed: after a sequence error it fails for ever. Its successor connects in the background."""
        if producer is not self._producer:
            return
        self._producer = None
        self.rebuilds += 1
        self.obstacle = f"the producer failed: {type(fault).__name__}"
        log.warning("producer.rebuild", fault=type(fault).__name__, detail=str(fault)[:200])
        closing = asyncio.create_task(_close(producer, _STOP_SECONDS), name="kafka-close")
        self._retired.add(closing)
        closing.add_done_callback(self._retired.discard)
        self.start()

    async def _connect(self) -> None:
        attempt = 0
        while True:
            try:
                self._producer = await self._open()
            except (KafkaError, OSError, ValueError) as fault:
                self.obstacle = str(fault) or type(fault).__name__
                log.warning("broker.away", fault=type(fault).__name__, detail=str(fault)[:200])
                await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
                attempt += 1
            else:
                log.info("broker.connected", topic=self._topic, partitions=self._partitions)
                return

    async def _open(self) -> Any:
        """A started producer. Raises KafkaError, OSError, or ValueError when the topic is not as declared."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._brokers,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,  # a breath, so that requests at a time share a batch
            max_batch_size=_BATCH_BYTES,
            max_request_size=_REQUEST_BYTES,
            request_timeout_ms=max(1000, int(self._ack_seconds * 1000)),
            retry_backoff_ms=100,
            metadata_max_age_ms=60_000,
        )
        try:
            await producer.start()
            await self._verify(producer)
        except BaseException:
            await _close(producer, _STOP_SECONDS)
            raise
        return producer

    async def _verify(self, producer: Any) -> None:
        """Raises ValueError when the topic has another number of partitions: cases would go to wrong shards."""
        found = len(await producer.partitions_for(self._topic))
        if found != self._partitions:
            raise ValueError(
                f"the topic {self._topic} has {found} partitions, KAOHE_PARTITIONS says {self._partitions}"
            )


def _when_done(pending: Sequence[asyncio.Future[Any]], release: Callable[[], None]) -> None:
    """Call `release` once nothing is under way any more, which may be long after the client was answered."""
    waiting = [future for future in pending if not future.done()]
    left = len(waiting)
    if not left:
        release()
        return

    def finished(future: asyncio.Future[Any]) -> None:
        nonlocal left
        left -= 1
        if not future.cancelled():
            future.exception()  # seen: nobody waits for it any more
        if not left:
            release()

    for future in waiting:
        future.add_done_callback(finished)


async def _close(producer: Any, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await producer.stop()
    except (TimeoutError, KafkaError, OSError):
        # `stop` flushes first, which never ends while the broker is away: end the sender and the connections ourselves.
        with contextlib.suppress(TimeoutError, KafkaError, OSError):
            async with asyncio.timeout(_STOP_SECONDS):
                await producer._sender.close()  # noqa: SLF001 - no public way; aiokafka is pinned
                await producer.client.close()
