"""Sending a stream of events with a progress bar; shared by the commands that send."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from services.simulator.delivery.receipt import Delivery, Receipt
    from services.simulator.occurrence import Event

_SHOWN = 10


class Rate(ProgressColumn):
    """Events a second."""

    def render(self, task: Task) -> Text:
        """The rate, nothing before it is known."""
        rate = task.finished_speed or task.speed
        return Text("" if rate is None else f"{rate:,.0f}/s", style="progress.data.speed")


async def send_all(
    batches: AsyncIterable[list[Event]], delivery: Delivery, *, total: int, title: str, console: Console
) -> Receipt:
    """Send batches in order under a progress bar. Raises DeliveryError."""
    from services.simulator.delivery.receipt import Receipt

    receipt = Receipt(0)
    with progress_bar(console) as progress:
        task = progress.add_task(title, total=total)
        async for batch in batches:
            receipt += await delivery.send(batch)
            progress.advance(task, len(batch))
    return receipt


def progress_bar(console: Console) -> Progress:
    """The one look of progress."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("events"),
        Rate(),
        TimeRemainingColumn(),
        console=console,
    )


async def chopped(events: Sequence[Event], size: int) -> AsyncIterator[list[Event]]:
    """Batches of at most `size` events."""
    for at in range(0, len(events), size):
        yield list(events[at : at + size])


def show_rejections(receipt: Receipt, console: Console) -> None:
    """The first refused events, with where and why."""
    if not receipt.rejections:
        return
    table = Table("event", "where", "why", box=None, header_style="bold")
    for rejection in receipt.rejections[:_SHOWN]:
        table.add_row(rejection.id, rejection.pointer or "-", rejection.reason)
    console.print(f"[red]{len(receipt.rejections)} events were refused:[/red]")
    console.print(table)
    if len(receipt.rejections) > _SHOWN:
        console.print(f"… and {len(receipt.rejections) - _SHOWN} more")
