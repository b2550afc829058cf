"""A metrics worker from start to end: wire the parts, run until told to stop, drain within bounds.

Exit codes: 0 drained; 70 a broken invariant or an unknown fault (restart at once); 75 a server is away (restart, backing
off); 78 a person has to decide; 143 the drain took too long and was cut short.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Protocol

import asyncpg
import structlog
from aiokafka.errors import KafkaError

from services.core.kpi.definitions import Definitions
from services.metrics.app import App, build_app
from services.metrics.batch import Outcome, PartitionBatch
from services.metrics.checkpoints import Checkpoints, Upkeep
from services.metrics.doubles import DoubleFinder
from services.metrics.errors import (
    BrokerUnavailable,
    DatabaseUnavailable,
    MetricsError,
    PartitionsRefused,
    SettingsRefused,
    Stalled,
    TopicsUnavailable,
)
from services.metrics.halt import halt
from services.metrics.health import HealthServer
from services.metrics.jobs import every
from services.metrics.lanes import Done, LaneLimits, Lanes
from services.metrics.processor import Processor
from services.metrics.relay import Relay
from services.metrics.sabotage import FAULTS, LosingLanes
from services.metrics.telemetry import Telemetry
from services.metrics.watch import Watch
from services.metrics.wiring import PositionSource, Wiring
from services.runtime.clock import SystemClock
from services.runtime.settings import MetricsSettings
from services.runtime.topics import PartitionsDiffer, TopicError, TopicSpec, ensure_topics
from services.store import outbox
from services.store.borrow import borrow
from services.store.database import create_pool
from services.store.definitions import ZoneDiffers, settle

log = structlog.get_logger(__name__)

EXIT_CUT_SHORT = 128 + signal.SIGTERM
PROBE_SECONDS = 2.0
DATABASE_WAIT_SECONDS = 30.0
JOB_CONNECTIONS = 3
GUARDS = frozenset({"skip", "hole_check", "dedup", "shard_lock", "seek"})


class Books(PositionSource, Protocol):
    """What keeps the books: positions and transactions. The processor, or a recorder in tests."""

    async def process(self, batch: PartitionBatch) -> Outcome:
        """Commit a batch or raise."""
        ...


class Worker:
    """The Faust side, lanes, watch and health of one process, over given books."""

    def __init__(self, settings: MetricsSettings, books: Books, relay: Relay) -> None:
        self.settings = settings
        self.telemetry = Telemetry()
        self.watch = Watch(time.monotonic(), stall_seconds=settings.stall_seconds)
        self._relay = relay
        self._stored: dict[tuple[str, int], int] = {}
        limits = LaneLimits(
            concurrency=settings.batch_concurrency,
            batch_events=settings.batch_events,
            room_events=settings.batch_events,
        )
        kind = LosingLanes if settings.test_faults else Lanes
        self.lanes = kind(books, limits, on_done=self._done, on_fault=halt)
        if isinstance(self.lanes, LosingLanes):
            self.lanes.listen()
        self.app: App = build_app(settings, self._wiring(books))

    def _wiring(self, books: Books) -> Wiring:
        return Wiring(
            topics=frozenset(self.settings.topics),
            source=books,
            lanes=self.lanes,
            stored=self._stored,
            halt=halt,
            on_positioned=self._positioned,
            on_revoked=lambda: self.watch.revoked(time.monotonic()),
            fetch_max_wait_ms=self.settings.fetch_max_wait_ms,
            stock_seek="seek" in self.settings.test_disable,
        )

    def _positioned(self, positions: Mapping[tuple[str, int], int]) -> None:
        self.watch.positioned(positions, time.monotonic())
        self.telemetry.rebalances.inc()
        log.info("worker.positioned", positions={f"{topic}[{p}]": at for (topic, p), at in sorted(positions.items())})

    def _done(self, result: Done) -> None:
        at = (result.batch.topic, result.batch.partition)
        self._stored[at] = max(result.batch.position_to, self._stored.get(at, 0))
        self.watch.moved(at, result.batch.position_to, time.monotonic())
        self.telemetry.done(result)
        if result.outcome.outbox or result.outcome.misrouted:
            self._relay.wake.set()

    async def look_at_logs(self) -> None:
        """Ask the broker where the logs of our partitions end; it answering at all is worth knowing too."""
        ends = await self.app.consumer.log_ends()
        if ends is not None:
            self.watch.ends(ends, time.monotonic())
        self.telemetry.in_flight.set(self.lanes.in_flight)
        self.telemetry.queued.set(self.lanes.queued_events)

    async def look_at_itself(self) -> None:
        """End a process that is not live: not every supervisor asks /livez, and a restart is what would cure it."""
        verdict = self.watch.live(time.monotonic())
        if not verdict.ok:
            halt(Stalled(verdict.reason))

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then drain. Raises what crashed the app."""
        starting = asyncio.create_task(self.app.start(), name="app")
        ended = asyncio.create_task(self.app.wait_until_stopped(), name="app-ended")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({starting, ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and not starting.cancelled() and starting.exception() is None:
            await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            raise self._crash_reason(starting)
        await self._drain()
        for task in (starting, ended):
            task.cancel()
        await asyncio.gather(starting, ended, return_exceptions=True)

    async def _drain(self) -> None:
        """Take no more, let running transactions finish, leave the group."""
        log.info("worker.draining", in_flight=self.lanes.in_flight, queued=self.lanes.queued_events)
        self.watch.draining = True
        await self.lanes.close()
        await self.app.stop()

    def _crash_reason(self, starting: asyncio.Task[Any]) -> BaseException:
        fault = starting.exception() if starting.done() and not starting.cancelled() else None
        fault = fault or self.app.crash_reason
        if isinstance(fault, KafkaError | OSError):
            return BrokerUnavailable(repr(fault))
        return fault or MetricsError("the Faust app ended by itself")


async def serve(settings: MetricsSettings) -> int:
    """Run a worker of this process until SIGTERM or SIGINT; returns the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stop, settings.drain_seconds)
    async with AsyncExitStack() as stack:
        try:
            await _serve(settings, stop, stack)
        except Exception as fault:  # noqa: BLE001 - crash-only: one line and out, without closing anything
            halt(fault)
    log.info("worker.stopped")
    return 0


async def _serve(settings: MetricsSettings, stop: asyncio.Event, stack: AsyncExitStack) -> None:
    refuse_guards_outside_tests(settings)
    await check_topics(settings)
    pool = await _pool(settings.database_url, settings.batch_concurrency + 1)
    stack.push_async_callback(pool.close)
    definitions, clock = await settled_definitions(pool, settings.zone), SystemClock()
    side_pool = await _pool(settings.database_url, JOB_CONNECTIONS)
    stack.push_async_callback(side_pool.close)
    processor = Processor(
        pool,
        definitions=definitions,
        clock=clock,
        partitions=settings.partitions,
        disabled=frozenset(settings.test_disable),
    )
    relay = Relay(side_pool, settings.kafka_brokers)
    stack.push_async_callback(relay.close)
    worker = Worker(settings, processor, relay)
    health = HealthServer(
        worker.watch,
        worker.telemetry,
        host=settings.metrics_host,
        port=settings.metrics_port,
        port_file=settings.port_file,
    )
    await stack.enter_async_context(health)
    log.info("worker.started", pid=os.getpid(), health_port=health.port, topics=settings.topics)
    finder = DoubleFinder(side_pool, settings.events_topic, on_found=worker.telemetry.doubles.inc)
    jobs = {
        "logs": every(PROBE_SECONDS, "logs", worker.look_at_logs),
        "probe": every(PROBE_SECONDS, "probe", lambda: _probe(side_pool, worker)),
        "progress": every(PROBE_SECONDS, "progress", worker.look_at_itself),
        "relay": every(1.0, "relay", relay.sweep, wake=relay.wake),
        "doubles": every(settings.doubles_seconds, "doubles", finder.sweep),
        "checkpoints": every(
            settings.checkpoint_seconds,
            "checkpoints",
            Checkpoints(side_pool, interval_seconds=settings.checkpoint_seconds).sweep,
        ),
        "upkeep": every(600.0, "upkeep", Upkeep(side_pool, definitions, clock).sweep),
    }
    tasks = [asyncio.create_task(job, name=name) for name, job in jobs.items()]
    try:
        await worker.run(stop)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _probe(pool: asyncpg.Pool, worker: Worker) -> None:
    """Ask the database for the age of the outbox; it answering at all is worth knowing too."""
    async with asyncio.timeout(5.0), borrow(pool) as connection:
        worker.telemetry.outbox_age.set(await outbox.oldest_age_seconds(connection))
    worker.watch.answered("database", time.monotonic())


async def _pool(url: str, size: int) -> asyncpg.Pool:
    """Connect, waiting a while for a database that is still starting."""
    give_up = time.monotonic() + DATABASE_WAIT_SECONDS
    while True:
        try:
            return await create_pool(url, size=size)
        except (OSError, asyncpg.PostgresError) as fault:
            if time.monotonic() > give_up:
                raise DatabaseUnavailable(f"{type(fault).__name__}: {fault}") from fault
            log.warning("database.waiting", error=type(fault).__name__)
        await asyncio.sleep(1.0)


async def settled_definitions(pool: asyncpg.Pool, zone: str) -> Definitions:
    """The definitions of the database, begun with this zone. Raises SettingsRefused or DatabaseUnavailable."""
    try:
        async with borrow(pool) as connection:
            return Definitions(zone=zone, version=await settle(connection, zone))
    except ZoneDiffers as fault:
        raise SettingsRefused(str(fault)) from fault
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        raise DatabaseUnavailable(f"{type(fault).__name__}: {fault}") from fault


async def check_topics(settings: MetricsSettings) -> None:
    """Check that every input topic exists with exactly the partitions that shards are counted with.

    Raises PartitionsRefused, TopicsUnavailable or BrokerUnavailable.
    """
    declared = [TopicSpec(topic, settings.partitions) for topic in settings.topics]
    try:
        await ensure_topics(settings.kafka_brokers, declared, create=False)
    except PartitionsDiffer as fault:
        raise PartitionsRefused(str(fault)) from fault
    except TopicError as fault:
        raise TopicsUnavailable(str(fault)) from fault
    except (KafkaError, OSError) as fault:
        raise BrokerUnavailable(repr(fault)) from fault


def refuse_guards_outside_tests(settings: MetricsSettings) -> None:
    """Guards are removed, and faults made, for the chaos test only. Raises SettingsRefused otherwise."""
    _refuse("KAOHE_TEST_DISABLE", settings.test_disable, GUARDS, settings)
    _refuse("KAOHE_TEST_FAULTS", settings.test_faults, FAULTS, settings)
    if settings.test_disable:
        log.critical(
            "worker.guards_removed", guards=settings.test_disable, warning="figures of this process are wrong by design"
        )
    if settings.test_faults:
        log.critical("worker.takes_orders_for_faults", faults=settings.test_faults)


def _refuse(name: str, wanted: tuple[str, ...], known: frozenset[str], settings: MetricsSettings) -> None:
    if wanted and (set(wanted) - known or not settings.testing):
        raise SettingsRefused(
            f"{name}={','.join(wanted)} needs KAOHE_TESTING=1 and knows only {', '.join(sorted(known))}"
        )


def _on_signal(stop: asyncio.Event, drain_seconds: float) -> None:
    """Begin the drain and set its limit: a thread, for it must fire even when the event loop is stuck."""
    if stop.is_set():
        return
    stop.set()
    limit = threading.Timer(drain_seconds, _cut_short, (drain_seconds,))
    limit.daemon = True
    limit.start()


def _cut_short(drain_seconds: float) -> None:
    log.critical("worker.drain_cut_short", after_seconds=drain_seconds, exit_code=EXIT_CUT_SHORT)
    os._exit(EXIT_CUT_SHORT)
