"""`kaohe keys`: API keys, made, listed and revoked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from services.cli.errors import CommandError

if TYPE_CHECKING:
    import asyncpg

    from services.store.keys import ListedKey

Result = TypeVar("Result")

keys = typer.Typer(
    name="keys", help="API keys: who may send events, read figures, freeze and administer.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(keys)


@keys.command()
def create(
    label: Annotated[str, typer.Argument(help="Whose key it is, in words: crm production, Grafana …")],
    *,
    scope: Annotated[list[str], typer.Option(help="ingest, read, freeze or admin; repeat for several.")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Event source that the key may send as: an exact name, or a prefix ending in *; repeat for several."
        ),
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Days until it expires; without it, never.")] = None,
) -> None:
    """Make a key and print it: it is shown this once and stored as a hash only.

    To rotate a key make a second one, move the clients, then revoke the first: both work meanwhile.
    """
    from services.runtime.security import Scope
    from services.store import keys as store

    try:
        scopes = [Scope(name) for name in dict.fromkeys(scope)]
    except ValueError as fault:
        raise CommandError(f"{fault}: scopes are {', '.join(Scope)}") from None
    if Scope.INGEST in scopes and not source:
        raise CommandError('a key with the scope ingest needs at least one --source ("*" for any)')
    expires_at = _in_days(days) if days else None
    made = _with_database(
        lambda connection: store.create(
            connection, label=label, scopes=scopes, sources=source or [], expires_at=expires_at
        )
    )
    Console(stderr=True).print(f"[green]{made.key_id}[/green] made. Keep this key: it is not shown again.")
    typer.echo(made.plain)


@keys.command("list")
def list_keys() -> None:
    """List the keys: what each may do, until when, and when it was last used."""
    from services.store import keys as store

    table = Table(
        "id", "prefix", "label", "scopes", "sources", "state", "last used (UTC)", box=None, header_style="bold"
    )
    for listed in _with_database(store.listed):
        key = listed.key
        used = f"{listed.last_used_at.astimezone(UTC):%Y-%m-%d %H:%M}" if listed.last_used_at else "never"
        table.add_row(
            key.key_id,
            key.prefix,
            key.label,
            " ".join(sorted(key.scopes)),
            " ".join(key.sources) or "-",
            _state(listed),
            used,
        )
    Console().print(table)


@keys.command()
def revoke(key: Annotated[str, typer.Argument(help="Id or prefix of the key, as `kaohe keys list` shows it.")]) -> None:
    """End a key for good. Running services stop taking it within seconds."""
    from services.store import keys as store

    revoked = _with_database(lambda connection: store.revoke(connection, key))
    if revoked is None:
        raise CommandError(f"there is no key {key}: `kaohe keys list` shows them")
    Console().print(f"{revoked.key_id} ({revoked.label}) is revoked.", markup=False)


def _in_days(days: int) -> datetime:
    from services.runtime.clock import SystemClock

    return datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC) + timedelta(days=days)


def _state(listed: ListedKey) -> str:
    from services.runtime.clock import SystemClock

    if listed.key.revoked_ms is not None:
        return "[red]revoked[/red]"
    if listed.key.expires_ms is None:
        return "in force"
    until = f"{datetime.fromtimestamp(listed.key.expires_ms / 1000, UTC):%Y-%m-%d %H:%M}"
    return f"[red]expired {until}[/red]" if listed.key.expires_ms <= SystemClock().now_ms() else f"until {until}"


def _with_database(work: Callable[[asyncpg.Connection], Awaitable[Result]]) -> Result:
    """Run one transaction against the database that the settings name."""
    import asyncpg

    from services.cli import local
    from services.runtime.settings import DatabaseSettings

    local.adopt_stack()

    async def run() -> Result:
        connection = await asyncpg.connect(DatabaseSettings().database_url, timeout=10)
        try:
            async with connection.transaction():
                return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())
