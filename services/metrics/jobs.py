"""Periodic work beside the stream. Each job takes an advisory lock and is idempotent, so every worker may run all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

log = structlog.get_logger(__name__)

MOST_BACKOFF_SECONDS = 5.0


async def every(
    seconds: float,
    name: str,
    work: Callable[[], Awaitable[None]],
    *,
    wake: asyncio.Event | None = None,
    on_failure: Callable[[str], None] = lambda _: None,
) -> None:
    """Run `work` for ever: after `seconds` each, or as soon as `wake` is set. A failure is told and tried again later.

    Failures never end the worker: KPIs are right without these jobs, only later, and a fault that lasts is seen in the log
    and in the metrics.
    """
    failures = 0
    while True:
        try:
            await work()
        except Exception as fault:  # noqa: BLE001 - see above
            failures += 1
            on_failure(name)
            log.warning("job.failed", job=name, error=type(fault).__name__, reason=str(fault), failures=failures)
            await asyncio.sleep(min(MOST_BACKOFF_SECONDS, 0.5 * 2 ** min(failures, 10)))
            continue
        failures = 0
        if wake is None:
            await asyncio.sleep(seconds)
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), seconds)
            wake.clear()
