"""Real processes under supervision: started, watched, started again, ended."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from services.stack import supervised
from services.stack.child import Child, Command, tail
from services.stack.errors import StartFailed
from services.stack.server import Server
from services.stack.supervised import Supervised

STEADY = "import signal, time\nopen('ready', 'w').close()\nsignal.pause()"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen('ready', 'w').close()\nwhile True: signal.pause()"
BROKEN = "print('the reason'); raise SystemExit(3)"


class Script(Server):
    """A process that runs a few lines of Python; it is ready while the file `ready` lies in its home."""

    name = "script"
    grace_seconds = 0.5
    start_seconds = 20.0

    def __init__(self, home: Path, source: str) -> None:
        super().__init__(home, home / "script.log")
        self.source = source

    def prepare(self) -> None:
        """Nothing to prepare."""

    def command(self) -> Command:
        """The lines, in a process of their own."""
        (self.home / "ready").unlink(missing_ok=True)
        return Command([sys.executable, "-c", self.source], dict(os.environ), self.log, cwd=self.home)

    @property
    def address(self) -> str:
        """None."""
        return ""

    def answers(self) -> bool:
        """Whether it has said that it is ready."""
        return (self.home / "ready").exists()

    def lives(self) -> bool:
        """The same: it shows no other sign."""
        return self.answers()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same supervision with shorter times."""
    monkeypatch.setattr(supervised, "FIRST_BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr(supervised, "LONGEST_BACKOFF_SECONDS", 0.2)
    monkeypatch.setattr(supervised, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(supervised, "HEALTH_EVERY_SECONDS", 0.05)


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Callable[[str], Script]]:
    """Makes scripts; what still runs at the end is killed."""
    made: list[Script] = []

    def make(source: str) -> Script:
        made.append(Script(tmp_path, source))
        return made[-1]

    yield make
    for one in made:
        one.kill()


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition, with a bound."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


@pytest.mark.usefixtures("quick")
async def test_a_killed_process_is_started_again_and_counted(script: Callable[[str], Script]) -> None:
    watched = Supervised(script(STEADY), lambda: None)
    await watched.start()
    first = watched.report.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: watched.report.state == "healthy" and watched.report.pid != first)
    assert watched.report.restarts == 1
    await watched.stop()
    assert watched.report.state == "stopped"
    assert watched.report.pid is None


@pytest.mark.usefixtures("quick")
async def test_a_process_that_cannot_start_is_given_up_with_its_last_words(script: Callable[[str], Script]) -> None:
    watched = Supervised(script(BROKEN), lambda: None)
    with pytest.raises(StartFailed, match=r"exit code 3; its last words: the reason\): see .*script\.log"):
        await watched.start()
    assert watched.report.restarts == supervised.ATTEMPTS_AT_START - 1
    await watched.stop()


@pytest.mark.usefixtures("quick")
async def test_a_process_that_once_was_healthy_is_never_given_up(script: Callable[[str], Script]) -> None:
    server = script(STEADY)
    watched = Supervised(server, lambda: None)
    await watched.start()
    server.source = BROKEN
    server.kill()
    await until(lambda: watched.report.restarts > supervised.ATTEMPTS_AT_START + 2)
    server.source = STEADY
    await until(lambda: watched.report.state == "healthy")
    await watched.stop()


@pytest.mark.usefixtures("quick")
async def test_a_process_without_a_sign_of_life_is_killed_and_started_again(script: Callable[[str], Script]) -> None:
    server = script(STEADY)
    watched = Supervised(server, lambda: None)
    await watched.start()
    first = watched.report.pid
    (server.home / "ready").unlink()
    await until(lambda: watched.report.state == "healthy" and watched.report.pid != first)
    assert watched.report.restarts == 1
    await watched.stop()


@pytest.mark.usefixtures("quick")
async def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(script: Callable[[str], Script]) -> None:
    watched = Supervised(script(STUBBORN), lambda: None)
    await watched.start()
    began = time.monotonic()
    await watched.stop()
    assert not watched.server.running
    assert 0.5 <= time.monotonic() - began < 5


def test_the_pauses_between_starts_grow_and_are_bounded() -> None:
    pauses = [
        min(supervised.LONGEST_BACKOFF_SECONDS, supervised.FIRST_BACKOFF_SECONDS * 2**failures)
        for failures in range(12)
    ]
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert max(pauses) == pauses[-1] == 30.0


def test_children_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    source = f"""
        import os, sys, time
        from pathlib import Path
        from services.stack.child import Child, Command
        sleeper = Command([sys.executable, "-c", "import time; time.sleep(600)"], dict(os.environ), Path("{tmp_path}/log"))
        print(Child.start(sleeper).pid, flush=True)
        time.sleep(600)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(source)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    time.sleep(0.5)  # the child ties itself to its parent before it becomes the program
    parent.kill()
    parent.communicate()
    assert psutil.wait_procs([child], timeout=10)[1] == []


def test_a_child_sees_only_the_environment_it_is_given(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child.start(Command([sys.executable, "-c", "import os; print(sorted(os.environ))"], {"LC_ALL": "C"}, log))
    child.process.wait(20)
    assert tail(log) == ["['LC_ALL']"]


def test_a_long_log_is_put_aside_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.stack import child as module

    monkeypatch.setattr(module, "LOG_LIMIT", 10)
    log = tmp_path / "log"
    log.write_text("more than ten bytes\n", encoding="utf-8")
    Child.start(Command([sys.executable, "-c", "print('new')"], {}, log)).process.wait(20)
    assert tail(log) == ["new"]
    assert tail(tmp_path / "log.1") == ["more than ten bytes"]
