"""Waiting until everything that was in the log when the freeze was asked for has been counted.

Read the log ends E → every stored position ≥ E → the search for doubles has passed these commits → the outbox of these commits is
acknowledged → read the ends again, for what was forwarded or withdrawn meanwhile → every position ≥ E'. Later arrivals are not waited
for: they are above the cut, or below it by chance, and the cut itself (`cutting.py`) makes sure that none of those counts twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.api.context import Context
from services.runtime.log_ends import LogEnds
from services.store import freezing

POLL_SECONDS = 0.1


@dataclass(eq=False)  # not frozen: context managers set a passing exception's traceback
class NotCaughtUp(Exception):  # noqa: N818 - a state, not a mistake
    """What the shards still had to do when the time was up, in words."""

    waiting_for: tuple[str, ...]


async def catch_up(context: Context, log_ends: LogEnds, deadline: float) -> None:
    """Return when the shards have caught up. Raises NotCaughtUp at `deadline` (the loop's time), LogEndsUnavailable."""
    asked = await log_ends.ends()
    await _until(lambda: _lagging(context, asked), deadline)
    async with context.reading() as connection:
        counted = await freezing.heads_of(connection)
    await _until(lambda: _unsearched(context, counted), deadline)
    async with context.reading() as connection:
        searched = await freezing.heads_of(connection)
    await _until(lambda: _unsent(context, searched), deadline)
    forwarded = await log_ends.ends()
    await _until(lambda: _lagging(context, forwarded), deadline)


async def _until(remaining: Callable[[], Awaitable[tuple[str, ...]]], deadline: float) -> None:
    loop = asyncio.get_running_loop()
    while waiting := await remaining():
        if loop.time() >= deadline:
            raise NotCaughtUp(waiting)
        await asyncio.sleep(POLL_SECONDS)


async def _lagging(context: Context, ends: dict[tuple[str, int], int]) -> tuple[str, ...]:
    async with context.reading() as connection:
        lags = await freezing.lags(connection, ends)
    return tuple(
        f"{lag.topic}[{lag.shard}] stands at {'nothing' if lag.position is None else lag.position} of {lag.end}"
        for lag in lags
    )


async def _unsearched(context: Context, heads: dict[int, int]) -> tuple[str, ...]:
    async with context.reading() as connection:
        behind = await freezing.doubles_behind(connection, heads)
    return tuple(f"the search for doubles has not passed shard {shard}" for shard in behind)


async def _unsent(context: Context, heads: dict[int, int]) -> tuple[str, ...]:
    async with context.reading() as connection:
        waiting = await freezing.outbox_waiting(connection, heads)
    return (f"{waiting} outbox records are not acknowledged",) if waiting else ()
