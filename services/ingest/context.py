"""What a gateway process consists of, put together once."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Self

import asyncpg

from services.ingest.admission import Admission
from services.ingest.gate import Gate
from services.ingest.gateway import Gateway
from services.ingest.ledgercases import LedgerTable, RecentCases
from services.ingest.outlet import Outlet
from services.ingest.settings import GatewaySettings
from services.ingest.telemetry import Telemetry
from services.runtime.clock import Clock
from services.runtime.keyring import Keyring
from services.runtime.security import ApiKey, KeysUnavailable
from services.store.database import create_pool
from services.store.keys import KeyTable

_CONNECTIONS = 4


class LazyPool:
    """A pool that is opened when it is first needed: the gateway starts, and serves known keys, without the database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def get(self) -> asyncpg.Pool:
        """Return the open pool. Raises OSError or asyncpg.PostgresError when nobody answers."""
        async with self._opening:
            if self._pool is None:
                self._pool = await create_pool(self._url, size=_CONNECTIONS)
            return self._pool

    async def find_key(self, prefix: str) -> ApiKey | None:
        """Look a key up. Raises KeysUnavailable."""
        try:
            async with asyncio.timeout(3.0):
                pool = await self.get()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
            raise KeysUnavailable(f"{type(fault).__name__}: {fault}") from fault
        return await KeyTable(pool).find(prefix)

    async def close(self) -> None:
        """Close what was opened, without waiting for a database that does not answer."""
        if self._pool is not None:
            with contextlib.suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.wait_for(self._pool.close(), 2.0)


@dataclass(frozen=True, slots=True)
class Context:
    """The parts that endpoints use."""

    settings: GatewaySettings
    pool: LazyPool
    keyring: Keyring
    gate: Gate
    outlet: Outlet
    gateway: Gateway
    telemetry: Telemetry

    @classmethod
    def build(cls, settings: GatewaySettings, clock: Clock) -> Self:
        """Put the parts together; nothing is opened yet."""
        pool = LazyPool(settings.database_url)
        gate = Gate(settings.ingest_in_flight_bytes)
        outlet = Outlet(
            settings.kafka_brokers,
            settings.events_topic,
            settings.partitions,
            gate,
            ack_seconds=settings.ingest_ack_seconds,
        )
        recent, telemetry = RecentCases(), Telemetry()
        ledger = LedgerTable(pool.get, settings.partitions)
        gateway = Gateway(Admission(settings, clock, ledger.find, recent), outlet, recent, telemetry)
        return cls(settings, pool, Keyring(pool.find_key, clock), gate, outlet, gateway, telemetry)

    async def close(self) -> None:
        """Flush what is under way, then close."""
        await self.outlet.stop(self.settings.ingest_drain_seconds)
        await self.pool.close()
