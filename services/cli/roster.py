"""`kaohe import roster` and `kaohe unmatched`: who is who, and whom nobody knows yet."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from services.cli.errors import CommandError

if TYPE_CHECKING:
    import asyncpg

    from services.api.roster.importing import Imported, Remark

Result = TypeVar("Result")

_SHOWN = 20


def register(app: typer.Typer, imports: typer.Typer) -> None:
    """Add the commands."""
    imports.command("roster")(import_roster)
    app.command("unmatched")(unmatched)


def import_roster(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The roster, CSV or XLSX (first sheet).")
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    complete: Annotated[
        bool, typer.Option("--complete", help="The file is the whole roster: what it does not name is removed.")
    ] = False,
    note: Annotated[str, typer.Option(help="Why; kept with the version.")] = "",
) -> None:
    """Import branches, regions, people, who works where, who answers for what, and the ids by which sources know people.

    Columns: record, id, name, post, branch, region, from, to, and source, source_id for a person_id row. `from` is included, `to` is not, an empty
    `to` is open. A row replaces the recorded one of the same kind, ids and first day; the same file again changes nothing.

    One wrong row refuses the whole file, and every wrong row is named with its line.
    """
    from services.api.roster import importing

    content = file.read_bytes()
    imported = _with_database(
        lambda connection: importing.import_roster(
            connection, content, author=getpass.getuser(), note=note or file.name, dry_run=dry_run, complete=complete
        )
    )
    if imported.plan.errors:
        for remark in imported.plan.errors[:_SHOWN]:
            Console(stderr=True).print(_remark(remark), style="red", markup=False, highlight=False)
        _say_rest(len(imported.plan.errors), Console(stderr=True))
        raise CommandError(
            f"{file.name}: {_number(len(imported.plan.errors), 'row is wrong', 'rows are wrong')}; nothing was imported"
        )
    _report(imported)


def unmatched(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The most ids to list.")] = 100,
) -> None:
    """List the ids that sources use and no roster row explains, those on which most rests first.

    Their figures stand under nobody until a person_id row (or a person of that id) explains them.
    """
    from services.api.instants import rfc3339
    from services.api.roster.unmatched import find_unmatched
    from services.runtime.settings import DatabaseSettings

    found = _with_database(lambda connection: find_unmatched(connection, DatabaseSettings().zone, limit=limit))
    if not found:
        Console().print("Every id is explained.", style="green")
        return
    table = Table("source", "id", box=None, header_style="bold")
    for name in ("postings", "events", "unexplained days"):
        table.add_column(name, justify="right")
    table.add_column("first seen (UTC)")
    table.add_column("last seen (UTC)")
    for weight, days in found:
        source, _, source_id = weight.actor.partition(" ")
        seen = (rfc3339(instant)[:16].replace("T", " ") for instant in (weight.first_seen_ms, weight.last_seen_ms))
        table.add_row(source, source_id, str(weight.postings), str(weight.events), str(len(days)), *seen)
    Console().print(table)


def _report(imported: Imported) -> None:
    console = Console()
    difference = imported.plan.difference
    _print_some(console, difference.in_words())
    for remark in imported.plan.warnings[:_SHOWN]:
        console.print(_remark(remark), style="yellow", markup=False, highlight=False)
    _say_rest(len(imported.plan.warnings), console)
    changes = f"{len(difference.added)} new, {len(difference.changed)} changed, {len(difference.removed)} removed, {difference.unchanged} unchanged"
    if imported.dry_run:
        console.print(f"Dry run, nothing was written: {changes}.")
    elif difference.is_empty():
        console.print(f"The roster says this already (version {imported.version}): {changes}.")
    else:
        console.print(f"Roster version {imported.version}: {changes}.", style="green")


def _print_some(console: Console, words: Sequence[str]) -> None:
    for line in words[:_SHOWN]:
        console.print(f"  {line}", markup=False, highlight=False)
    _say_rest(len(words), console)


def _say_rest(number: int, console: Console) -> None:
    if number > _SHOWN:
        console.print(f"  … and {number - _SHOWN} more")


def _remark(remark: Remark) -> str:
    place = "recorded before" if remark.line is None else f"line {remark.line}"
    return f"  {place}: {remark.message}"


def _number(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


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
