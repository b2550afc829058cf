"""The case of an event that a correction names: from the ledger, or from what this process sent a moment ago."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, cast

import asyncpg

from services.ingest.verdicts import Admitted
from services.store.ledger import Identity
from services.store.ledger_lookup import find_cases

FindCases = Callable[[Sequence[Identity]], Awaitable[Mapping[Identity, Sequence[str]]]]
"""The cases of recorded events. Raises LedgerUnavailable."""

_REMEMBERED: Final = 65_536


class LedgerUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """The ledger cannot be asked right now"""


class LedgerTable:
    """Asks PostgreSQL, with a bound on the wait."""

    def __init__(
        self, pool: Callable[[], Awaitable[asyncpg.Pool]], partitions: int, *, timeout_seconds: float = 3.0
    ) -> None:
        self._pool = pool
        self._partitions = partitions
        self._timeout = timeout_seconds

    async def find(self, identities: Sequence[Identity]) -> Mapping[Identity, Sequence[str]]:
        """Return the cases of the recorded ones. Raises LedgerUnavailable."""
        try:
            async with asyncio.timeout(self._timeout), (await self._pool()).acquire() as connection:
                return await find_cases(cast("asyncpg.Connection", connection), identities, self._partitions)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
            raise LedgerUnavailable(f"{type(fault).__name__}: {fault}") from fault


class RecentCases:
    """Identities that this process saw acknowledged, the latest ones: the workers may not have recorded them yet."""

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._most = most
        self._cases: OrderedDict[Identity, str] = OrderedDict()

    def remember(self, sent: Admitted) -> None:
        """Note an acknowledged event."""
        self._cases[sent.source, sent.id] = sent.partitionkey
        if len(self._cases) > self._most:
            self._cases.popitem(last=False)

    def find(self, identity: Identity) -> str | None:
        """Return the case of an event sent lately."""
        return self._cases.get(identity)
