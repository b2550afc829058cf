"""`kaohe up`, `kaohe status`, `kaohe down`: everything on one machine, with nothing but Python."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from services.stack.stack import Stack
    from services.stack.state import ProcessReport, StackState

NOT_RUNNING = 3  # as service managers answer
UNHEALTHY = 1

Home = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder of the stack's data and logs (KAOHE_HOME; default ./.kaohe).", show_default=False
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up")(up)
    app.command("status")(status)
    app.command("down")(down)


def up(
    home: Home = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay in the foreground; Ctrl-C stops the stack.")
    ] = False,
) -> None:
    """Start Kafka, PostgreSQL and Kaohe on this machine, and wait until all of it is healthy.

    Needs nothing but Python: no Docker, Java or PostgreSQL. Data survive `kaohe down`. With KAOHE_KAFKA_BROKERS, or
    KAOHE_DATABASE_URL and KAOHE_OWNER_DATABASE_URL set, those servers are used and none is started in their place.
    """
    console = Console()
    stack = _stack(home)
    if foreground:
        _foreground(stack, console)
        return
    with console.status("Starting …") as line:
        started = stack.up(on_message=lambda message: line.update(f"{message.capitalize()} …") if message else None)
    if started.already_up:
        console.print("The stack is up already.")
    key = asyncio.run(_bootstrap_key(stack))
    _print_addresses(console, stack, started.state, key)


def status(
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show each process of the stack: state, pid, uptime, restarts, health; and how far the metrics lag behind the log.

    Exit code 0: all healthy; 1: something is not; 3: no stack runs here.
    """
    import orjson

    console = Console()
    stack = _stack(home)
    state = stack.status()
    if state is None:
        console.print(f"No stack runs in {stack.home}. Start it with `kaohe up`.", highlight=False)
        raise typer.Exit(NOT_RUNNING)
    healthy = state.phase == "running" and all(process.state == "healthy" for process in state.processes)
    lag = asyncio.run(_lag(stack)) if state.phase == "running" else None
    if as_json:
        print(orjson.dumps({"state": state, "lag": lag, "healthy": healthy}, option=orjson.OPT_INDENT_2).decode())
    else:
        _print_status(console, state, lag)
    if not healthy:
        raise typer.Exit(UNHEALTHY)


def down(
    home: Home = None,
    erase: Annotated[bool, typer.Option("--erase", help="Also remove all data, for good.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before erasing.")] = False,
) -> None:
    """Stop everything, gracefully and within bounds. Data are kept, unless --erase is given.

    Servers that Kaohe did not start (KAOHE_KAFKA_BROKERS, KAOHE_DATABASE_URL) are never touched.
    """
    console = Console()
    stack = _stack(home)
    if erase and not yes:
        typer.confirm(f"Remove every event, figure and frozen score in {stack.home}?", abort=True)
    with console.status("Stopping …"):
        stopped = stack.down()
    console.print("Stopped." if stopped else "No stack was running.")
    if erase:
        removed = stack.erase()
        console.print(f"Removed {len(removed)} entries of {stack.home}." if removed else "There were no data.")
    elif stopped:
        console.print(f"Data are kept in {stack.home}; `kaohe up` continues with them.", highlight=False)


def _stack(home: Path | None) -> Stack:
    from services.runtime.settings import StackSettings
    from services.stack.errors import LocalExtraMissing

    try:
        from services.stack.stack import Stack
    except ModuleNotFoundError as error:
        raise LocalExtraMissing(str(error.name)) from error
    return Stack(StackSettings() if home is None else StackSettings(home=home))


def _foreground(stack: Stack, console: Console) -> None:
    """Supervise in this process, telling each phase."""
    from services.runtime.logging import configure
    from services.stack.state import supervising
    from services.stack.supervisor import Supervisor

    configure("WARNING")

    async def supervise() -> None:
        def told(state: StackState) -> None:
            if state.phase == "running":
                ready.append(asyncio.create_task(announce(state)))
            elif state.phase != "failed" and state.message:
                console.print(f"{state.message.capitalize()} …", highlight=False)

        async def announce(state: StackState) -> None:
            _print_addresses(console, stack, state, await _bootstrap_key(stack))
            console.print("Ctrl-C stops the stack.")

        ready: list[asyncio.Task[None]] = []
        await Supervisor(stack.settings, on_phase=told).run()

    with supervising(stack.home) as held:
        if not held:
            console.print("The stack is up already, in the background.")
            return
        asyncio.run(supervise())
    console.print("Stopped.")


async def _bootstrap_key(stack: Stack) -> str | None:
    """The first API key, made when there is none; it is shown once and stored nowhere in the clear."""
    import asyncpg

    from services.store.keys import ensure_bootstrap_key

    connection = await asyncpg.connect(stack.environment()["KAOHE_DATABASE_URL"])
    try:
        return await ensure_bootstrap_key(connection)
    finally:
        await connection.close()


async def _lag(stack: Stack) -> dict[str, int] | None:
    """Records per topic that are in the log and not yet in PostgreSQL; None when either does not answer."""
    import asyncpg
    from aiokafka.errors import KafkaError

    from services.stack.lag import lag_by_topic

    try:
        return await lag_by_topic(stack.environment())
    except (KafkaError, OSError, TimeoutError, asyncpg.PostgresError):
        return None


def _print_addresses(console: Console, stack: Stack, state: StackState, key: str | None) -> None:
    for name in ("API", "Ingest", "Kafka", "Database"):
        console.print(f"[bold]{name:<10}[/bold] {state.addresses.get(name, '')}", highlight=False, soft_wrap=True)
    console.print(f"[bold]{'Data, logs':<10}[/bold] {stack.home}", highlight=False, soft_wrap=True)
    if key is not None:
        console.print(f"\n[bold]API key[/bold] (all scopes; shown this once): [green]{key}[/green]", soft_wrap=True)


def _print_status(console: Console, state: StackState, lag: dict[str, int] | None) -> None:
    from services.runtime.clock import SystemClock

    now = SystemClock().now_ms()
    table = Table("process", "state", "pid", "up", "restarts", box=None, header_style="bold")
    table.add_column("address", overflow="fold")
    table.add_column("", overflow="fold")
    for process in state.processes:
        table.add_row(*_row(process, now))
    console.print(table, highlight=False)
    if state.message:
        console.print(f"{state.phase}: {state.message}", highlight=False, markup=False)
    if lag is None:
        console.print("Lag: unknown, Kafka or PostgreSQL does not answer.")
    else:
        console.print("Lag: " + ", ".join(f"{topic} {records:,} records" for topic, records in lag.items()))


def _row(process: ProcessReport, now_ms: int) -> tuple[str, ...]:
    colour = {"healthy": "green", "starting": "yellow", "stopped": "dim"}.get(process.state, "red")
    up = "" if process.pid is None or process.started_ms is None else duration(now_ms - process.started_ms)
    pid = "" if process.pid is None else str(process.pid)
    state = f"[{colour}]{process.state}[/{colour}]"
    return process.name, state, pid, up, str(process.restarts), process.address, process.detail


def duration(milliseconds: int) -> str:
    """A duration in its two largest units.

    >>> duration(61_000), duration(90_000_000)
    ('1m 01s', '1d 01h')
    """
    seconds = max(0, milliseconds) // 1000
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02}s"
    if seconds < 86400:
        return f"{seconds // 3600}h {seconds % 3600 // 60:02}m"
    return f"{seconds // 86400}d {seconds % 86400 // 3600:02}h"
