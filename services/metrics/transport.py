"""The partition-batch transport: one Faust message is one fetched partition batch, read from where PostgreSQL stands.

Stock Faust spends a task pair, an Event and an ack on every record, and it goes on from Kafka's committed offset, which
says nothing about what was counted. This module is the one place that touches private parts of Faust and aiokafka; each
override says why, and `tests/contract/test_faust_hooks.py` fails when a new release moves one of them. Versions are pinned.

Registered as the scheme `kaohe://` (entry point `faust.transports`). The app must carry a `wiring` attribute.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import structlog
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError, OffsetOutOfRangeError
from faust.transport.drivers import aiokafka as stock
from faust.types import TP, ConsumerMessage

from services.metrics.batch import PartitionBatch, Record
from services.metrics.errors import BrokerUnavailable, LogCut, LogExpired, MetricsError, TopicRecreated
from services.metrics.resume import Log, resume_at
from services.metrics.topic_ids import topic_ids
from services.metrics.wiring import Fetched, Wiring
from services.store.heads import StoredPosition

log = structlog.get_logger(__name__)

# Faust gives perform_seek `broker_request_timeout` seconds and then leaves its recovery task for good: end before that.
REPOSITION_SECONDS = 60.0
CUT_GRACE_SECONDS = 6.0  # a leader just elected may know a log end that is seconds old; a real cut stays cut
HELD_BACK_SECONDS = 0.01  # how soon a partition that was held back is looked at again


def record_of(_tp: Any, record: Any) -> Record:
    """Build our record where aiokafka builds a ConsumerRecord: same facts, a third of the cost."""
    return Record(record.offset, record.timestamp, record.key, record.value, tuple(record.headers))


class ConsumerThread(stock.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Runs aiokafka in its own thread and event loop; everything here runs there unless it says otherwise."""

    consumer: Consumer

    def __post_init__(self) -> None:
        super().__post_init__()
        self._positioned: Any = None  # the aiokafka Assignment that was positioned from PostgreSQL
        self._epoch = -1

    @property
    def wiring(self) -> Wiring:
        """The worker's wiring."""
        wiring: Wiring = self.app.wiring
        return wiring

    def _create_worker_consumer(self, transport: Any) -> Any:
        """Stock hard-codes a wait of 1.5 s and reads uncommitted; aiokafka reads these attributes when it starts."""
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = self.wiring.fetch_max_wait_ms  # noqa: SLF001
        consumer._fetch_min_bytes = self.wiring.fetch_min_bytes  # noqa: SLF001
        consumer._isolation_level = "read_committed"  # noqa: SLF001
        return consumer

    async def on_start(self) -> None:
        """A partition that is held back must not delay the fetch of its neighbours (stock: by up to 0.1 s each time)."""
        await super().on_start()
        self._ensure_consumer()._fetcher._prefetch_backoff = 0.0  # noqa: SLF001

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """The group's offsets are a lag metric: stock crashes the app when a commit fails, we go on."""
        held = self.assignment()
        wanted = {stock.ensure_aiokafka_TP(tp): offset for tp, offset in offsets.items() if tp in held}
        try:
            await asyncio.wait_for(self._ensure_consumer().commit(wanted), 5.0)
        except (KafkaError, TimeoutError) as fault:
            log.debug("group_commit.failed", fault=type(fault).__name__)
            return False
        return True

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> Mapping[Any, list[Any]]:
        """Fetch one batch a partition for input topics; other topics keep aiokafka's own way."""
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher  # noqa: SLF001
        subscriptions = fetcher._subscriptions  # noqa: SLF001
        deadline = time.monotonic() + (timeout or 0.0)
        with subscriptions.fetch_context():
            while True:
                if consumer._closed or fetcher._closed:  # noqa: SLF001
                    raise ConsumerStoppedError
                held_back = False
                drained: dict[Any, list[Any]] = {}
                if not subscriptions.reassignment_in_progress:
                    drained, held_back = self._drain(fetcher, active_partitions, max_records)
                    others = {tp for tp in active_partitions if tp.topic not in self.wiring.topics}
                    if others:
                        drained |= await fetcher.fetched_records(others, timeout=0, max_records=max_records)
                remaining = deadline - time.monotonic()
                if drained or remaining <= 0 or not self.consumer.flow_active:
                    return drained
                await self._until_fetched(fetcher, min(remaining, HELD_BACK_SECONDS if held_back else remaining))

    async def _until_fetched(self, fetcher: Any, seconds: float) -> None:
        """Wait for a fetch to arrive. Raises what the coordinator or the fetcher reports to its waiters."""
        waiter = fetcher._create_fetch_waiter()  # noqa: SLF001
        await asyncio.wait([waiter], timeout=seconds)
        if waiter.done():
            waiter.result()
        else:
            waiter.cancel()

    def _drain(
        self, fetcher: Any, active_partitions: set[TP], max_records: int | None
    ) -> tuple[dict[Any, list[Any]], bool]:
        """Take what is fetched, without yielding to the loop; also says whether a full lane held something back.

        Nothing is handed out before the present assignment was positioned from PostgreSQL: aiokafka starts to fetch from
        Kafka's committed offset the moment it is assigned.
        """
        assignment = fetcher._subscriptions.subscription.assignment  # noqa: SLF001
        if assignment is None or assignment is not self._positioned:
            return {}, False
        budget = max_records or 0
        held_back = False
        drained: dict[Any, list[Any]] = {}
        for tp in [tp for tp in fetcher._records if tp in active_partitions and tp.topic in self.wiring.topics]:  # noqa: SLF001
            if not self.wiring.lanes.has_room(tp.partition):
                held_back = True
                continue
            batch = self._take(fetcher, assignment, tp, budget)
            if batch is not None:
                drained[tp] = [Fetched(self._epoch, batch)]
                budget -= len(batch.records)
                if budget <= 0:
                    break
        return drained, held_back

    def _take(self, fetcher: Any, assignment: Any, tp: Any, max_records: int) -> PartitionBatch | None:
        """Take one partition's records and the consumer positions around them.

        Positions count what the application never sees: control records, aborted transactions, compacted offsets. A fetch
        that holds nothing else still moves the position, so it makes a batch without records.
        """
        result = fetcher._records[tp]  # noqa: SLF001
        if type(result) is not FetchResult:
            self._forget(fetcher, tp)
            self._refuse(tp, result)
            return None
        state = assignment.state_value(tp)
        if state is None or not state.has_valid_position:
            return None
        position_from = state.position
        if result.has_more():
            result._partition_records._consumer_record = record_of  # noqa: SLF001
        records = result.getall(max_records)
        if not result.has_more():
            self._forget(fetcher, tp)
        if state.position == position_from:
            return None
        return PartitionBatch(tp.topic, tp.partition, position_from, state.position, records)

    def _forget(self, fetcher: Any, tp: Any) -> None:
        """Let the fetcher ask for more of a partition."""
        del fetcher._records[tp]  # noqa: SLF001
        fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001

    def _refuse(self, tp: Any, failed: Any) -> None:
        """Stop on a fetch that failed for good; stock would reset the position and lose what lies between."""
        try:
            failed.check_raise()
        except OffsetOutOfRangeError:
            self.wiring.halt(LogExpired(f"{tp.topic}[{tp.partition}] no longer holds the position that is to be read"))

    async def reposition(self, targets: Mapping[TP, int], epoch: int) -> None:
        """Seek; from here on batches of this assignment are handed out, marked with the epoch. Any thread may call."""
        await self.call_thread(self._reposition, targets, epoch)

    async def _reposition(self, targets: Mapping[TP, int], epoch: int) -> None:
        consumer = self._ensure_consumer()
        if epoch < self._epoch:
            return  # a seek that was cancelled while it waited for this thread
        if {tp for tp in self.assignment() if tp.topic in self.wiring.topics} != set(targets):
            raise IllegalStateError("the assignment changed while positions were read")
        for tp, position in targets.items():
            consumer.seek(stock.ensure_aiokafka_TP(tp), position)
        self._epoch = epoch
        self._positioned = consumer._subscription.subscription.assignment  # noqa: SLF001

    async def topic_ids(self) -> dict[str, str]:
        """Ask the broker for the ids of the input topics that exist. Any thread may call."""
        client = self._ensure_consumer()._client  # noqa: SLF001
        ids: dict[str, str] = await self.call_thread(topic_ids, client, self.wiring.topics)
        return ids

    async def logs(self, partitions: Iterable[TP]) -> dict[tuple[str, int], Log]:
        """Ask the broker for log starts, ends (last stable offsets) and topic ids. Any thread may call."""
        logs: dict[tuple[str, int], Log] = await self.call_thread(self._logs, list(partitions))
        return logs

    async def _logs(self, partitions: list[TP]) -> dict[tuple[str, int], Log]:
        consumer = self._ensure_consumer()
        wanted = [stock.ensure_aiokafka_TP(tp) for tp in partitions]
        ids = await topic_ids(consumer._client, {tp.topic for tp in wanted})  # noqa: SLF001
        starts = await consumer.beginning_offsets(wanted)
        ends = await consumer.end_offsets(wanted)
        return {(tp.topic, tp.partition): Log(starts[tp], ends[tp], ids.get(tp.topic)) for tp in wanted if tp in starts}


class Consumer(stock.Consumer):  # type: ignore[misc]
    """The Faust consumer of a metrics worker; runs on the app's event loop."""

    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._topic_ids: dict[str, str] = {}  # as found first; another one later is another topic

    @property
    def wiring(self) -> Wiring:
        """The worker's wiring."""
        wiring: Wiring = self.app.wiring
        return wiring

    @property
    def thread(self) -> ConsumerThread:
        """The thread that holds the aiokafka consumer."""
        return self._thread

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def input_partitions(self) -> set[TP]:
        """Partitions of input topics that are assigned to this worker."""
        return {tp for tp in self.assignment() if tp.topic in self.wiring.topics}

    async def perform_seek(self) -> None:
        """Go to PostgreSQL's position. Faust calls this once an assignment is complete, before any flow resumes.

        It is the only place where stock Faust positions source partitions (to Kafka's committed offset); a seek done in
        the `on_partitions_assigned` signal would be overwritten here.
        """
        if self.assignment() - self.input_partitions():
            await super().perform_seek()
        try:
            await asyncio.wait_for(self._position_inputs(), REPOSITION_SECONDS)
        except IllegalStateError:
            raise  # another rebalance began meanwhile: Faust starts anew
        except (KafkaError, TimeoutError) as fault:
            self.wiring.halt(BrokerUnavailable(f"no positions within {REPOSITION_SECONDS:.0f} s: {fault!r}"))
            raise
        except MetricsError as fault:
            self.wiring.halt(fault)
            raise

    async def _position_inputs(self) -> None:
        epoch = await self.wiring.lanes.reset()
        partitions = self.input_partitions()
        targets = await self._stock_targets() if self.wiring.stock_seek else await self._stored_targets(partitions)
        await self._thread.reposition(targets, epoch)
        for tp, position in targets.items():
            # None: stock drops a message whose offset lies below `_read_offset`, and a seek may go back.
            self._read_offset[tp] = None
            self._committed_offset[tp] = None
            self._acked.pop(tp, None)
            self._acked_index.pop(tp, None)
            self.wiring.stored[tp.topic, tp.partition] = position
        self.wiring.on_positioned({(tp.topic, tp.partition): position for tp, position in targets.items()})

    async def _stock_targets(self) -> dict[TP, int]:
        """Kafka's committed offsets: the negative control only."""
        committed = await self.seek_to_committed()
        logs = await self._thread.logs(committed)
        for (topic, partition), found in logs.items():
            await self.wiring.source.first_sight(topic, partition, found.start, found.topic_id)
        return {TP(*tp): offset or logs[tp.topic, tp.partition].start for tp, offset in committed.items()}

    async def _stored_targets(self, partitions: set[TP]) -> dict[TP, int]:
        """Read positions and judge them against the logs; what looks cut is looked at again before the worker halts."""
        if not partitions:
            return {}
        give_up = time.monotonic() + CUT_GRACE_SECONDS
        while True:
            try:
                logs = await self._thread.logs(partitions)
                stored = await self._stored(logs)
                return {TP(*at): resume_at(*at, stored[at], found) for at, found in logs.items()}
            except LogCut as fault:
                if time.monotonic() > give_up:
                    raise
                log.warning("positions.doubted", reason=str(fault))
            except KafkaError as fault:
                log.warning("positions.retry", fault=repr(fault))
            await asyncio.sleep(0.5)

    async def _stored(self, logs: Mapping[tuple[str, int], Log]) -> dict[tuple[str, int], StoredPosition]:
        """Stored positions; a partition never seen before begins at its log start, which is recorded first."""
        stored = await self.wiring.source.positions(logs)
        unseen = [at for at in logs if stored[at] is None]
        for at in unseen:
            await self.wiring.source.first_sight(*at, logs[at].start, logs[at].topic_id)
        if unseen:
            stored = await self.wiring.source.positions(logs)
        return {at: found for at, found in stored.items() if found is not None}

    async def log_ends(self) -> dict[tuple[str, int], int] | None:
        """Where the logs of our partitions end, asked from the broker anew; None before we are connected.

        Raises KafkaError or TimeoutError when the broker does not answer, also when there is no partition to ask for.
        """
        if self._thread._consumer is None:  # noqa: SLF001
            return None
        ids = await asyncio.wait_for(self._thread.topic_ids(), 10.0)
        for topic, found in ids.items():
            if (known := self._topic_ids.setdefault(topic, found)) != found:
                self.wiring.halt(TopicRecreated(f"{topic}, topic id {known} became {found} while it was read"))
        logs = await asyncio.wait_for(self._thread.logs(self.input_partitions()), 10.0)
        return {at: found.end for at, found in logs.items()}

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Empty the lanes first: stock waits for the stream, and the stream may wait for room in a lane."""
        self.wiring.lanes.drop()
        self.wiring.on_revoked()
        await super().on_partitions_revoked(revoked)

    def _to_message(self, tp: TP, record: Any) -> Any:
        """Make a message of a batch; its offset is the last one below the batch's end."""
        if not isinstance(record, Fetched):
            return super()._to_message(tp, record)
        batch = record.batch
        timestamp = batch.records[-1].timestamp_ms / 1000.0 if batch.records else 0.0
        return ConsumerMessage(
            batch.topic,
            batch.partition,
            batch.position_to - 1,
            timestamp,
            0,
            None,
            None,
            record,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _wait_next_records(self, timeout: float) -> tuple[Any, Any]:  # noqa: ASYNC109 - Faust's signature
        """When the flow stopped during a fetch, stock seeks once more, in the middle of a rebalance: end there instead."""
        records, active_partitions = await super()._wait_next_records(timeout)
        return (records if self.flow_active else None), active_partitions

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 - Faust's signature
        """Stock, except that a batch of an older epoch ends here: it was fetched before the last seek."""
        async for tp, message in super().getmany(timeout):
            if isinstance(message.value, Fetched) and message.value.epoch != self.wiring.lanes.epoch:
                continue
            yield tp, message

    def highwater(self, tp: TP) -> int:
        """Stock asserts that the partition is still assigned and so crashes in the middle of a rebalance."""
        try:
            return super().highwater(tp) or 0
        except (AssertionError, AttributeError):
            return 0

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Stock fills gaps between offsets one by one; a batch leaves one of its own length each time."""
        if tp.topic not in self.wiring.topics:
            await super()._add_gap(tp, offset_from, offset_to)

    def _new_offset(self, tp: TP) -> int | None:
        """Commit what PostgreSQL committed, not what the stream acknowledged: an ack only means that a lane took it."""
        if tp.topic not in self.wiring.topics:
            offset: int | None = super()._new_offset(tp)
            return offset
        last = max(self._acked[tp], default=-1)
        stored = self.wiring.stored.get((tp.topic, tp.partition))
        if self.wiring.stock_seek:
            stored = last + 1
        # What a lane has taken and not yet committed stays acknowledged, so that the next commit looks at it again.
        waiting = [last] if stored is None or last >= stored else []
        self._acked[tp][:] = waiting
        self._acked_index[tp] = set(waiting)
        return stored

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Stock compares two different clocks here; the worker's own watch on progress replaces it."""


class Transport(stock.Transport):  # type: ignore[misc]
    """`kaohe://host:port`: aiokafka underneath, batches above."""

    Consumer = Consumer
