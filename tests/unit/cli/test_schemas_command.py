"""`kaohe schemas` shows the contracts and checks files against them."""

from pathlib import Path

import orjson
import pytest
import typer
from typer.testing import CliRunner

from schemas.registry import TYPES
from services.cli import schemas

EXAMPLE = "kaohe.dispatch.accepted.v1"


def run(*arguments: str, told: bytes = b"") -> tuple[int, str]:
    app = typer.Typer()
    schemas.register(app)
    result = CliRunner(env={"COLUMNS": "250"}).invoke(app, ["schemas", *arguments], input=told)
    return result.exit_code, result.output


def test_every_type_is_listed() -> None:
    code, output = run("list")
    assert code == 0
    assert all(name in output for name in TYPES)


def test_a_schema_and_an_example_are_shown_as_json() -> None:
    assert orjson.loads(run("show", EXAMPLE)[1])["title"] == EXAMPLE
    assert orjson.loads(run("show", EXAMPLE, "--example")[1])["type"] == EXAMPLE


def test_an_unknown_type_is_an_error() -> None:
    assert run("show", "kaohe.nothing.v1")[0] == 1


@pytest.mark.parametrize("form", ["object", "array", "lines"])
def test_sound_events_pass_in_every_form(tmp_path: Path, form: str) -> None:
    event = orjson.loads(run("show", EXAMPLE, "--example")[1])
    del event["partitionkey"]
    text = orjson.dumps(event)
    file = tmp_path / "events"
    file.write_bytes({"object": text, "array": b"[" + text + b"]", "lines": text + b"\n\n" + text}[form])
    code, output = run("check", str(file))
    assert code == 0, output
    assert "0 break their contract" in output


def test_what_breaks_its_contract_is_told_with_place_and_reason() -> None:
    event = orjson.loads(run("show", EXAMPLE, "--example")[1])
    told = orjson.dumps(event) + b"\n" + orjson.dumps(event | {"time": "2026-10-08T09:00:00"}) + b"\nnull"
    code, output = run("check", "-", told=told)
    assert code == 1
    assert "line 2" in output
    assert "/time" in output
    assert "no offset" in output
    assert "3 events, 2 break their contract." in output


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    assert run("check", str(tmp_path / "nothing"))[0] == 1
    assert run("check", "-", told=b"{}\n{")[0] == 1
