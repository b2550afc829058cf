"""`python -m services.ingest`: the gateway as a process."""

from __future__ import annotations

import signal
import sys

import uvicorn

from services.ingest.app import create_app
from services.ingest.settings import GatewaySettings
from services.runtime import logging


def main() -> int:
    """Serve until SIGTERM; requests under way are answered, what they sent is flushed."""
    settings = GatewaySettings()
    logging.configure(settings.log_level)
    # Uvicorn raises the signal anew when it is done; a stop that was asked for is a success.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        create_app(settings),
        host=settings.ingest_host,
        port=settings.ingest_port,
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.ingest_drain_seconds),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
