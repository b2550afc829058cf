"""`kaohe import servicenow`: an incident audit becomes ticket events."""

from __future__ import annotations

import asyncio
import csv
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from services.cli import local
from services.cli.errors import CommandError

if TYPE_CHECKING:
    from services.ingest.connectors.audit import Audit
    from services.ingest.connectors.servicenow import Translation
    from services.simulator.delivery.receipt import Receipt

_SHOWN = 10


def register(_app: typer.Typer, imports: typer.Typer) -> None:
    """Add the command to the group `import`."""
    imports.command("servicenow")(servicenow)


def servicenow(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="Incident audit, CSV with a header.")
    ],
    *,
    zone: Annotated[
        str | None, typer.Option(help="Time zone of the file's times. Default: KAOHE_ZONE.", show_default=False)
    ] = None,
    source: Annotated[str, typer.Option(help="The source that the events name.")] = "servicenow",
    to: Annotated[
        str | None, typer.Option(help="The gateway's address. Default: the local stack's.", show_default=False)
    ] = None,
    key: Annotated[
        str, typer.Option(envvar="KAOHE_API_KEY", help="API key with the scope ingest.", show_default=False)
    ] = "",
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the events to a file instead, one JSON a line.")
    ] = None,
    reject: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Where rows go that cannot be read. Default: NAME.rejects.csv.", show_default=False
        ),
    ] = None,
) -> None:
    """Import incidents of ServiceNow from an audit export, one row an update.

    What changed between the rows of an incident becomes events: opened, assigned, paused, resumed, resolved, reopened, closed. Importing a file
    twice, or a longer export later, counts nothing twice. Times are day-month-year, local to the zone.

    A row that cannot be read is kept, with its line and the reason; its neighbours are imported. Correct it in the export and import that again.
    """
    local.adopt_stack()
    console = Console()
    audit, translation = _read(file, zone, source, console)
    _report_rejects(audit, reject or Path(f"{file.stem}.rejects.csv"), console)
    if not translation.events:
        raise CommandError(f"{file} holds no row that can be read: nothing was sent")
    receipt = asyncio.run(
        _deliver(translation, _way_out(to or local.gateway_address(), key, out), title=file.name, console=console)
    )
    _report(audit, translation, receipt, console)


def _read(file: Path, zone: str | None, source: str, console: Console) -> tuple[Audit, Translation]:
    from services.ingest.connectors.audit import ConnectorError, read_audit
    from services.ingest.connectors.servicenow import translate

    if not source or any(character.isspace() for character in source):
        raise CommandError(f"--source {source!r}: a source is a name without white space")
    where = _zone(zone)
    try:
        with (
            console.status(f"Reading {file.name} …"),
            file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines,
        ):
            audit = read_audit(lines, zone=where)
            return audit, translate(audit, source=source)
    except ConnectorError as wrong:
        raise CommandError(f"{file}: {wrong}") from None


def _zone(name: str | None) -> Any:
    from zoneinfo import ZoneInfo

    from services.runtime.settings import Settings

    try:
        return ZoneInfo(name or Settings().zone)
    except (KeyError, ValueError):
        raise CommandError(
            f"--zone {name!r}: the time zone database has no zone of this name; write it like Asia/Shanghai"
        ) from None


def _way_out(to: str, key: str, out: Path | None) -> AbstractAsyncContextManager[Any]:
    from services.simulator.delivery.gateway import gateway
    from services.simulator.delivery.jsonl import jsonl

    return jsonl(out) if out is not None else gateway(to, key)


async def _deliver(
    translation: Translation, way: AbstractAsyncContextManager[Any], *, title: str, console: Console
) -> Receipt:
    from services.cli.sending import chopped, send_all

    async with way as delivery:
        batches = chopped(translation.events, delivery.batch)
        return await send_all(batches, delivery, total=len(translation.events), title=title, console=console)


def _report_rejects(audit: Audit, file: Path, console: Console) -> None:
    if not audit.rejects:
        return
    with file.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(("line", "reason", *audit.header))
        rows.writerows((reject.line, reject.reason, *reject.cells) for reject in audit.rejects)
    console.print(f"[yellow]{len(audit.rejects):,} rows cannot be read[/yellow] and are kept in {file}:")
    for reject in audit.rejects[:_SHOWN]:
        console.print(f"  line {reject.line}: {reject.reason}", markup=False, highlight=False)
    if len(audit.rejects) > _SHOWN:
        console.print(f"  … and {len(audit.rejects) - _SHOWN:,} more")


def _report(audit: Audit, translation: Translation, receipt: Receipt, console: Console) -> None:
    from services.cli.sending import show_rejections
    from services.ingest.connectors.servicenow import verbs

    told = ", ".join(f"{count:,} {verb}" for verb, count in verbs(translation.events).items())
    console.print(
        f"[bold]{len(audit.updates):,} rows of {translation.incidents:,} incidents → {receipt.accepted:,} events accepted[/bold]: {told}.",
        highlight=False,
    )
    if translation.opened_early:
        console.print(
            f"{translation.opened_early:,} incidents were updated before their opened_at: they count as opened at that update."
        )
    show_rejections(receipt, console)
    if receipt.rejections:
        raise typer.Exit(1)
