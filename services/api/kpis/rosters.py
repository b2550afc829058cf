"""Rosters by version, kept: a version never changes, and every figure is resolved by one."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from services.core.roster import Record, Roster
from services.store import roster as store

_MOST: Final = 8


@dataclass(frozen=True, slots=True)
class DatedRoster:
    """One version: its lookups and its records."""

    version: int
    roster: Roster
    records: tuple[Record, ...]


@dataclass(slots=True)
class Rosters:
    """The versions lately asked for; safe to share between requests, for each entry is immutable."""

    _kept: OrderedDict[int, DatedRoster] = field(default_factory=OrderedDict)

    async def at(self, connection: asyncpg.Connection, version: int) -> DatedRoster:
        """The roster at a version that exists."""
        found = self._kept.get(version)
        if found is None:
            stored = await store.load(connection, version)
            if stored is None:
                raise LookupError(f"roster version {version}")
            found = self._kept[version] = DatedRoster(version, stored.roster(), tuple(stored.records.values()))
        self._kept.move_to_end(version)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return found
