"""`kaohe demo`: the whole of it in two minutes, each step checked."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from types import FrameType

    from services.stack.stack import Stack

FAILED = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="End by itself; exit code 0 only if every step held.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another month.")] = 7,
    home: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which the demo makes its own, called demo. Default: KAOHE_HOME.", show_default=False
        ),
    ] = None,
) -> None:
    """See it work: a month of events, figures that move, a frozen score that explains itself.

    Starts Kafka, PostgreSQL and Kaohe on free ports and in a folder of its own, simulates last month, imports real incidents, freezes the month,
    prints one person's statement line by line and verifies it. A stack started with `kaohe up` is not touched.
    """
    from services.cli.showing.steps import Show

    console = Console()
    stack = _stack(home)
    signal.signal(signal.SIGTERM, _interrupt)  # whoever ends the demo ends its stack
    stack.down()
    stack.erase()  # the last demo's month would be refused as frozen already
    show = Show(stack, console, seed=seed)
    try:
        show.up()
        asyncio.run(show.run(stay=not once))
    except KeyboardInterrupt:
        if not show.complete:
            raise
    finally:
        with console.status("Stopping …"):
            stack.down()
    if show.failures:
        raise typer.Exit(FAILED)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stack(home: Path | None) -> Stack:
    """A stack of its own: own folder, free ports, own servers whatever the environment says."""
    from services.runtime.settings import StackSettings
    from services.stack.ports import free_port
    from services.stack.stack import Stack

    for name in ("KAFKA_BROKERS", "DATABASE_URL", "OWNER_DATABASE_URL", "KAFKA_PORT", "POSTGRES_PORT", "INPUT_TOPICS"):
        os.environ.pop(f"KAOHE_{name}", None)
    # Always a folder of its own, for it is erased: the home of a real stack may be named without harm.
    folder = (home or Path(os.environ.get("KAOHE_HOME") or ".kaohe")) / "demo"
    return Stack(StackSettings(home=folder, ingest_port=free_port(), api_port=free_port()))
