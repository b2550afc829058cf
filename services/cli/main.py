"""The command `kaohe`: one typer app, sub-commands from each room, errors as one clear line."""

import logging
import os
import sys
from typing import Annotated, Final, Protocol, runtime_checkable

import typer
from rich.console import Console

from services.cli import demo, keys, roster, schemas, simulate, stack, topics
from services.cli import imports as servicenow
from services.cli.errors import explain

DEBUG: Final = "KAOHE_DEBUG"
STOPPED: Final = 130  # by Ctrl-C, as shells say it


@runtime_checkable
class WrongUse(Protocol):
    """An unknown command or a bad option. By its shape: which class it is depends on where typer keeps its click."""

    exit_code: int

    def show(self) -> None:
        """Print the usage and what is wrong."""
        ...


app = typer.Typer(
    name="kaohe",
    help="Kaohe 考核 — live service KPIs from events, exactly once; frozen into scores that explain themselves.",
    epilog="Every command explains itself with --help. KAOHE_DEBUG=1 shows tracebacks.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"kaohe {version('kaohe')}")
        except PackageNotFoundError:  # the image holds the code, not the distribution
            typer.echo("kaohe (run from its source)")
        raise typer.Exit


imports = typer.Typer(
    name="import",
    help="Bring existing data in: a roster, or another system's audit trail.",
    no_args_is_help=True,
)


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
) -> None:
    """Nothing but the options that every command shares."""


# In the order in which a newcomer meets them.
demo.register(app)
stack.register(app)
topics.register(app)
simulate.register(app)
servicenow.register(app, imports)
roster.register(app, imports)
app.add_typer(imports)
keys.register(app)
schemas.register(app)


def run() -> None:
    """Run the command line; the process ends with 0, the command's own code, or 1 and one line on stderr."""
    debug = bool(os.environ.get(DEBUG))
    # Libraries log what the one line below says better.
    logging.basicConfig(level=logging.WARNING if debug else logging.CRITICAL)
    try:
        code = app(standalone_mode=False) or 0
    except (typer.Abort, KeyboardInterrupt):
        code = STOPPED
    except Exception as fault:
        if isinstance(fault, WrongUse):
            fault.show()
            sys.exit(fault.exit_code)
        if debug:
            raise
        line, code = explain(fault)
        Console(stderr=True, soft_wrap=True).print(f"[bold red]kaohe:[/bold red] {line}", highlight=False)
    if code == STOPPED:
        Console(stderr=True).print("[yellow]Stopped.[/yellow]")
    sys.exit(code)


if __name__ == "__main__":
    run()
