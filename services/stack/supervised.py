"""One process under supervision: start, watch, restart with bounded back-off, stop."""

import asyncio
import time
from collections.abc import Callable

from services.runtime.clock import SystemClock
from services.stack.server import Server
from services.stack.state import ProcessReport, ProcessState

POLL_SECONDS = 0.2
HEALTH_EVERY_SECONDS = 2.0
FAILURES_UNTIL_KILLED = 8  # missed liveness answers in a row
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.5, 30.0
CALM_SECONDS = 60.0  # after so long in health, earlier failures are forgotten
ATTEMPTS_AT_START = 3  # so often may a process fail before the stack's first start is given up


class Supervised:
    """Keeps one server running until told to stop. `on_change` is called whenever its report changes."""

    def __init__(self, server: Server, on_change: Callable[[], None]) -> None:
        self.server = server
        self.report = ProcessReport(server.name, address=server.address, log=str(server.log))
        self._on_change = on_change
        # Settled once: with the first health, or with the error when the start is given up.
        self._decided: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failures = 0
        self._fault = ""  # why the last run ended, shown until the next is healthy
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start and wait for health. Raises StackError when it failed too often."""
        self._task = asyncio.create_task(self._run())
        first: set[asyncio.Future[None]] = {self._task, self._decided}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        (self._decided if self._decided.done() else self._task).result()

    async def stop(self) -> None:
        """End the supervision, then the process: SIGTERM, its grace, SIGKILL."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self.server.stop)
        if self._task is not None:
            self._set("stopped")

    async def _run(self) -> None:
        while True:
            reason = await self._once()
            self._failures += 1
            error = self.server.explain(reason)
            self._fault = str(error)
            if not self._decided.done() and self._failures >= ATTEMPTS_AT_START:
                self._set("waiting", str(error))
                self._decided.set_exception(error)
                return
            pause = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** min(self._failures - 1, 10))
            self._set("waiting", f"{error}; next start in {pause:.1f} s")
            self.report.restarts += 1
            await asyncio.sleep(pause)

    async def _once(self) -> str:
        """Start the process and watch it to its end; why it ended."""
        try:
            self.server.spawn()  # on the main thread: the kernel ties the child to it
        except OSError as error:
            return f"not started: {error.strerror or error}"
        self._set("starting", self._fault, started=True)
        return await self._watch()

    async def _watch(self) -> str:
        """Watch one run of the process to its end; why it ended."""
        began = healthy_at = time.monotonic()
        next_check, misses = 0.0, 0
        while self.server.running:
            now = time.monotonic()
            if now >= next_check:
                starting = self.report.state == "starting"
                ready, lives = await self._health()
                next_check = time.monotonic() + (POLL_SECONDS if starting else HEALTH_EVERY_SECONDS)
                misses = 0 if lives else misses + 1
                if ready:
                    self._mark_healthy()
                    if now - healthy_at > CALM_SECONDS:
                        self._failures = 0
                elif not starting:
                    healthy_at = now
                    self._set("unhealthy", "alive, not ready" if lives else f"no sign of life ({misses})")
                if starting and not ready and now - began > self.server.start_seconds:
                    await asyncio.to_thread(self.server.kill)
                    return f"not ready within {self.server.start_seconds:.0f} s"
                if not starting and misses >= FAILURES_UNTIL_KILLED:
                    await asyncio.to_thread(self.server.kill)
                    return "no sign of life"
            await asyncio.sleep(POLL_SECONDS)
        return self._how_it_ended()

    async def _health(self) -> tuple[bool, bool]:
        ready = await asyncio.to_thread(self.server.answers)
        return ready, ready or await asyncio.to_thread(self.server.lives)

    def _how_it_ended(self) -> str:
        code = self.server.child.exit_code if self.server.child is not None else None
        if code is not None and code < 0:
            return f"ended by signal {-code}"
        return f"ended with exit code {code}"

    def _mark_healthy(self) -> None:
        if self.report.state != "healthy":
            self._set("healthy")
        if not self._decided.done():
            self._decided.set_result(None)

    def _set(self, state: ProcessState, detail: str = "", *, started: bool = False) -> None:
        self.report.state = state
        self.report.detail = detail
        self.report.pid = self.server.pid
        self.report.address = self.server.address
        if started:
            self.report.started_ms = SystemClock().now_ms()
        self._on_change()
