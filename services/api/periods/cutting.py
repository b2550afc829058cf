"""Fixing what a snapshot is a function of: one short transaction that checks and cuts in the same state of the database.

What was waited for before is below the cut, but so is whatever was committed since. Hence inside the transaction: nothing open, and no
identity that counts twice, be it found and not withdrawn yet or not found yet. A withdrawal that is under way is waited for.
"""

from __future__ import annotations

import asyncio
from typing import cast

import asyncpg

from services.api.context import Context
from services.api.periods import refusals
from services.api.periods.catching_up import POLL_SECONDS, NotCaughtUp
from services.api.periods.schemas import FreezeRequest
from services.core.kpi.version import CORE_VERSION
from services.core.roster import Roster
from services.store import freezing, roster
from services.store.freezing import Cut


async def cut(context: Context, request: FreezeRequest, reason: str, deadline: float) -> tuple[Cut, Roster]:
    """The cut and the roster of its version. Raises NotCaughtUp at `deadline` (the loop's time), Problem while items are open."""
    while True:
        try:
            return await _attempt(context, request, reason)
        except NotCaughtUp:
            if asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(POLL_SECONDS)


async def _attempt(context: Context, request: FreezeRequest, reason: str) -> tuple[Cut, Roster]:
    async with context.pool.acquire() as pooled, pooled.transaction(isolation="repeatable_read"):
        connection = cast("asyncpg.Connection", pooled)
        await _check(connection, request)
        stored = await roster.load(connection)
        version = stored.version if stored is not None else 0
        people = stored.roster() if stored is not None else Roster.of(())
        return await freezing.fix_cut(connection, reason, version, CORE_VERSION), people


async def _check(connection: asyncpg.Connection, request: FreezeRequest) -> None:
    items = await freezing.open_items(connection)
    if items and request.force is None:
        raise refusals.open_items(items)
    twice = await freezing.doubles_standing(connection)
    if twice:
        raise NotCaughtUp(
            tuple(f"{source} {event_id} stands twice until it is withdrawn" for source, event_id in twice)
        )
