"""`python -m services.api`: serve the API until SIGTERM."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import uvicorn

from services.api.app import create_app
from services.runtime import logging
from services.runtime.settings import ApiSettings

DRAIN_SECONDS = 5


def main() -> int:
    """Run the server; open streams get a few seconds to end."""
    settings = ApiSettings()
    logging.configure(settings.log_level)
    # uvicorn drains, then raises the signal again: to have been asked to end is no failure.
    signal.signal(signal.SIGTERM, _end)
    uvicorn.run(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return 0


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
