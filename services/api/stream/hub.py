"""One poller for all streams: it sees what changed, wakes the questions that are touched, and those whose hour has come."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import structlog
from prometheus_client import Gauge

from services.api.context import Context
from services.api.kpis.service import KpiQuestion
from services.api.stream.groups import Group, Viewer, compute
from services.store import changes, roster
from services.store.changes import Heads

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 0.15
APART_SECONDS: Final = 0.25
MOST_APART_SECONDS: Final = 0.75
"""Figures of one question are read again after twice the time that reading them took, within these bounds: a large question under load
leaves the machine to others, and still every viewer is told within a second."""
RETRY_SECONDS: Final = 1.0
FAULTS: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

VIEWERS = Gauge("kaohe_api_stream_viewers", "Open streams")
QUESTIONS = Gauge("kaohe_api_stream_questions", "Different questions that open streams ask")


class Hub:
    """Shared by all streams of a process. Holds no figures that PostgreSQL does not have."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._groups: dict[Hashable, Group] = {}
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._starting = asyncio.Lock()
        self._known: set[str] = set()
        self._heads: Heads | None = None
        self.stale = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Poll while the block runs."""
        poller = asyncio.create_task(self._poll(), name="stream-poller")
        try:
            yield
        finally:
            tasks = [poller, *self._tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @asynccontextmanager
    async def viewing(self, question: KpiQuestion) -> AsyncIterator[tuple[Viewer, Group]]:
        """A viewer of the question. The group's figures are complete when the block begins; later changes reach the viewer."""
        viewer = Viewer()
        group = await self._join(question, viewer)
        VIEWERS.inc()
        try:
            yield viewer, group
        finally:
            VIEWERS.dec()
            self._leave(question, group, viewer)

    async def _join(self, question: KpiQuestion, viewer: Viewer) -> Group:
        async with self._starting:
            group = self._groups.get(question)
            if group is None:
                group = Group(question)
                await compute(self._context, group)
                self._groups[question] = group
                self._tasks[question] = asyncio.create_task(self._follow(group), name="stream-question")
                group.dirty.set()  # what happened between the reading and now
                QUESTIONS.set(len(self._groups))
            group.viewers.append(viewer)
            return group

    def _leave(self, question: KpiQuestion, group: Group, viewer: Viewer) -> None:
        group.viewers.remove(viewer)
        if not group.viewers:
            del self._groups[question]
            self._tasks.pop(question).cancel()
            QUESTIONS.set(len(self._groups))

    async def _follow(self, group: Group) -> None:
        """Read a question anew whenever it is dirty, and leave what changed for its viewers."""
        loop = asyncio.get_running_loop()
        while True:
            await group.dirty.wait()
            group.dirty.clear()
            began = loop.time()
            try:
                moved = await compute(self._context, group)
            except Exception as fault:
                log.warning("stream.unread", fault=type(fault).__name__, exc_info=not isinstance(fault, FAULTS))
                group.dirty.set()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if moved and group.as_of is not None and group.seen is not None:
                for viewer in group.viewers:
                    viewer.give(moved, group.as_of, group.seen)
            await asyncio.sleep(min(max(APART_SECONDS, 2 * (loop.time() - began)), MOST_APART_SECONDS))

    async def _poll(self) -> None:
        while True:
            try:
                await self._look()
            except Exception as fault:
                if not self.stale:
                    log.warning("stream.stale", fault=type(fault).__name__, exc_info=not isinstance(fault, FAULTS))
                self.stale = True
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.stale = False
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self) -> None:
        """See what changed since the last look. Nobody watching: nothing is read, and the next look starts anew."""
        if not self._groups:
            self._heads = None
            return
        async with self._context.pool.acquire() as pooled:
            connection = self._context.plain(pooled)
            heads = await changes.heads(connection)
            before = self._heads
            if before is None:
                self._known.update(await roster.actors(connection))
                touched: set[str] = set()
            elif heads.seqs != before.seqs:
                touched = await changes.touched(connection, before.seqs, heads.seqs)
            else:
                touched = set()
        self._heads = heads
        self._wake(touched, everybody=before is None or heads.roster_version != before.roster_version)

    def _wake(self, touched: set[str], *, everybody: bool) -> None:
        # An actor never seen before belongs to no question yet; which one it concerns shows when they are read anew.
        everybody = everybody or not touched <= self._known
        self._known |= touched
        now_ms = self._context.clock.now_ms()
        for group in self._groups.values():
            if everybody or now_ms >= group.wake_ms or group.is_touched(touched):
                group.dirty.set()


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """True when the event came within the time."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
