"""`kaohe topics`: the topics as declared, created or verified."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.cli.errors import CommandError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("topics")(topics)


def topics(
    *,
    brokers: Annotated[
        str | None,
        typer.Option(
            help="Kafka brokers, host:port separated by commas. Default: KAOHE_KAFKA_BROKERS, the local stack's.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only verify: a missing topic is an error.")] = False,
) -> None:
    """Create the Kafka topics that events travel on, or verify those that exist.

    The number of partitions (KAOHE_PARTITIONS) is fixed when a topic is created and is never changed: each case lives in the
    partition of its key. A topic that differs is reported and left as it is.
    """
    from aiokafka.errors import KafkaError

    from services.cli import local
    from services.runtime.settings import TopicSettings
    from services.runtime.topics import ensure_topics
    from services.stack.topics import declared_topics

    local.adopt_stack()
    brokers = brokers or local.brokers()
    if not brokers:
        raise CommandError("no broker is known: start a stack with `kaohe up`, or set KAOHE_KAFKA_BROKERS")
    declared = declared_topics(TopicSettings())
    try:
        reports = asyncio.run(ensure_topics(brokers, declared, create=not check))
    except KafkaError as fault:
        raise CommandError(f"no Kafka broker answers at {brokers} ({type(fault).__name__}): is it running?") from fault
    table = Table("topic", "partitions", "state", box=None, header_style="bold")
    for report in reports:
        differs = "; ".join(
            f"{key} is {found}, declared {wanted}" for key, (wanted, found) in report.differences.items()
        )
        state = "[green]created[/green]" if report.created else "as declared"
        table.add_row(report.name, str(report.partitions), f"[yellow]{differs}[/yellow]" if differs else state)
    Console().print(table)
