"""One canonical log line a request: method, route, status, milliseconds, key. Never a query's values or a body."""

from __future__ import annotations

import time
from typing import Any

import structlog
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("services.api")

SECONDS = Histogram(
    "kaohe_api_request_seconds",
    "Time to the first byte of an answer",
    ["route", "method", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
QUIET = frozenset({"/livez", "/readyz", "/metrics"})


class RequestLog:
    """ASGI middleware; a stream is logged when its first byte leaves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and write the line when the answer begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def answering(message: Message) -> None:
            if message["type"] == "http.response.start":
                _record(scope, message["status"], time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, answering)


def _record(scope: Scope, status: int, seconds: float) -> None:
    route: Any = scope.get("route")
    path = getattr(route, "path", "unknown")
    SECONDS.labels(path, scope["method"], str(status)).observe(seconds)
    if path not in QUIET:
        key_id = scope.get("state", {}).get("key_id")
        log.info("request", method=scope["method"], route=path, status=status, ms=round(seconds * 1000, 1), key=key_id)
