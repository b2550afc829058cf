"""`kaohe schemas`: the event contracts, to read and to try events against."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.cli.errors import CommandError

schemas = typer.Typer(
    name="schemas", help="The event contracts: list them, show one, check events against them.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(schemas)


@schemas.command("list")
def list_types() -> None:
    """List every event type that Kaohe knows, and what it means."""
    from schemas.registry import TYPES

    table = Table("type", "中文", "meaning", box=None, header_style="bold")
    for name, event in TYPES.items():
        table.add_row(name, event.zh, event.meaning)
    Console().print(table)


@schemas.command()
def show(
    type_name: Annotated[str, typer.Argument(metavar="TYPE", help="For instance kaohe.dispatch.accepted.v1.")],
    *,
    example: Annotated[bool, typer.Option("--example", help="Show an example instead of the JSON Schema.")] = False,
) -> None:
    """Show the JSON Schema of a type, or an example of it."""
    import orjson

    import schemas as package
    from schemas.documents import json_schema
    from schemas.registry import TYPES

    if type_name not in TYPES:
        raise CommandError(f"there is no type {type_name}: `kaohe schemas list` shows them")
    if example:
        shown = (Path(package.__file__).parent / "examples" / f"{type_name}.json").read_bytes()
    else:
        shown = orjson.dumps(json_schema(TYPES[type_name]), option=orjson.OPT_INDENT_2)
    typer.echo(shown.decode().rstrip())


@schemas.command()
def check(
    file: Annotated[
        Path, typer.Argument(help="Events as JSON lines, a JSON array or one JSON object; - reads standard input.")
    ],
    *,
    most: Annotated[int, typer.Option(min=1, help="Show at most so many findings.")] = 20,
) -> None:
    """Check events against the contracts without sending them; the exit code is 1 when one of them breaks its contract.

    As at the gateway, a missing partitionkey is the subject; of a correction it is not checked, for only the ledger knows it.
    """
    from schemas.codec import interpret
    from schemas.errors import ContractError
    from schemas.wire import check_depth, parts_of

    table = Table("event", "where", "why", box=None, header_style="bold")
    total = wrong = 0
    for label, event in _events(file):
        total += 1
        try:
            check_depth(event)
            attributes, data = parts_of(event)
            attributes.setdefault("partitionkey", attributes.get("subject", "-"))
            interpret(attributes, data)
        except ContractError as fault:
            wrong += 1
            for pointer, reason in fault.findings if table.row_count < most else ():
                table.add_row(label, pointer or "-", reason)
    console = Console()
    if wrong:
        console.print(table)
    console.print(f"{total} events, {wrong} break their contract.")
    if wrong:
        raise typer.Exit(1)


def _events(file: Path) -> Iterator[tuple[str, object]]:
    """Events with a label that finds them again: their line, or their place in the array."""
    import orjson

    try:
        text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as fault:
        raise CommandError(f"{file} cannot be read: {fault.strerror}") from None
    try:
        document = orjson.loads(text)
    except ValueError:
        yield from _lines(text)
        return
    for number, event in enumerate(document if isinstance(document, list) else [document], start=1):
        yield f"event {number}", event


def _lines(text: bytes) -> Iterator[tuple[str, object]]:
    import orjson

    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield f"line {number}", orjson.loads(line)
        except ValueError as fault:
            raise CommandError(f"line {number} is not JSON: {fault}") from None
