"""The keys that a process has seen lately, so that a request need not wait for the database, nor an outage stop known clients.

A key is asked for again after a few seconds, so a revocation acts within them. While the database is away the last
answer stands, for a bounded time: a key cannot be revoked then anyway.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.runtime.clock import Clock
from services.runtime.security import ApiKey, KeysUnavailable, KeyUnknown, check, presented_key, split_key

FindKey = Callable[[str], Awaitable[ApiKey | None]]
"""Looks a key up by its prefix. Raises KeysUnavailable."""

FRESH_MS: Final = 5_000
STALE_MS: Final = 15 * 60_000
_MOST: Final = 4_096


@dataclass(frozen=True, slots=True)
class _Seen:
    key: ApiKey | None
    at_ms: int


class Keyring:
    """Authenticates requests. Not shared between processes."""

    def __init__(self, find: FindKey, clock: Clock, *, fresh_ms: int = FRESH_MS, stale_ms: int = STALE_MS) -> None:
        self._find = find
        self._clock = clock
        self._fresh_ms = fresh_ms
        self._stale_ms = stale_ms
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    async def authenticate(self, headers: Mapping[str, str]) -> ApiKey:
        """The key of a request. Raises KeyRefused (401), or KeysUnavailable for a key not seen lately while the database is away."""
        parts = split_key(presented_key(headers))
        if parts is None:
            raise KeyUnknown
        prefix, secret = parts
        return check(secret, await self._lookup(prefix), self._clock.now_ms())

    async def _lookup(self, prefix: str) -> ApiKey | None:
        seen = self._seen.get(prefix)
        now_ms = self._clock.now_ms()
        if seen is not None and now_ms - seen.at_ms < self._fresh_ms:
            return seen.key
        try:
            key = await self._find(prefix)
        except KeysUnavailable:
            if seen is not None and seen.key is not None and now_ms - seen.at_ms < self._stale_ms:
                return seen.key
            raise
        self._remember(prefix, _Seen(key, now_ms))
        return key

    def _remember(self, prefix: str, seen: _Seen) -> None:
        self._seen[prefix] = seen
        self._seen.move_to_end(prefix)
        # Guessed prefixes push each other out; a key in use is asked for every few seconds and stays.
        while len(self._seen) > _MOST:
            self._seen.popitem(last=False)
