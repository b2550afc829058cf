"""Crash-only: one line that says why, and the process ends. What was not committed never happened."""

from __future__ import annotations

import logging
import os
from typing import NoReturn

import structlog

from services.metrics.errors import EXIT_BROKEN, MetricsError

log = structlog.get_logger(__name__)


def exit_code_of(reason: BaseException) -> int:
    """Return the exit code that tells the supervisor what kind of end it was."""
    return reason.exit_code if isinstance(reason, MetricsError) else EXIT_BROKEN


def halt(reason: BaseException) -> NoReturn:
    """End the process now, from any thread: no handler, no flush to Kafka, no commit may run on a broken assumption."""
    code = exit_code_of(reason)
    expected = isinstance(reason, MetricsError)
    log.critical(
        "worker.halted",
        error=type(reason).__name__,
        reason=str(reason),
        exit_code=code,
        exc_info=None if expected else reason,
    )
    logging.shutdown()
    os._exit(code)
