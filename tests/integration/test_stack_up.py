"""`kaohe up`, `status`, `down`, as a person uses them, with nothing on the PATH.

One stack, used by the tests of this module in their order: it is started once, for a start takes seconds.
"""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from services.stack.ports import free_port
from services.stack.state import ProcessReport, StackState, is_supervised, read_state

START_SECONDS = 240


class Home:
    """A stack's home, and the `kaohe` command with an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "home"
        nothing = folder / "bin"
        nothing.mkdir()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("KAOHE_", "JAVA", "PG"))}
        self.environment = kept | {
            "PATH": str(nothing),  # no java, mvn, docker, postgres, sh
            "KAOHE_HOME": str(self.folder),
            "KAOHE_API_PORT": str(free_port()),
            "KAOHE_INGEST_PORT": str(free_port()),
            "COLUMNS": "300",
        }

    def kaohe(self, *arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
        """Run the command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "services.cli.main", *arguments],
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )

    def state(self) -> StackState:
        """What the supervisor says; one must be alive."""
        state = read_state(self.folder)
        assert state is not None
        assert is_supervised(self.folder)
        return state

    def process(self, name: str) -> ProcessReport:
        """One process of the state."""
        return next(process for process in self.state().processes if process.name == name)

    def until_healthy(self, seconds: float = 90) -> None:
        """Wait until every process is healthy."""
        deadline = time.monotonic() + seconds
        while any(process.state != "healthy" for process in self.state().processes):
            assert time.monotonic() < deadline, self.state()
            time.sleep(0.2)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home in which nothing runs yet; whatever runs there in the end is stopped."""
    one = Home(tmp_path_factory.mktemp("stack"))
    yield one
    one.kaohe("down", "--erase", "--yes")


@pytest.fixture(scope="module")
def key(home: Home) -> str:
    """Starts the stack; the key that the first start printed."""
    done = home.kaohe("up")
    assert done.returncode == 0, done.stderr + done.stdout
    [line] = [line for line in done.stdout.splitlines() if line.startswith("API key")]
    return line.rpartition(" ")[2]


@pytest.mark.timeout(START_SECONDS)
def test_the_first_start_ends_when_all_is_healthy_and_shows_a_key(home: Home, key: str) -> None:
    done = home.kaohe("status", "--json")
    status = json.loads(done.stdout)
    assert done.returncode == 0
    assert status["healthy"]
    assert status["lag"] == {"kaohe.events.v1": 0}
    names = [process["name"] for process in status["state"]["processes"]]
    assert sorted(names) == ["Kafka", "PostgreSQL", "api", "ingest", "metrics-1", "metrics-2"]
    assert re.fullmatch(r"\S{20,}", key)


def test_the_key_opens_the_api(home: Home, key: str) -> None:
    api = home.state().addresses["API"]
    assert httpx.get(f"{api}/livez").status_code == 200
    without = httpx.get(f"{api}/v1/kpis")
    assert without.status_code == 401
    assert httpx.get(f"{api}/v1/kpis", headers={"Authorization": f"Bearer {key}"}).status_code != 401


@pytest.mark.usefixtures("key")
def test_a_second_up_says_that_it_is_up_and_changes_nothing(home: Home) -> None:
    before = home.state().processes
    done = home.kaohe("up")
    assert done.returncode == 0
    assert "up already" in done.stdout
    assert "API key" not in done.stdout
    assert [process.pid for process in home.state().processes] == [process.pid for process in before]


@pytest.mark.usefixtures("key")
def test_the_status_is_a_table_for_people(home: Home) -> None:
    done = home.kaohe("status")
    assert done.returncode == 0
    for word in ("PostgreSQL", "Kafka", "metrics-2", "healthy", "restarts", "Lag: kaohe.events.v1 0 records"):
        assert word in done.stdout


@pytest.mark.usefixtures("key")
def test_no_secret_is_readable_by_others_or_shown(home: Home) -> None:
    for name in ("stack.env", "postgres/passwords.json"):
        assert stat.S_IMODE((home.folder / name).stat().st_mode) == 0o600
    passwords = json.loads((home.folder / "postgres" / "passwords.json").read_text(encoding="utf-8")).values()
    shown = home.kaohe("status", "--json").stdout + (home.folder / "state.json").read_text(encoding="utf-8")
    logs = "".join(path.read_text(encoding="utf-8", errors="replace") for path in (home.folder / "logs").glob("*.log"))
    for process in psutil.process_iter(["cmdline"]):
        shown += " ".join(process.info["cmdline"] or [])
    for password in passwords:
        assert password not in shown
        assert password not in logs


@pytest.mark.usefixtures("key")
def test_only_the_migration_gets_the_owners_address(home: Home) -> None:
    for process in home.state().processes:
        assert "KAOHE_OWNER_DATABASE_URL" not in psutil.Process(process.pid).environ()


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("name", ["metrics-1", "ingest", "api", "PostgreSQL"])
def test_whatever_is_killed_comes_back(home: Home, name: str) -> None:
    before = home.process(name)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    deadline = time.monotonic() + 90
    while (after := home.process(name)).pid in (None, before.pid) or after.state != "healthy":
        assert time.monotonic() < deadline, after
        time.sleep(0.2)
    assert after.restarts == before.restarts + 1
    home.until_healthy()


def test_data_survive_down_and_up(home: Home, key: str) -> None:
    done = home.kaohe("down")
    assert done.returncode == 0
    assert "Data are kept" in done.stdout
    assert home.kaohe("status").returncode == 3
    again = home.kaohe("up")
    assert again.returncode == 0, again.stderr
    assert "API key" not in again.stdout
    api = home.state().addresses["API"]
    assert httpx.get(f"{api}/v1/kpis", headers={"Authorization": f"Bearer {key}"}).status_code != 401


@pytest.mark.usefixtures("key")
def test_a_killed_supervisor_takes_everything_along_and_up_starts_anew(home: Home) -> None:
    state = home.state()
    family = [psutil.Process(process.pid) for process in state.processes]
    os.kill(state.pid, signal.SIGKILL)
    assert psutil.wait_procs(family, timeout=60)[1] == []
    assert home.kaohe("status").returncode == 3
    assert home.kaohe("up").returncode == 0
    home.until_healthy()


@pytest.mark.usefixtures("key")
def test_another_number_of_partitions_is_refused_in_one_line(home: Home) -> None:
    home.kaohe("down")
    home.environment["KAOHE_PARTITIONS"] = "16"
    done = home.kaohe("up")
    del home.environment["KAOHE_PARTITIONS"]
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "has 8 partitions, 16 are declared" in done.stderr
    assert home.kaohe("status").returncode == 3


@pytest.mark.usefixtures("key")
def test_erasing_asks_first(home: Home) -> None:
    refused = home.kaohe("down", "--erase", text="n\n")
    assert refused.returncode != 0
    assert (home.folder / "postgres" / "data").exists()


@pytest.mark.usefixtures("key")
def test_erasing_removes_what_the_launcher_made_and_nothing_else(home: Home) -> None:
    mine = home.folder / "mine.txt"
    mine.write_text("not yours", encoding="utf-8")
    assert home.kaohe("down", "--erase", "--yes").returncode == 0
    assert list(home.folder.iterdir()) == [mine]
