"""A stack as its user sees it: up, status, down. The work is done by a supervisor in a process of its own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

import services
from services.runtime.settings import StackSettings
from services.stack.child import tail
from services.stack.errors import DiskFull, StackError, StartFailed
from services.stack.preflight import check_machine
from services.stack.running import FILE, running_environment
from services.stack.state import StackState, is_supervised, read_state

UP_SECONDS = 600.0  # the first start fetches 45 MB of jars over any network
DOWN_SECONDS = 120.0
SUPERVISOR = "services.stack"  # in the command line of the supervisor's process
OURS = ("kafka", "postgres", "logs", "state.json", "state.json.new", FILE, "supervisor.lock", "supervisor.log")


@dataclass(frozen=True, slots=True)
class Started:
    """What `up` found: the stack's state, and whether it ran before."""

    state: StackState
    already_up: bool


class Stack:
    """The stack whose data lie in one home. Methods block; they raise StackError."""

    def __init__(self, settings: StackSettings) -> None:
        self.settings = settings
        self.home = settings.home.absolute()

    @property
    def is_up(self) -> bool:
        """Whether a supervisor lives (its processes may still be starting)."""
        return is_supervised(self.home)

    def status(self) -> StackState | None:
        """The present state; None when no stack runs. What a killed supervisor left behind does not count."""
        return read_state(self.home) if self.is_up else None

    def environment(self) -> dict[str, str]:
        """The KAOHE_ settings of the running stack; empty when none runs."""
        return running_environment(self.home)

    def up(self, on_message: Callable[[str], None] = lambda _: None) -> Started:
        """Start the stack in the background and wait until all is healthy. A stack that is up is left as it is."""
        already = self.is_up
        process = None
        if not already:
            check_machine(self.settings)
            self._end_orphans()
            (self.home / "state.json").unlink(missing_ok=True)
            process = self._start_supervisor()
        try:
            return Started(self._wait_until_up(process, on_message), already)
        except KeyboardInterrupt:
            if process is not None:
                self.down()
            raise

    def down(self) -> bool:
        """Stop everything, keep the data. Whether there was something to stop."""
        state = self.status()
        if state is None:
            return self._end_orphans()
        supervisor = _process(state.pid, SUPERVISOR)
        if supervisor is not None:
            supervisor.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + DOWN_SECONDS
        while self.is_up and time.monotonic() < deadline:
            time.sleep(0.1)
        if self.is_up and supervisor is not None:
            supervisor.kill()  # the kernel tells its children
            supervisor.wait(10)
            self._end_orphans()
        return True

    def erase(self) -> list[Path]:
        """Remove the data of a stack that is down; what was removed. Only what the launcher made, never the rest of the folder."""
        if self.is_up:
            raise StackError("the stack is up", "stop it first with `kaohe down`")
        removed = []
        for name in OURS:
            path = self.home / name
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()
            else:
                continue
            removed.append(path)
        if self.home.exists() and not any(self.home.iterdir()):
            self.home.rmdir()
        return removed

    def _start_supervisor(self) -> "subprocess.Popen[bytes]":
        """A process in a session of its own: it outlives this command and its terminal."""
        root = str(Path(services.__file__).parents[1])
        path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
        with (self.home / "logs" / "supervisor.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", SUPERVISOR],
                env=os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | settings_environment(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                start_new_session=True,
            )

    def _wait_until_up(
        self, process: "subprocess.Popen[bytes] | None", on_message: Callable[[str], None]
    ) -> StackState:
        deadline = time.monotonic() + UP_SECONDS
        said = None
        while time.monotonic() < deadline:
            state = read_state(self.home)
            if state is not None and state.message != said:
                said = state.message
                on_message(said)
            ended = process is not None and process.poll() is not None
            if ended and self.is_up:  # somebody else's `up` was quicker
                process, ended = None, False
            if state is not None and state.phase == "running" and not ended and self.is_up:
                return state
            if ended or (process is None and not self.is_up):
                raise self._why_not(state)
            time.sleep(0.1)
        raise StartFailed("the stack", f"not healthy within {UP_SECONDS:.0f} s", self.home / "logs")

    def _why_not(self, state: StackState | None) -> StackError:
        if state is not None and state.phase in ("failed", "stopping") and ": " in state.message:
            problem, _, cure = state.message.partition(": ")
            return StackError(problem, cure)
        free_mb = shutil.disk_usage(self.home).free // 2**20
        if free_mb == 0:
            return DiskFull(self.home, None, None)
        log = self.home / "logs" / "supervisor.log"
        last = next((line for line in reversed(tail(log)) if line.strip()), "its log is empty")
        return StartFailed("the supervisor", last.strip()[-300:], log)

    def _end_orphans(self) -> bool:
        """End processes that a killed supervisor could not take along; whether there were any.

        Where the kernel ties children to their parent there are none. A pid counts only if its process was started by us
        in this home: pids are used again.
        """
        state = read_state(self.home)
        orphans = [] if state is None else [_process(report.pid, str(self.home)) for report in state.processes]
        living = [process for process in orphans if process is not None]
        for process in living:
            process.terminate()
        _, stubborn = psutil.wait_procs(living, timeout=30)
        for process in stubborn:
            process.kill()
        psutil.wait_procs(stubborn, timeout=10)
        return bool(living)


def settings_environment(settings: StackSettings) -> dict[str, str]:
    """The settings as environment variables, so that the supervisor reads the same ones."""
    values = settings.model_dump(exclude_none=True) | {"home": settings.home.absolute()}
    return {
        f"KAOHE_{key.upper()}": ",".join(value) if isinstance(value, tuple) else str(value)
        for key, value in values.items()
    }


def _process(pid: int | None, sign: str) -> psutil.Process | None:
    """The living process of this pid, if its command line or environment bears our sign."""
    try:
        if pid is None:
            return None
        process = psutil.Process(pid)
        if sign in " ".join(process.cmdline()) or process.environ().get("KAOHE_HOME") == sign:
            return process
    except psutil.Error:
        return None
    return None
