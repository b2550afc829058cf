"""Workers as child processes under a small supervisor: it restarts what ends or no longer lives, and remembers why."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from services.stack.child import Child, Command

POLL_SECONDS = 0.1
HEALTH_SECONDS = 0.5
STARTUP_SECONDS = 30.0
MISSES_UNTIL_KILLED = 6
RESTART_PAUSE_SECONDS = 0.2


@dataclass(slots=True)
class Worker:
    """One place in the fleet, and the process that fills it now."""

    number: int
    log: Path
    port_file: Path
    child: Child | None = None
    paused: bool = False
    ordered_to_end: bool = False
    ready: bool = False
    restart_at: float = 0.0
    misses: int = 0

    @property
    def running(self) -> bool:
        """Whether its process exists, paused or not."""
        return self.child is not None and self.child.running


@dataclass(slots=True)
class Ends:
    """How processes ended that nobody had told to."""

    by_reason: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, example: str) -> None:
        """Count an end."""
        self.by_reason[reason] += 1
        self.examples.setdefault(reason, example)

    def beside(self, *expected: str) -> list[str]:
        """Say which workers ended for other reasons than those expected."""
        return [
            f"{times} workers ended by themselves: {reason}: {self.examples[reason]}"
            for reason, times in sorted(self.by_reason.items())
            if reason not in expected
        ]


class Fleet:
    """As many workers as `size` says. A context manager; at its end every process is gone."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *, size: int, name: str = "worker") -> None:
        self.size = size
        self.ends = Ends()
        self.starts = 0
        self._folder = folder
        self._environment = environment
        self._name = name
        self._workers: list[Worker] = []
        self._task: asyncio.Task[None] | None = None
        self._client = httpx.AsyncClient(timeout=1.0)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._supervise())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for worker in self._workers:
            if worker.child is not None:
                worker.child.kill()
        await self._client.aclose()

    def running(self) -> list[Worker]:
        """Workers that could do work now."""
        return [worker for worker in self._workers if worker.running and not worker.paused]

    def working(self) -> list[Worker]:
        """Workers that said, when last asked, that they have their partitions and move."""
        return [worker for worker in self.running() if worker.ready and not worker.ordered_to_end]

    def send(self, worker: Worker, number: signal.Signals) -> None:
        """Send a signal; the supervisor restarts what it ends."""
        if worker.child is not None:
            worker.ordered_to_end = worker.ordered_to_end or number in {signal.SIGKILL, signal.SIGTERM}
            worker.child.send(number)
            if number in {signal.SIGSTOP, signal.SIGCONT}:
                worker.paused = number == signal.SIGSTOP
                worker.ready = False
                worker.misses = 0

    def words(self, event: str) -> int:
        """How often the workers have logged an event."""
        return sum(
            worker.log.read_text(encoding="utf-8", errors="replace").count(f'"{event}"') for worker in self._workers
        )

    async def _supervise(self) -> None:
        checked = time.monotonic()
        while True:
            while len(self._workers) < self.size:
                self._workers.append(self._place(len(self._workers)))
            for worker in self._workers:
                self._look_after(worker)
            if time.monotonic() - checked > HEALTH_SECONDS:
                await asyncio.gather(*(self._check(worker) for worker in self.running()))
                checked = time.monotonic()
            await asyncio.sleep(POLL_SECONDS)

    def _place(self, number: int) -> Worker:
        stem = self._folder / f"{self._name}-{number}"
        return Worker(number, stem.with_suffix(".log"), stem.with_suffix(".port"))

    def _look_after(self, worker: Worker) -> None:
        wanted = worker.number < self.size
        now = time.monotonic()
        if worker.running:
            if not wanted and not worker.ordered_to_end:
                self.send(worker, signal.SIGTERM)
            return
        if worker.child is not None:
            self._remember(worker)
            worker.child = None
            worker.restart_at = now + RESTART_PAUSE_SECONDS
        if wanted and now >= worker.restart_at:
            self._start(worker)

    def _start(self, worker: Worker) -> None:
        worker.port_file.unlink(missing_ok=True)
        worker.paused = worker.ordered_to_end = worker.ready = False
        worker.misses = 0
        self.starts += 1
        argv = [sys.executable, "-m", "services.metrics"]
        environment = {**self._environment, "KAOHE_PORT_FILE": str(worker.port_file)}
        worker.child = Child.start(Command(argv, environment, worker.log))

    def _remember(self, worker: Worker) -> None:
        assert worker.child is not None
        code = worker.child.exit_code
        if worker.ordered_to_end and code in {0, -signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM}:
            return
        for line in reversed(worker.log.read_text(encoding="utf-8", errors="replace").splitlines()[-200:]):
            if '"worker.halted"' in line:
                told = json.loads(line)
                self.ends.add(told["error"], f"exit code {code}, {told['reason']}")
                return
        self.ends.add(f"exit code {code}", f"no reason in {worker.log}")

    async def _check(self, worker: Worker) -> None:
        """Ask for its health, as any supervisor does: a worker whose position stands still is killed."""
        child = worker.child
        assert child is not None
        worker.ready, lives = await self._answers(worker, "readyz"), await self._answers(worker, "livez")
        if worker.child is not child or worker.paused or time.monotonic() - child.started_at < STARTUP_SECONDS:
            return
        worker.misses = 0 if lives else worker.misses + 1
        if worker.misses >= MISSES_UNTIL_KILLED and child.running and not worker.ordered_to_end:
            self.ends.add("no longer live", f"{worker.log}")
            self.send(worker, signal.SIGKILL)

    async def _answers(self, worker: Worker, path: str) -> bool:
        try:
            port = int(worker.port_file.read_text())
            return (await self._client.get(f"http://127.0.0.1:{port}/{path}")).is_success
        except (OSError, ValueError, httpx.HTTPError):
            return False
