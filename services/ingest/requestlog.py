"""One canonical log line a request: route, status, milliseconds, key and counts. Never a payload, an id or a source."""

from __future__ import annotations

import time
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("services.ingest")

QUIET: Final = frozenset({"/livez", "/readyz", "/metrics"})


class RequestLog:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; log and measure it when its answer begins."""
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
    route = getattr(scope.get("route"), "path", "unknown")
    scope["app"].state.context.telemetry.requests.labels(route, scope["method"], str(status)).observe(seconds)
    if route in QUIET:
        return
    state = scope.get("state", {})
    line: dict[str, Any] = {"method": scope["method"], "route": route, "status": status, "ms": round(seconds * 1000, 1)}
    if "key_id" in state:
        line["key"] = state["key_id"]
    if (outcome := state.get("outcome")) is not None:
        line |= {"accepted": outcome.accepted, "rejected": outcome.rejected, "unacknowledged": outcome.unacknowledged}
    log.info("request", **line)
