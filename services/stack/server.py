"""What the launcher's own servers, Kafka and PostgreSQL, have in common: prepare, spawn, wait, stop."""

import shutil
import time
from abc import ABC, abstractmethod
from pathlib import Path

from services.stack.child import Child, Command, tail
from services.stack.errors import DataDamaged, DiskFull, StackError, StartFailed

NO_SPACE = ("No space left on device", "ENOSPC", "Disk quota exceeded")


class Server(ABC):
    """A server as a child process. Its data outlive it; starting again finds them."""

    name: str
    damage: tuple[str, ...] = ()  # what the log says when the data are at fault
    grace_seconds = 20.0
    start_seconds = 60.0

    def __init__(self, home: Path, log: Path) -> None:
        self.home = home.absolute()
        self.log = log.absolute()
        self.child: Child | None = None
        self._log_mark = 0  # where the log of the present attempt begins; what earlier ones said is not its reason

    @abstractmethod
    def prepare(self) -> None:
        """Everything before the process: files, first initialisation. May take seconds; safe to repeat."""

    @abstractmethod
    def command(self) -> Command:
        """The process to run."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where clients find it, for people to read: no password."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves its clients now. Answers within a second."""

    def lives(self) -> bool:
        """Whether it shows a sign of life; one that shows none for long is killed and started again."""
        return self.answers()

    @property
    def running(self) -> bool:
        """Whether the process lives (it may not answer yet)."""
        return self.child is not None and self.child.running

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self.child.pid if self.child is not None and self.child.running else None

    def spawn(self) -> None:
        """Start the process; returns at once. Call it on the main thread."""
        self._mark_log()
        self.child = Child.start(self.command())

    def wait(self) -> None:
        """Wait until it answers; raises StackError when it ends or takes too long."""
        deadline = time.monotonic() + self.start_seconds
        while not self.answers():
            if not self.running:
                raise self.explain("it ended")
            if time.monotonic() > deadline:
                self.stop()
                raise self.explain(f"it did not answer within {self.start_seconds:.0f} s")
            time.sleep(0.05)

    def start(self) -> None:
        """Prepare, spawn and wait."""
        self.prepare()
        self.spawn()
        self.wait()

    def stop(self) -> None:
        """Stop within the grace; kill after it. Nothing to do when it does not run."""
        if self.child is not None:
            self.child.stop(self.grace_seconds)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self.child is not None:
            self.child.kill()

    def _mark_log(self) -> None:
        self._log_mark = self.log.stat().st_size if self.log.exists() else 0

    def explain(self, reason: str) -> StackError:
        """The error that the end of the log speaks for."""
        lines = tail(self.log, 200, since=self._log_mark)
        text = "\n".join(lines)
        if any(sign in text for sign in NO_SPACE):
            return DiskFull(self.home, shutil.disk_usage(self.home).free // 2**20, None)
        for sign in self.damage:
            culprit = next((line for line in reversed(lines) if sign in line), None)
            if culprit is not None:
                return DataDamaged(self.name, self.home, culprit.strip()[-200:])
        last = next((line for line in reversed(lines) if line.strip()), "its log is empty")
        return StartFailed(self.name, f"{reason}; its last words: {last.strip()[-200:]}", self.log)
