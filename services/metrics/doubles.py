"""Find identities that were recorded in two shards, and withdraw the later recording by a system event."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import asyncpg
import orjson
import structlog

from schemas.envelope import RESERVED_SOURCE
from services.store import doubles, heads, outbox, upkeep
from services.store.borrow import borrow
from services.store.doubles import Entry, Page
from services.store.locks import try_lock

log = structlog.get_logger(__name__)

LOCK = "kaohe.doubles"
PAGE_EVENTS = 5_000
REST = 9.0  # times as long as the last run took: looking for doubles takes a tenth of one database core at most
WITHDRAWN = "kaohe.event.withdrawn.v1"
HEADERS = (("content-type", b"application/cloudevents+json"),)


def withdrawal(source: str, event_id: str, withdrawn: Entry) -> bytes:
    """Return the system event that withdraws a double: the same bytes whoever makes it and whenever.

    Its time is that of the withdrawn event, so that at no instant the double stands in a figure: it is a fault of transport,
    not something that happened and was later undone.
    """
    instant = datetime.fromtimestamp(withdrawn.time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": doubles.withdrawal_id(source, event_id, withdrawn.case_id),
            "source": RESERVED_SOURCE,
            "type": WITHDRAWN,
            "time": instant.replace("+00:00", "Z"),
            "partitionkey": withdrawn.case_id,
            "datacontenttype": "application/json",
            "data": {"target": event_id, "target_source": source},
        }
    )


class DoubleFinder:
    """Looks through new commits, a page of each shard at a time, so that a backlog never makes one run long."""

    def __init__(self, pool: asyncpg.Pool, topic: str, *, on_found: Callable[[int], None] = lambda _: None) -> None:
        self._pool = pool
        self._topic = topic
        self._on_found = on_found
        self._rest_until = 0.0

    async def sweep(self) -> None:
        """Look through the next page of every shard, if no other worker does and the last run is long enough ago."""
        begun = time.monotonic()
        if begun < self._rest_until:
            return
        async with borrow(self._pool) as connection, try_lock(connection, LOCK) as mine:
            if mine:
                for page in await doubles.pages(connection, PAGE_EVENTS):
                    await self._look_through(connection, page)
        self._rest_until = time.monotonic() + REST * (time.monotonic() - begun)

    async def _look_through(self, connection: asyncpg.Connection, page: Page) -> None:
        found = await doubles.found_in(connection, page)
        withdrawn = 0
        async with connection.transaction():
            for identity, entries in sorted(found.items()):
                withdrawn += await self._withdraw(connection, identity, entries)
            await upkeep.advance(connection, doubles.JOB, page.shard, page.upto)
        if withdrawn:
            self._on_found(withdrawn)
            log.warning("doubles.withdrawn", shard=page.shard, identities=len(found), events=withdrawn)

    async def _withdraw(
        self, connection: asyncpg.Connection, identity: tuple[str, str], entries: Sequence[Entry]
    ) -> int:
        """List the double and put its withdrawal into the outbox of its shard, both once; returns how many were new."""
        kept, later = doubles.judge(entries)
        new = 0
        for entry in sorted(later, key=lambda entry: entry.shard):
            if not await doubles.record(connection, identity, kept, entry):
                continue
            head = await heads.lock_head(connection, entry.shard)
            row = (self._topic, entry.shard, entry.case_id.encode(), withdrawal(*identity, entry))
            await outbox.put(connection, entry.shard, head.seq, row, HEADERS)
            new += 1
        return new
