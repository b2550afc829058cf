"""Events go out, figures come in: the leaderboard moves while a month is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import Progress

from services.cli.sending import chopped, progress_bar
from services.cli.showing.api import JSON, Api
from services.cli.showing.board import INDICATORS, leaderboard, rows_of
from services.simulator.delivery.receipt import Delivery
from services.simulator.occurrence import Event

_REFRESH_SECONDS = 0.5  # the engineers' figures are read no more often, however quickly changes come


@dataclass(slots=True)
class Watcher:
    """Holds the teams' figures as the stream pushes them. `pushes` counts its messages."""

    api: Api
    month: str
    teams: Sequence[str]
    pushes: int = 0
    figures: dict[tuple[str, str], JSON] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Take in what is pushed, until cancelled."""
        async for figures in self.api.pushed("team", self.month, self.teams, INDICATORS):
            self.pushes += 1
            self.figures |= {(figure["indicator"], figure["subject"]["id"]): figure for figure in figures}
            self.changed.set()

    async def redraw(self, screen: Live, progress: Progress) -> None:
        """Show the board anew at each change, until cancelled."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            engineers = await self.api.kpis("engineer", self.month, INDICATORS)
            screen.update(Group(progress, leaderboard(rows_of(self.figures.values()), rows_of(engineers), self.month)))
            await asyncio.sleep(_REFRESH_SECONDS)


async def watched(watcher: Watcher, way: Delivery, events: Sequence[Event], console: Console) -> int:
    """Send events while the leaderboard shows what they do to the figures; how many were accepted.

    Where there is no terminal there is nothing to watch: the stream is heard, and only the sending is told.
    """
    progress = progress_bar(console)
    async with _beside(watcher.listen()):
        if not console.is_terminal:
            with progress:
                return await _sent(way, events, progress)
        with Live(progress, console=console, refresh_per_second=4, transient=True) as screen:
            async with _beside(watcher.redraw(screen, progress)):
                return await _sent(way, events, progress)


async def board(api: Api, month: str) -> RenderableType:
    """The leaderboard as it stands, with what belongs to nobody."""
    teams, engineers = await asyncio.gather(
        api.kpis("team", month, INDICATORS), api.kpis("engineer", month, INDICATORS)
    )
    return leaderboard(rows_of(teams), rows_of(engineers), month)


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run endless work beside the block; what goes wrong in it is raised at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _sent(way: Delivery, events: Sequence[Event], progress: Progress) -> int:
    task = progress.add_task("sent", total=len(events))
    accepted = 0
    async for batch in chopped(events, way.batch):
        accepted += (await way.send(batch)).accepted
        progress.advance(task, len(batch))
    return accepted
