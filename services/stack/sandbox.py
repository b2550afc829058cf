"""Throw-away servers for tests and benchmarks: the launcher's own Kafka and PostgreSQL, in a folder that goes away.

Every sandbox has its own folder, socket and ports, so any number may run side by side. Databases are copies of one
migrated template, made in a tenth of a second.
"""

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from schemas.topics import SETTINGS
from services.runtime.clock import SystemClock
from services.runtime.topics import TopicSpec, ensure_topics
from services.stack.child import tail
from services.stack.errors import StartFailed
from services.stack.kafka import KafkaServer
from services.stack.postgres import APPLICATION, OWNER, SUPERUSER, PostgresServer

TEMPLATE = "kaohe_template"
PREFIX, LOCK = "kaohe-sandbox-", "sandbox.lock"
SETTLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Database:
    """A fresh, migrated database: addresses of the application, of the tables' owner, and of the superuser (for faults)."""

    name: str
    app_url: str
    owner_url: str
    superuser_url: str


class Sandbox:
    """Kafka and PostgreSQL for one test session; each server starts when it is first asked for. A context manager."""

    def __init__(self, *, keep: bool = False, kafka_heap_mb: int = 384) -> None:
        _sweep()
        self.home = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.home.chmod(0o755)
        self._lock = (self.home / LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)  # until this process ends, however it ends
        self._keep = keep
        self._kafka = KafkaServer(self.home / "kafka", log=self.home / "kafka.log", heap_mb=kafka_heap_mb)
        self._postgres = PostgresServer(self.home / "postgres", log=self.home / "postgres.log")
        self._template_made = False
        self._numbers = count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the servers and remove the folder."""
        self._kafka.kill()  # nobody will read these data again
        self._postgres.kill()
        self._postgres.stop()  # removes its socket folder
        self._lock.close()
        if not self._keep:
            shutil.rmtree(self.home, ignore_errors=True)

    @property
    def kafka(self) -> KafkaServer:
        """A running broker."""
        if self._kafka.child is None:
            self._kafka.start()
        return self._kafka

    @property
    def postgres(self) -> PostgresServer:
        """A running PostgreSQL."""
        if self._postgres.child is None:
            self._postgres.start()
        return self._postgres

    async def topic(self, partitions: int, *, name: str | None = None, config: Mapping[str, str] | None = None) -> str:
        """A fresh topic, as the real ones are configured unless `config` adds to that; its name."""
        chosen = name or f"test-{os.getpid()}-{next(self._numbers)}"
        await ensure_topics(self.kafka.brokers, [TopicSpec(chosen, partitions, {**SETTINGS, **(config or {})})])
        return chosen

    async def delete_topic(self, name: str) -> None:
        """Delete a topic, for tests of a topic that vanished."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.brokers)
        await admin.start()
        try:
            await admin.delete_topics([name])
        finally:
            await admin.close()

    async def database(self) -> Database:
        """A fresh copy of the migrated template."""
        if not self._template_made:
            await self._create(TEMPLATE, "template1")
            await asyncio.to_thread(self._migrate, self._postgres.url(OWNER, TEMPLATE))
            self._template_made = True
        name = f"kaohe_{next(self._numbers)}"
        await self._create(name, TEMPLATE)
        return self._addresses(name)

    async def drop(self, database: Database) -> None:
        """Drop a database, whoever is still connected."""
        await self._execute(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')

    def _addresses(self, name: str) -> Database:
        server = self.postgres
        return Database(name, server.url(APPLICATION, name), server.url(OWNER, name), server.url(SUPERUSER, name))

    async def _create(self, name: str, template: str) -> None:
        await self._execute(
            f'CREATE DATABASE "{name}" OWNER {OWNER} TEMPLATE "{template}"',
            f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC',
            f'GRANT CONNECT, TEMPORARY ON DATABASE "{name}" TO {APPLICATION}',
        )

    async def _execute(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.postgres.url(SUPERUSER, "postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def _migrate(self, owner_url: str) -> None:
        """As in production: the command, as the owner, in a process of its own."""
        log = self.home / "migrate.log"
        with log.open("wb") as output:
            done = subprocess.run(
                [sys.executable, "-m", "services.store.migrate"],
                env=os.environ | {"KAOHE_OWNER_DATABASE_URL": owner_url},
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=120,
                check=False,
            )
        if done.returncode != 0:
            raise StartFailed("migration", "\n".join(tail(log)), log)


def _sweep() -> None:
    """Remove what killed sandboxes left: their servers ended with them, their folders did not."""
    for home in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if SystemClock().now_ms() / 1000 - home.stat().st_mtime < SETTLED_SECONDS:  # it may not hold its lock yet
                continue
            with (home / LOCK).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(home, ignore_errors=True)
        except OSError:  # in use, somebody else's, or gone by now
            continue
