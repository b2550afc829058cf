"""One child process: its command, its log, its bounded stop."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_LIMIT = 20 * 1024 * 1024  # bytes; a longer log becomes NAME.log.1 at the next start


@dataclass(frozen=True, slots=True)
class Account:
    """The user a child runs as; `reach` lets it pass through folders that are closed to it."""

    uid: int
    gid: int
    reach: bool


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. `argv[0]` is an absolute path; `environment` is complete, nothing is inherited beside it."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    account: Account | None = None
    cwd: Path | None = None

    def launch(self) -> list[str]:
        """The argument list that becomes `argv` once privileges and the tie to this process are set."""
        account = self.account or Account(-1, -1, reach=False)
        steps = (os.getpid(), int(self.stop_signal), account.uid, account.gid, int(account.reach))
        return [sys.executable, "-I", "-S", str(LAUNCHER), *map(str, steps), *self.argv]


@dataclass(slots=True)
class Child:
    """A started process, in a session of its own so that Ctrl-C reaches the launcher only.

    Start it from the main thread: the kernel ties it to the thread that started it.
    """

    command: Command
    process: subprocess.Popen[bytes]
    started_at: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, command: Command) -> "Child":
        """Start the process; its output goes to the end of the log."""
        command.log.parent.mkdir(parents=True, exist_ok=True)
        if command.log.exists() and command.log.stat().st_size > LOG_LIMIT:
            command.log.replace(command.log.with_suffix(command.log.suffix + ".1"))
        with command.log.open("ab") as log:
            process = subprocess.Popen(
                command.launch(),
                env=dict(command.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=command.cwd,
                start_new_session=True,
            )
        return cls(command, process)

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative = the signal that ended it."""
        return self.process.poll()

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self.exit_code is None

    def send(self, signal_number: signal.Signals) -> None:
        """Send a signal; a process that is gone takes none."""
        if self.running:
            self.process.send_signal(signal_number)

    def kill(self) -> None:
        """SIGKILL to the process and whatever it started, and wait for its end."""
        if self.running:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, grace_seconds: float) -> None:
        """Ask it to stop, wait, then kill. Returns when it has ended."""
        self.send(self.command.stop_signal)
        try:
            self.process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()


def tail(log: Path, lines: int = 20, *, since: int = 0) -> list[str]:
    """The last lines of a log from byte `since` on, oldest first; none if there is no log."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        size = log.stat().st_size
        file.seek(max(since if since <= size else 0, size - 64 * 1024))  # a log that is shorter was begun anew
        text = file.read().decode("utf-8", "replace")
    return text.splitlines()[-lines:]
