"""`kaohe simulate`: a month of an invented after-sales organisation, sent as its events would arrive."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from services.cli import local
from services.cli.errors import CommandError

if TYPE_CHECKING:
    from services.simulator.delivery.receipt import Receipt
    from services.simulator.disturbances import Rates
    from services.simulator.month import Month, Plan


class Via(StrEnum):
    """How events leave."""

    gateway = "gateway"
    kafka = "kafka"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate")(simulate)


def simulate(
    *,
    month: Annotated[
        str | None, typer.Option(help="The month, YYYY-MM. Default: the last complete one.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same month, to the byte.")] = 7,
    speed: Annotated[str, typer.Option(help="How fast it goes by: max, or times reality: 60x, 3600x …")] = "max",
    via: Annotated[
        Via, typer.Option(help="Through the gateway, or straight to Kafka as a direct producer.")
    ] = Via.gateway,
    to: Annotated[
        str | None,
        typer.Option(
            help="The gateway's address, or the Kafka brokers. Default: the local stack's.", show_default=False
        ),
    ] = None,
    key: Annotated[
        str, typer.Option(envvar="KAOHE_API_KEY", help="API key with the scope ingest.", show_default=False)
    ] = "",
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the events to a file instead, one JSON a line.")
    ] = None,
    roster: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the organisation's roster to a CSV file.")
    ] = None,
    import_roster: Annotated[
        bool,
        typer.Option("--import-roster", help="Import the roster first, through the local stack's API (scope admin)."),
    ] = False,
    engineers: Annotated[int, typer.Option(min=1, max=5000, help="Field engineers.")] = 60,
    representatives: Annotated[int, typer.Option(min=1, max=500, help="Customer-service representatives.")] = 8,
    scale: Annotated[float, typer.Option(min=0.01, max=100, help="Volume, 1 = about 18,000 events.")] = 1.0,
    clean: Annotated[
        bool, typer.Option("--clean", help="Without duplicates, delays, disorder and corrections.")
    ] = False,
    conflicts: Annotated[
        float, typer.Option(min=0, max=1, help="Share of events that come again with another content.")
    ] = 0.0,
) -> None:
    """Simulate a month: tickets, visits, follow-ups, surveys, complaints.

    Events arrive as they do in reality: some twice, some late or out of order, some amended or withdrawn, a few from people whom no roster knows.
    The same options give the same ids, so a run that is repeated or resumed counts nothing twice.
    """
    local.adopt_stack()
    console = Console()
    plan = _plan(
        month,
        seed,
        engineers=engineers,
        representatives=representatives,
        scale=scale,
        rates=_rates(clean, conflicts),
        live=out is None,
    )
    made = _month(plan, console)
    if roster is not None:
        roster.write_text(made.organisation.roster_csv(), encoding="utf-8")
        console.print(
            f"Roster of {engineers + representatives} people: {roster}; `kaohe import roster {roster}` brings it in."
        )
    if import_roster:
        asyncio.run(_import_roster(made, key, console))
    receipt = asyncio.run(_deliver(made, speed, _way_out(via, to, key, out), console))
    _report(made, receipt, console)


async def _import_roster(month: Month, key: str, console: Console) -> None:
    """Without it, figures belong to nobody."""
    import httpx

    from services.cli.showing.api import connected

    address = local.api_address()
    try:
        async with connected(address, key) as api:
            result = await api.roster_import(month.organisation.roster_csv())
    except httpx.TransportError as fault:
        raise CommandError(f"no API answers at {address} ({type(fault).__name__}): is it running?") from fault
    console.print(f"Roster imported: {result['added']} records new, {result['unchanged']} known already.")


def _plan(
    month: str | None, seed: int, *, engineers: int, representatives: int, scale: float, rates: Rates, live: bool
) -> Plan:
    from zoneinfo import ZoneInfo

    from services.runtime.clock import SystemClock
    from services.runtime.settings import Settings
    from services.simulator.month import Plan, previous_month

    zone = ZoneInfo(Settings().zone)
    now = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC).astimezone(zone)
    try:
        plan = Plan(
            month or previous_month(now.date()),
            seed=seed,
            zone=zone,
            engineers=engineers,
            representatives=representatives,
            scale=scale,
            rates=rates,
            until=now if live else None,  # a file may tell the future; the gateway takes none of it
        )
        begins = plan.start
    except ValueError:
        raise CommandError(f"--month {month!r} is no month: write it like 2026-10") from None
    if live and begins >= now:
        raise CommandError(
            f"{plan.month} has not begun: events of the future are refused. Take an earlier month, or --out"
        )
    return plan


def _rates(clean: bool, conflicts: float) -> Rates:
    from dataclasses import replace

    from services.simulator.disturbances import Rates

    return replace(Rates.none() if clean else Rates(), conflicts=conflicts)


def _month(plan: Plan, console: Console) -> Month:
    from services.simulator.month import simulate as simulated

    try:
        with console.status(f"Imagining {plan.month} …"):
            return simulated(plan)
    except ValueError as wrong:
        raise CommandError(str(wrong)) from None


def _way_out(via: Via, to: str | None, key: str, out: Path | None) -> AbstractAsyncContextManager[Any]:
    from services.simulator.delivery.gateway import gateway
    from services.simulator.delivery.jsonl import jsonl
    from services.simulator.delivery.kafka import kafka

    if out is not None:
        return jsonl(out)
    if via is Via.gateway:
        return gateway(to or local.gateway_address(), key)
    from services.runtime.settings import TopicSettings

    brokers = to or local.brokers()
    if not brokers:
        raise CommandError(
            "no broker is known: start a stack with `kaohe up`, set KAOHE_KAFKA_BROKERS, or give --to host:port"
        )
    return kafka(brokers, TopicSettings().events_topic)


async def _deliver(month: Month, speed: str, way: AbstractAsyncContextManager[Any], console: Console) -> Receipt:
    from services.cli.sending import send_all
    from services.simulator.pace import Speed, paced

    try:
        pace = Speed.parse(speed)
    except ValueError as wrong:
        raise CommandError(f"--speed: {wrong}") from None
    async with way as delivery:
        batches = paced(month.arrivals, pace, batch=delivery.batch)
        title = f"{month.plan.month}, seed {month.plan.seed}"
        return await send_all(batches, delivery, total=len(month.arrivals), title=title, console=console)


def _report(month: Month, receipt: Receipt, console: Console) -> None:
    from services.cli.sending import show_rejections

    sent = len(month.arrivals)
    console.print(
        f"[bold]{receipt.accepted:,} of {sent:,} events accepted[/bold]: {month.identities:,} distinct events about {month.units:,} units, "
        f"{sent - month.identities:,} repetitions. Truth: {len(month.truth):,} events."
    )
    show_rejections(receipt, console)
    if receipt.rejections:
        raise typer.Exit(1)
