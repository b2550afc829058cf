"""Every minute a cut through the journal is recorded; once a day old hour slots become day slots."""

from __future__ import annotations

import asyncpg
import structlog

from services.core.kpi.definitions import Definitions
from services.runtime.clock import Clock
from services.store import buckets, checkpoints, heads, upkeep
from services.store.borrow import borrow
from services.store.locks import try_lock

log = structlog.get_logger(__name__)

CHECKPOINT_LOCK = "kaohe.checkpoint"
UPKEEP_LOCK = "kaohe.upkeep"
COMPACTION = "compaction"
MONTHS_AHEAD = 3


class Checkpoints:
    """Records one checkpoint an interval, however many workers run."""

    def __init__(self, pool: asyncpg.Pool, *, interval_seconds: float) -> None:
        self._pool = pool
        self._interval_seconds = interval_seconds

    async def sweep(self) -> None:
        """Record a checkpoint if the last one is nearly an interval old."""
        async with borrow(self._pool) as connection, try_lock(connection, CHECKPOINT_LOCK) as mine:
            if not mine:
                return
            age = await upkeep.seconds_since_checkpoint(connection)
            if age is None or age >= 0.9 * self._interval_seconds:
                await checkpoints.record(connection, "interval", await checkpoints.current_cutoff(connection))


class Upkeep:
    """Keeps tables in shape: partitions of the journal ahead, hour slots of buckets only from yesterday on."""

    def __init__(self, pool: asyncpg.Pool, definitions: Definitions, clock: Clock) -> None:
        self._pool = pool
        self._definitions = definitions
        self._clock = clock

    async def sweep(self) -> None:
        """Do today's share for each shard that has not had it; each shard is one short transaction under its lock."""
        async with borrow(self._pool) as connection, try_lock(connection, UPKEEP_LOCK) as mine:
            if not mine:
                return
            await upkeep.ensure_journal_partitions(connection, MONTHS_AHEAD)
            today = self._definitions.local_day(self._clock.now_ms())
            for shard in await upkeep.shards(connection):
                if await upkeep.progress(connection, COMPACTION, shard) < today:
                    await self._compact(connection, shard, today)

    async def _compact(self, connection: asyncpg.Connection, shard: int, today: int) -> None:
        async with connection.transaction():
            await heads.lock_head(connection, shard)
            yesterday_ms = self._definitions.day_start_ms(today - 1)
            merged = await buckets.compact(connection, shard, self._definitions.zone, yesterday_ms)
            await upkeep.advance(connection, COMPACTION, shard, today)
        if merged:
            log.info("buckets.compacted", shard=shard, hour_slots=merged)
