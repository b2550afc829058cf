"""`kaohe keys` on a real database: made and shown once, listed, revoked."""

import asyncio

import pytest
import typer
from typer.testing import CliRunner, Result

from services.cli import keys
from services.stack.sandbox import Database


async def run(*arguments: str) -> Result:
    """Run the command in a thread: it has an event loop of its own."""
    app = typer.Typer()
    keys.register(app)
    return await asyncio.to_thread(CliRunner(env={"COLUMNS": "250"}).invoke, app, ["keys", *arguments])


async def test_a_key_is_made_shown_once_listed_and_revoked(
    module_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAOHE_DATABASE_URL", module_database.app_url)
    made = await run(
        "create", "crm production", "--scope", "ingest", "--source", "crm", "--source", "pbx/*", "--days", "30"
    )
    assert made.exit_code == 0, made.output
    plain = made.stdout.strip()
    prefix = plain.split("_")[1]
    listed = (await run("list")).output
    assert prefix in listed
    assert plain not in listed
    assert "crm pbx/*" in listed
    assert "until" in listed
    assert (await run("revoke", prefix)).exit_code == 0
    assert "revoked" in (await run("list")).output


async def test_wrong_use_is_explained(module_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAOHE_DATABASE_URL", module_database.app_url)
    for arguments, words in (
        (["create", "x", "--scope", "ingest"], "at least one --source"),
        (["create", "x", "--scope", "root"], "scopes are"),
        (["revoke", "nobody"], "there is no key"),
    ):
        result = await run(*arguments)
        assert result.exit_code == 1
        assert words in str(result.exception)
