"""One scene of the chaos test: its topics and database on the shared servers, its workers, its verdict."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from services.stack.sandbox import Database, Sandbox
from tests.chaos.audit import Sent, audit
from tests.chaos.audit_log import audit_log, log_ends
from tests.chaos.load import Channel

PARTITIONS = 8
STALL_SECONDS = 12


@dataclass(frozen=True, slots=True)
class Site:
    """A main topic, a second one and a database, all of them fresh."""

    sandbox: Sandbox
    database: Database
    main: str
    second: str
    folder: Path

    @classmethod
    async def on(cls, sandbox: Sandbox, folder: Path) -> Site:
        """A new site on running servers."""
        database = await sandbox.database()
        return cls(sandbox, database, await sandbox.topic(PARTITIONS), await sandbox.topic(PARTITIONS), folder)

    @property
    def brokers(self) -> str:
        """The broker list."""
        return self.sandbox.kafka.brokers

    @property
    def topics(self) -> Sequence[str]:
        """Both input topics."""
        return self.main, self.second

    @property
    def channels(self) -> Mapping[Channel, str]:
        """Which channel leads to which topic."""
        return {Channel.PLAIN: self.main, Channel.TRANSACTIONAL: self.main, Channel.SECOND: self.second}

    def environment(self, **extra: str) -> dict[str, str]:
        """The environment of a worker; `extra` names without the prefix."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KAOHE_")}
        return {
            **inherited,
            "KAOHE_KAFKA_BROKERS": self.brokers,
            "KAOHE_DATABASE_URL": self.database.app_url,
            "KAOHE_EVENTS_TOPIC": self.main,
            "KAOHE_INPUT_TOPICS": self.second,
            "KAOHE_PARTITIONS": str(PARTITIONS),
            "KAOHE_CONSUMER_GROUP": self.main,
            "KAOHE_STALL_SECONDS": str(STALL_SECONDS),
            "KAOHE_TESTING": "1",
            **{f"KAOHE_{name}": value for name, value in extra.items()},
        }

    async def kill_backends(self) -> int:
        """End every connection of the application; returns how many there were."""
        connection = await asyncpg.connect(self.database.superuser_url)
        try:
            killed: int = await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND usename = 'kaohe_app'",
                self.database.name,
            )
        finally:
            await connection.close()
        return killed

    async def settled(self, question: str, seconds: float) -> bool:
        """Whether the answer to a yes-or-no query becomes yes within so long."""
        give_up = time.monotonic() + seconds
        connection = await asyncpg.connect(self.database.superuser_url)
        try:
            while True:
                if await connection.fetchval(question):
                    return True
                if time.monotonic() > give_up:
                    return False
                await asyncio.sleep(0.2)
        finally:
            await connection.close()

    async def converge(self, seconds: float) -> list[str]:
        """Wait until every position is at its log end and the outbox is empty; what is not after so long."""
        give_up = time.monotonic() + seconds
        while True:
            waiting = await self._waiting()
            if not waiting or time.monotonic() > give_up:
                return [f"after {seconds:.0f} s {line}" for line in waiting]
            await asyncio.sleep(0.3)

    async def _waiting(self) -> list[str]:
        connection = await asyncpg.connect(self.database.superuser_url)
        try:
            outbox = await connection.fetchval("SELECT count(*) FROM outbox")
            # The relay writes to the log before it empties the outbox: read in this order, nothing can slip through.
            ends = await log_ends(self.brokers, self.topics)
            rows = await connection.fetch("SELECT topic, shard, position FROM shard_position")
        finally:
            await connection.close()
        stands = {(row["topic"], row["shard"]): row["position"] for row in rows}
        lines = [f"{outbox} rows wait in the outbox"] if outbox else []
        return lines + [
            f"{topic}[{partition}] stands at {stands.get((topic, partition))}, the log ends at {end}"
            for (topic, partition), end in ends.items()
            if stands.get((topic, partition)) != end
        ]

    async def audit(self, sent: Sent) -> list[str]:
        """Every difference, as the books and the log are now. Nothing may be written to either any more."""
        differences = await audit(self.database.superuser_url, sent)
        return differences + await audit_log(self.database.superuser_url, self.brokers, self.topics)
