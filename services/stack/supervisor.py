"""The supervisor: brings a stack up in order, keeps it up, takes it down. Lives as long as the stack."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence

import structlog
from aiokafka.errors import KafkaError

from services.runtime.clock import SystemClock
from services.runtime.settings import StackSettings
from services.runtime.topics import TopicError, ensure_topics
from services.stack.errors import DiskFull, NotAllowed, StackError, StartFailed, Unreachable
from services.stack.existing import check_database, check_kafka
from services.stack.kafka import KafkaServer
from services.stack.postgres import PostgresServer, public_address
from services.stack.preflight import check_machine
from services.stack.running import write_environment
from services.stack.state import Phase, StackState, write_state
from services.stack.supervised import Supervised
from services.stack.topics import declared_topics
from services.stack.workers import child_environment, workers

MIGRATION_SECONDS = 300
REPORT_EVERY_SECONDS = 2.0

log = structlog.get_logger("services.stack")


class Supervisor:
    """One stack. `run` returns when it was told to stop; it raises StackError when the stack could not be started."""

    def __init__(self, settings: StackSettings, *, on_phase: Callable[[StackState], None] | None = None) -> None:
        self.settings = settings
        self.home = settings.home.absolute()
        self.state = StackState(pid=os.getpid(), since_ms=SystemClock().now_ms())
        self._on_phase = on_phase or (lambda _: None)
        self._servers: list[Supervised] = []
        self._workers: list[Supervised] = []
        self._told_to_stop = asyncio.Event()

    async def run(self) -> None:
        """Up, watch, down."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop.set)
        up = asyncio.create_task(self._up())
        told = asyncio.create_task(self._told_to_stop.wait())
        try:
            await asyncio.wait({up, told}, return_when=asyncio.FIRST_COMPLETED)
            if up.done():
                up.result()
                await self._watch(told)
        except (StackError, OSError) as fault:
            error = fault if isinstance(fault, StackError) else self._refused(fault)
            self._enter("stopping", str(error))
            await self._down()
            self._enter("failed", str(error))
            raise error from fault
        finally:
            for task in (up, told):
                task.cancel()
            await asyncio.gather(up, told, return_exceptions=True)
        self._enter("stopping", "stopping")
        await self._down()
        self._enter("stopped", "")

    async def _up(self) -> None:
        check_machine(self.settings)
        brokers, app_url, owner_url = await self._bring_up_servers()
        self._enter("starting", "migrating the database")
        await self._migrate(owner_url)
        self._enter("starting", "creating topics")
        await self._topics(brokers)
        environment = child_environment(self.settings, brokers, app_url)
        self._enter("starting", "starting ingest, metrics and api")
        await self._bring_up_workers(environment)
        write_environment(self.home, environment)
        self._enter("running", "")

    async def _bring_up_servers(self) -> tuple[str, str, str]:
        """Kafka and PostgreSQL, side by side: broker list, application's address, owner's address."""
        steps: list[Coroutine[None, None, None]] = []
        settings = self.settings
        logs = self.home / "logs"
        if settings.kafka_brokers is None:
            kafka = KafkaServer(
                self.home / "kafka",
                log=logs / "kafka.log",
                port=settings.kafka_port,
                heap_mb=settings.kafka_heap_mb,
            )
            steps.append(self._start_server(kafka))
        else:
            steps.append(asyncio.to_thread(check_kafka, settings.kafka_brokers))
        if settings.database_url is None or settings.owner_database_url is None:
            postgres = PostgresServer(self.home / "postgres", log=logs / "postgres.log", port=settings.postgres_port)
            steps.append(self._start_server(postgres))
        else:
            steps.append(check_database(settings.database_url, "KAOHE_DATABASE_URL"))
            steps.append(check_database(settings.owner_database_url, "KAOHE_OWNER_DATABASE_URL"))
        self._enter("starting", "starting Kafka and PostgreSQL (the first start fetches Kafka's jars)")
        await _all(steps)
        brokers = settings.kafka_brokers or kafka.brokers
        app_url = settings.database_url or postgres.app_url
        owner_url = settings.owner_database_url or postgres.owner_url
        self.state.addresses |= {"Kafka": brokers, "Database": public_address(app_url)}
        return brokers, app_url, owner_url

    async def _start_server(self, server: KafkaServer | PostgresServer) -> None:
        await asyncio.to_thread(server.prepare)
        supervised = Supervised(server, self._report)
        self._servers.append(supervised)
        self.state.processes.append(supervised.report)
        await supervised.start()

    async def _bring_up_workers(self, environment: Mapping[str, str]) -> None:
        self._workers = []
        for worker in workers(self.settings, environment):
            supervised = Supervised(worker, self._report)
            self._workers.append(supervised)
            self.state.processes.append(supervised.report)
            if worker.name in ("api", "ingest"):
                self.state.addresses[{"api": "API", "ingest": "Ingest"}[worker.name]] = worker.url
        await _all([supervised.start() for supervised in self._workers])

    async def _migrate(self, owner_url: str) -> None:
        """As in production: the command, as the owner, in a process of its own."""
        path = self.home / "logs" / "migrate.log"
        done = await asyncio.to_thread(self._run_migration, owner_url, path)
        if done != 0:
            raise StartFailed("the migration", f"exit code {done}", path)

    def _run_migration(self, owner_url: str, path: "os.PathLike[str]") -> int:
        environment = child_environment(self.settings, "", "") | {"KAOHE_OWNER_DATABASE_URL": owner_url}
        with open(path, "ab") as output:  # noqa: PTH123  # any path-like
            return subprocess.run(
                [sys.executable, "-m", "services.store.migrate"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=MIGRATION_SECONDS,
                check=False,
            ).returncode

    async def _topics(self, brokers: str) -> None:
        try:
            reports = await ensure_topics(brokers, declared_topics(self.settings))
        except TopicError as error:
            raise StackError("the topics are not as declared", str(error)) from error
        except KafkaError as error:
            raise Unreachable(
                f"the Kafka at {brokers} refuses to describe its topics ({type(error).__name__})",
                "check that this user may describe and create topics",
            ) from error
        for report in reports:
            log.info("topic", name=report.name, created=report.created, differences=dict(report.differences))

    def _refused(self, fault: OSError) -> StackError:
        """What the operating system refused, in one line with the cure."""
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            return DiskFull(self.home, 0, self.settings.min_free_mb)
        what = f"{fault.strerror or fault}" + (f", {fault.filename}" if fault.filename else "")
        return NotAllowed(f"the operating system refuses ({what})", f"check permissions and limits of {self.home}")

    async def _watch(self, told: "asyncio.Task[bool]") -> None:
        """Until told to stop, keep the report fresh; the supervised processes look after themselves."""
        while not told.done():
            await asyncio.wait({told}, timeout=REPORT_EVERY_SECONDS)
            self._report()

    async def _down(self) -> None:
        """First what takes work in and does it, then what it stands on."""
        await asyncio.gather(*(supervised.stop() for supervised in self._workers))
        await asyncio.gather(*(supervised.stop() for supervised in self._servers))

    def _enter(self, phase: Phase, message: str) -> None:
        self.state.phase, self.state.message = phase, message
        self.state.since_ms = SystemClock().now_ms()
        log.info("stack", phase=phase, message=message)
        self._report()
        self._on_phase(self.state)

    def _report(self) -> None:
        for supervised in (*self._servers, *self._workers):
            supervised.report.pid = supervised.server.pid
        try:
            write_state(self.home, self.state)
        except OSError as error:  # a full disk must not end the supervision
            log.warning("state not written", reason=error.strerror)


async def _all(steps: Sequence[Coroutine[None, None, None]]) -> None:
    """Await all side by side; the first failure ends the waiting for the others and is raised."""
    tasks = [asyncio.ensure_future(step) for step in steps]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
