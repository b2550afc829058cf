"""What the supervisor tells others: `state.json` in KAOHE_HOME, replaced as a whole, and the lock that says it lives."""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Literal

Phase = Literal["starting", "running", "stopping", "stopped", "failed"]
ProcessState = Literal["waiting", "starting", "healthy", "unhealthy", "stopped"]


@dataclass(slots=True)
class ProcessReport:
    """One process. `started_ms`: epoch milliseconds of its present start; `detail`: address, or why it waits."""

    name: str
    state: ProcessState = "waiting"
    pid: int | None = None
    started_ms: int | None = None
    restarts: int = 0
    address: str = ""
    detail: str = ""
    log: str = ""


@dataclass(slots=True)
class StackState:
    """The whole stack. `message` says what it is doing, or, when failed, what went wrong and the cure."""

    pid: int
    phase: Phase = "starting"
    message: str = ""
    since_ms: int = 0
    addresses: dict[str, str] = field(default_factory=dict)
    processes: list[ProcessReport] = field(default_factory=list)


def write_state(home: Path, state: StackState) -> None:
    """Replace the file at once: a reader sees the old or the new one, never half."""
    fresh = home / "state.json.new"
    fresh.write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
    fresh.replace(home / "state.json")


def read_state(home: Path) -> StackState | None:
    """The last state written; None when there is none that can be read."""
    try:
        fields = json.loads((home / "state.json").read_text(encoding="utf-8"))
        processes = [ProcessReport(**process) for process in fields.pop("processes")]
        return StackState(**fields, processes=processes)
    except (OSError, ValueError, TypeError, KeyError):
        return None


@contextmanager
def supervising(home: Path) -> Iterator[bool]:
    """Hold the home for this process; yields False when somebody else holds it.

    The lock is the kernel's: it goes with its process, however that ends, so a stale pid file cannot mislead.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "supervisor.lock").open("a") as file:  # closed on exec: children do not hold it
        yield _take(file)


def is_supervised(home: Path) -> bool:
    """Whether a supervisor lives."""
    path = home / "supervisor.lock"
    if not path.exists():
        return False
    with path.open("r") as file:
        return not _try(file, fcntl.LOCK_SH)


def _take(file: IO[str]) -> bool:
    """Take the lock; try for a while, since somebody who only looks holds it for a moment."""
    for _ in range(20):
        if _try(file, fcntl.LOCK_EX):
            return True
        time.sleep(0.05)
    return False


def _try(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
