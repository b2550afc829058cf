"""Events go out, figures come in: the leaderboard moves while a month is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import httpx
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import Progress

from services.cli.sending import chopped, progress_bar
from services.cli.showing.api import Api, ApiError
from services.cli.showing.board import INDICATORS, Row, leaderboard, rows_of
from services.simulator.delivery.receipt import Delivery
from services.simulator.occurrence import Event

_REFRESH_SECONDS = 0.5  # no more often, however quickly changes come
_QUIET_SECONDS = 2.0


async def watched(api: Api, way: Delivery, events: Sequence[Event], month: str, console: Console) -> int:
    """Send events while the leaderboard shows what they do to the figures; how many were accepted.

    Where there is no terminal there is nothing to watch: only the sending is told.
    """
    progress = progress_bar(console)
    if not console.is_terminal:
        with progress:
            return await _sent(way, events, progress)
    with Live(console=console, refresh_per_second=4, transient=True) as screen:
        moving = asyncio.create_task(_refreshed(api, month, screen, progress))
        try:
            return await _sent(way, events, progress)
        finally:
            moving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await moving


async def _sent(way: Delivery, events: Sequence[Event], progress: Progress) -> int:
    task = progress.add_task("sent", total=len(events))
    accepted = 0
    async for batch in chopped(events, way.batch):
        accepted += (await way.send(batch)).accepted
        progress.advance(task, len(batch))
    return accepted


async def _refreshed(api: Api, month: str, screen: Live, progress: Progress) -> None:
    """Read the figures anew whenever the stream says that something changed."""
    changed = asyncio.Event()
    stream = asyncio.create_task(_told(api, changed))
    try:
        while True:
            screen.update(Group(progress, await board(api, month)))
            changed.clear()
            await asyncio.sleep(_REFRESH_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _QUIET_SECONDS)
    finally:
        stream.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stream


async def _told(api: Api, changed: asyncio.Event) -> None:
    """Set `changed` for each event of the stream; without a stream the board is read at intervals."""
    with contextlib.suppress(ApiError, httpx.HTTPError):
        async for _ in api.changes(level="team"):
            changed.set()


async def board(api: Api, month: str) -> RenderableType:
    """The leaderboard as it stands."""
    teams, engineers = await asyncio.gather(
        api.kpis("team", month, INDICATORS), api.kpis("engineer", month, INDICATORS)
    )
    return leaderboard(_known(rows_of(teams)), rows_of(engineers), month)


def _known(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.figures]
