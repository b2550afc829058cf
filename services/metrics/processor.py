"""The processor: one transaction for one shard and one batch, exactly as the design draws it. Imports no Faust.

Lock the shard → skip what is below the stored position, stop on a hole → next seq → ledger, deduplicated → fold the
touched cases → journal postings with their cause → buckets → outbox → commit row, position and seq → commit.
Everything or nothing; so any number of workers, topics and zombies may hand over the same records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import asyncpg
import structlog

from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event
from services.core.kpi.version import CORE_VERSION
from services.metrics.batch import Outcome, PartitionBatch, Record
from services.metrics.errors import DatabaseUnavailable, Hole, InvariantBroken, WorkerOutdated
from services.metrics.folding import fold
from services.metrics.posting import Postings, Slots, from_epoch_ms
from services.metrics.reading import Reading, Understood, poisoned, read
from services.runtime.clock import Clock
from services.store import buckets, cases, heads, incidents, journal, ledger
from services.store.heads import CommitRow, StoredPosition
from services.store.incidents import ConflictRow
from services.store.mapping import event_from_decoded

__all__ = ["Outcome", "PartitionBatch", "Processor", "Record", "StoredPosition"]

log = structlog.get_logger(__name__)
Result = TypeVar("Result")

# Faults of the database or the way to it, not of what we sent: the same transaction may succeed a moment later.
TRANSIENT: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server ended the connection in the very moment of a query
    asyncpg.InternalClientError,  # asyncpg on a backend that died between two of its messages
    asyncpg.TransactionRollbackError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
    TimeoutError,
)
RETRY_PAUSES_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
GUARDS = frozenset({"skip", "hole_check", "dedup", "shard_lock"})


@dataclass(frozen=True, slots=True)
class _Admitted:
    """New events by case in arrival order, and what was not new."""

    fresh: dict[str, list[Event]]
    events: int
    duplicates: int
    conflicts: Sequence[ConflictRow]


class Processor:
    """Applies batches to PostgreSQL. Holds no KPI state between calls; safe to call for several shards at once.

    `disabled` removes a guard for the negative controls of the chaos test; nothing else may use it.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        definitions: Definitions,
        clock: Clock,
        partitions: int,
        disabled: frozenset[str] = frozenset(),
    ) -> None:
        self._pool = pool
        self._definitions = definitions
        self._clock = clock
        self._partitions = partitions
        self._disabled = disabled & GUARDS
        # Whether the last batch of a shard held duplicates: only decides which of two equal ways is tried first.
        self._repeats: dict[int, bool] = {}

    async def positions(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], StoredPosition | None]:
        """Stored positions, None for partitions never seen. Raises DatabaseUnavailable after bounded retries."""
        wanted = list(partitions)
        return await self._retrying(lambda connection: heads.positions(connection, wanted))

    async def first_sight(self, topic: str, partition: int, log_start: int, topic_id: str | None) -> None:
        """Record where a never-seen partition's log starts."""
        await self._retrying(lambda connection: heads.first_sight(connection, topic, partition, log_start, topic_id))

    async def process(self, batch: PartitionBatch) -> Outcome:
        """Apply one batch. Raises Hole, InvariantBroken, WorkerOutdated (stop the process) or DatabaseUnavailable."""
        reading = read(batch.records, batch.partition, self._partitions)
        try:
            return await self._retrying(lambda connection: self._commit(connection, batch, reading))
        except asyncpg.DataError as fault:
            return await self._isolate(batch, fault)
        except asyncpg.PostgresError as fault:
            raise InvariantBroken(f"PostgreSQL refused the batch: {type(fault).__name__}: {fault}") from fault

    async def _retrying(self, work: Callable[[asyncpg.Connection], Awaitable[Result]]) -> Result:
        """Run one transaction; on a passing fault of the database run it anew, from its start, a bounded number of times.

        A connection that breaks during COMMIT leaves the outcome unknown: the next try finds it in the stored position.
        """
        last: BaseException | None = None
        for pause in (0.0, *RETRY_PAUSES_SECONDS):
            await asyncio.sleep(pause)
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    return await work(cast("asyncpg.Connection", connection))
            except TRANSIENT as fault:
                last = fault
                log.warning("database.retry", fault=type(fault).__name__, detail=str(fault))
        raise DatabaseUnavailable(f"{type(last).__name__}: {last}") from last

    async def _isolate(self, batch: PartitionBatch, fault: asyncpg.DataError) -> Outcome:
        """Find the record whose values PostgreSQL will not store, by halves; it is quarantined, its neighbours count."""
        if len(batch.records) > 1:
            middle = len(batch.records) // 2
            border = batch.records[middle].offset
            await self.process(replace(batch, position_to=border, records=batch.records[:middle]))
            return await self.process(replace(batch, position_from=border, records=batch.records[middle:]))
        if not batch.records:
            raise InvariantBroken(f"PostgreSQL refused a batch without records: {fault}") from fault
        poison = poisoned(batch.records[0], type(fault).__name__, "", str(fault))
        reading = Reading([], [poison], [])
        return await self._retrying(lambda connection: self._commit(connection, batch, reading))

    async def _commit(self, connection: asyncpg.Connection, batch: PartitionBatch, whole: Reading) -> Outcome:
        """The transaction. Its first statement takes the shard's lock, its last moves the position."""
        shard, topic = batch.partition, batch.topic
        head = await heads.lock_head(connection, shard, lock="shard_lock" not in self._disabled)
        if head.core_version > CORE_VERSION:
            raise WorkerOutdated(
                f"shard {shard} was written by core {head.core_version}, this worker has {CORE_VERSION}"
            )
        stored = await heads.position(connection, topic, shard)
        if stored is None:
            raise InvariantBroken(f"{topic}[{shard}] has no recorded log start")
        if batch.position_from > stored and "hole_check" not in self._disabled:
            raise Hole(f"{topic}[{shard}] stands at {stored}, the batch begins at {batch.position_from}")
        if batch.position_to <= stored and "skip" not in self._disabled:
            return Outcome(shard, 0)
        reading = whole.starting_at(stored) if batch.position_from < stored and "skip" not in self._disabled else whole
        seq = head.seq + 1
        admitted = await self._admit(connection, shard, topic, seq, reading.understood)
        folded = await fold(connection, shard, admitted.fresh, self._definitions)
        now_ms = self._clock.now_ms()
        postings = Postings(shard, seq, from_epoch_ms(now_ms), Slots(self._definitions, now_ms))
        for case_id, causes in folded.causes.items():
            for cause, contributions in causes:
                postings.post(case_id, cause, contributions)
        await cases.insert(connection, shard, seq, CORE_VERSION, folded.created)
        await cases.update(connection, shard, seq, CORE_VERSION, folded.changed)
        await journal.append(connection, postings.rows)
        await buckets.add(connection, shard, postings.sums)
        await self._keep_incidents(connection, (shard, topic, seq), reading, admitted.conflicts)
        await heads.record_commit(
            connection,
            CommitRow(
                shard=shard,
                seq=seq,
                kind="events",
                topic=topic,
                position_from=max(stored, batch.position_from),
                position_to=batch.position_to,
                events=admitted.events,
                duplicates=admitted.duplicates,
                conflicts=len(admitted.conflicts),
                quarantined=len(reading.poison),
                misrouted=len(reading.strays),
                postings=len(postings.rows),
                core_version=CORE_VERSION,
                definition_version=self._definitions.version,
            ),
        )
        return Outcome(
            shard=shard,
            seq=seq,
            events=admitted.events,
            duplicates=admitted.duplicates,
            conflicts=len(admitted.conflicts),
            quarantined=len(reading.poison),
            misrouted=len(reading.strays),
            postings=len(postings.rows),
            buckets=len(postings.sums),
            refolded=folded.refolded,
            outbox=len(reading.strays),
            newest_time_ms=max((item.decoded.time_ms for item in reading.understood), default=0),
        )

    async def _admit(
        self, connection: asyncpg.Connection, shard: int, topic: str, seq: int, items: Sequence[Understood]
    ) -> _Admitted:
        """Write new events to the ledger; tell duplicates and conflicts from them.

        Mostly nothing repeats: COPY is tried first, and the identities are looked up only when it met a recorded one.
        """
        if "dedup" in self._disabled:
            items = [_renamed(item) for item in items]
        recorded: dict[ledger.Identity, bytes] = {}
        if self._repeats.get(shard, False):
            recorded = await _recorded(connection, shard, items)
        fresh, duplicates, conflicts = classify(items, recorded)
        try:
            async with connection.transaction():
                await ledger.append(connection, _ledger_rows(shard, topic, seq, fresh))
        except asyncpg.UniqueViolationError:
            recorded = await _recorded(connection, shard, items)
            fresh, duplicates, conflicts = classify(items, recorded)
            await ledger.append(connection, _ledger_rows(shard, topic, seq, fresh))
        self._repeats[shard] = bool(recorded)
        by_case: dict[str, list[Event]] = {}
        for item in fresh:
            by_case.setdefault(item.decoded.partitionkey, []).append(event_from_decoded(item.decoded))
        await incidents.touch_sources(connection, shard, _watermarks(items))
        return _Admitted(
            by_case, len(fresh), duplicates, [_conflict(order, item) for order, item in enumerate(conflicts)]
        )

    @staticmethod
    async def _keep_incidents(
        connection: asyncpg.Connection,
        commit: tuple[int, str, int],
        reading: Reading,
        conflicts: Sequence[ConflictRow],
    ) -> None:
        shard, topic, seq = commit
        if reading.poison:
            await incidents.quarantine(connection, shard, topic, seq, reading.poison)
        if reading.strays:
            await incidents.forward_misrouted(connection, shard, topic, seq, reading.strays)
        if conflicts:
            await incidents.conflicts(connection, shard, topic, seq, conflicts)


def classify(
    items: Sequence[Understood], recorded: dict[ledger.Identity, bytes]
) -> tuple[list[Understood], int, list[Understood]]:
    """Tell new events from duplicates (same identity, same content) and conflicts (same identity, other content).

    `recorded` maps identities to content hashes. Returns (new, number of duplicates, conflicts), in offset order.
    """
    known = dict(recorded)
    fresh: list[Understood] = []
    conflicts: list[Understood] = []
    duplicates = 0
    for item in items:
        identity = (item.decoded.source, item.decoded.id)
        content = known.get(identity)
        if content is None:
            known[identity] = item.decoded.content_hash
            fresh.append(item)
        elif content == item.decoded.content_hash:
            duplicates += 1
        else:
            conflicts.append(item)
    return fresh, duplicates, conflicts


async def _recorded(
    connection: asyncpg.Connection, shard: int, items: Sequence[Understood]
) -> dict[ledger.Identity, bytes]:
    found = await ledger.find(connection, shard, [(item.decoded.source, item.decoded.id) for item in items])
    return {identity: row.content_hash for identity, row in found.items()}


def _ledger_rows(shard: int, topic: str, seq: int, fresh: Sequence[Understood]) -> list[ledger.LedgerRow]:
    return [
        (
            shard, d.source, d.id, d.partitionkey, d.type, d.time_ms, seq, ordinal, item.record.timestamp_ms, topic,
            item.record.offset, d.content_hash, d.canonical,
        )
        for ordinal, item in enumerate(fresh)
        for d in (item.decoded,)
    ]  # fmt: skip


def _watermarks(items: Sequence[Understood]) -> list[tuple[str, int, int, int]]:
    newest: dict[str, tuple[int, int, int]] = {}
    for item in items:
        time_ms, appended_ms, events = newest.get(item.decoded.source, (item.decoded.time_ms, 0, 0))
        newest[item.decoded.source] = (
            max(time_ms, item.decoded.time_ms),
            max(appended_ms, item.record.timestamp_ms),
            events + 1,
        )
    return [(source, *row) for source, row in sorted(newest.items())]


def _conflict(ordinal: int, item: Understood) -> ConflictRow:
    return ConflictRow(
        ordinal=ordinal,
        source=item.decoded.source,
        id=item.decoded.id,
        case_id=item.decoded.partitionkey,
        time_ms=item.decoded.time_ms,
        kafka_offset=item.record.offset,
        content_hash=item.decoded.content_hash,
        body=item.decoded.canonical,
    )


def _renamed(item: Understood) -> Understood:
    """For the negative control only: an identity that never repeats, as if nobody looked."""
    return item._replace(decoded=item.decoded._replace(id=f"{item.decoded.id}@{item.record.offset}"))
