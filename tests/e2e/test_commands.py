"""The command line as a person meets it: help that explains, errors of one line, no tracebacks."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.cli import main
from services.cli.errors import CommandError

ROOT = Path(__file__).parents[2]
HEADER = "number,incident_state,sys_mod_count,opened_at,sys_updated_at,assignment_group,assigned_to\n"
ROW = "INC1,Resolved,1,01-03-2026 08:00,01-03-2026 09:00,Desk,Ann\n"
COMMANDS = (
    ["demo"],
    ["up"],
    ["down"],
    ["status"],
    ["topics"],
    ["simulate"],
    ["import"],
    ["import", "servicenow"],
    ["import", "roster"],
    ["unmatched"],
    ["keys"],
    ["keys", "create"],
    ["keys", "list"],
    ["keys", "revoke"],
    ["schemas"],
)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def kaohe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command in a folder where no stack runs, with a clean environment, in this process: twenty starts cost a minute."""
    for name in [name for name in os.environ if name.startswith("KAOHE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)

    def run(*words: str, **settings: str) -> Done:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["kaohe", *words])
        with pytest.raises(SystemExit) as ended:
            main.run()
        shown = capsys.readouterr()
        return Done(int(ended.value.code or 0), shown.out, shown.err)

    return run


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(kaohe: Command, command: list[str]) -> None:
    done = kaohe(*command, "--help")
    assert done.code == 0
    assert done.err == ""
    summary = done.out.strip().splitlines()[2].strip()
    assert summary.endswith((".", ":")) or len(summary) > 40, done.out


def test_the_list_of_commands_tells_each_in_one_line(kaohe: Command) -> None:
    shown = kaohe("--help").out
    for name in ("demo", "up", "status", "down", "topics", "simulate", "import", "unmatched", "keys", "schemas"):
        assert f"│ {name} " in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["simulate", "--month", "2026-13"], "'2026-13' is no month"),
        (["simulate", "--month", "2199-01"], "2199-01 has not begun"),
        (["simulate", "--speed", "5"], "'5' is no speed"),
        (["simulate", "--engineers", "3", "--representatives", "4"], "an organisation needs"),
        (["simulate", "--to", "http://127.0.0.1:1"], "no gateway answers at http://127.0.0.1:1"),
        (["simulate", "--import-roster"], "no API answers at http://127.0.0.1:8100"),
        (["simulate", "--via", "kafka"], "no broker is known"),
        (["simulate", "--via", "kafka", "--to", "127.0.0.1:1"], "no Kafka broker answers at 127.0.0.1:1"),
        (["topics"], "no broker is known"),
        (["unmatched"], "KAOHE_DATABASE_URL not set: start a stack with `kaohe up`"),
        (["topics", "--brokers", "127.0.0.1:1"], "no Kafka broker answers at 127.0.0.1:1"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_cannot_be_done_is_one_line_with_the_cause(kaohe: Command, words: list[str], says: str) -> None:
    done = kaohe(*words)
    assert done.code == 1
    assert done.err.startswith("kaohe: ")
    assert len(done.err.splitlines()) == 1
    assert says in done.err
    assert "Traceback" not in done.out + done.err


def test_it_knows_its_version(kaohe: Command) -> None:
    assert kaohe("--version").out.startswith("kaohe 0.")


def test_a_wrong_setting_is_named_by_its_variable(kaohe: Command) -> None:
    done = kaohe("topics", "--brokers", "127.0.0.1:1", KAOHE_PARTITIONS="many")
    assert done.code == 1
    assert "KAOHE_PARTITIONS" in done.err


def test_debugging_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAOHE_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["kaohe", "simulate", "--speed", "5"])
    with pytest.raises(CommandError):
        main.run()


def test_the_command_starts_as_a_process_of_its_own_and_quickly() -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "nonsense"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "No such command 'nonsense'" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began < 10  # half a second on an idle machine


def test_the_same_seed_writes_the_same_bytes(kaohe: Command, tmp_path: Path) -> None:
    for name in ("one", "two"):
        words = (
            "--month",
            "2026-10",
            "--seed",
            "3",
            "--scale",
            "0.2",
            "--out",
            f"{name}.jsonl",
            "--roster",
            f"{name}.csv",
        )
        assert kaohe("simulate", *words).code == 0
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_importing_an_audit_says_what_it_read_and_keeps_what_it_could_not(kaohe: Command, tmp_path: Path) -> None:
    file = tmp_path / "audit.csv"
    file.write_text(HEADER + ROW + ROW.replace("09:00", "yesterday"), encoding="utf-8-sig")
    done = kaohe("import", "servicenow", str(file), "--out", "events.jsonl")
    assert done.code == 0, done.err
    assert "1 rows of 1 incidents → 3 events" in done.out
    assert "line 3: sys_updated_at: '01-03-2026 yesterday' is no day-month-year" in done.out
    kept = (tmp_path / "audit.rejects.csv").read_text().splitlines()
    assert kept[0] == "line,reason," + HEADER.strip()
    assert kept[1].startswith("3,")
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a,b\n1,2\n", "the first line is not the header of an incident audit"),
        ("", "it begins with nothing"),
        (HEADER, "holds no row that can be read"),
    ],
)
def test_a_file_of_another_kind_is_one_clear_line(kaohe: Command, tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "audit.csv"
    file.write_text(content)
    done = kaohe("import", "servicenow", str(file), "--out", "events.jsonl")
    assert done.code == 1
    assert says in done.err
    assert not (tmp_path / "events.jsonl").exists()


def test_a_zone_that_does_not_exist_is_one_clear_line(kaohe: Command, tmp_path: Path) -> None:
    file = tmp_path / "audit.csv"
    file.write_text(HEADER + ROW)
    done = kaohe("import", "servicenow", str(file), "--zone", "Mars/Olympus", "--out", "x.jsonl")
    assert "--zone 'Mars/Olympus'" in done.err
