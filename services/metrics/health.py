"""/livez, /readyz and /metrics of a worker, served by the event loop that does the work: a blocked loop does not answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Self

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.metrics.telemetry import Telemetry
from services.metrics.watch import Verdict, Watch


def _answer(verdict: Verdict) -> web.Response:
    return web.Response(text=(verdict.reason or "ok") + "\n", status=200 if verdict.ok else 503)


class HealthServer:
    """A context manager; `port` is known once it is entered."""

    def __init__(self, watch: Watch, telemetry: Telemetry, *, host: str, port: int, port_file: Path | None) -> None:
        self._watch = watch
        self._telemetry = telemetry
        self._host = host
        self.port = port
        self._port_file = port_file
        application = web.Application()
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)

    async def __aenter__(self) -> Self:
        """Listen; raises OSError when the port is taken. The port file appears whole or not at all."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self.port).start()
        self.port = self._runner.addresses[0][1]
        if self._port_file is not None:
            written = self._port_file.with_suffix(".writing")
            written.write_text(f"{self.port}\n", encoding="utf-8")
            written.replace(self._port_file)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _livez(self, _: web.Request) -> web.Response:
        return _answer(self._watch.live(time.monotonic()))

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(self._watch.ready(time.monotonic()))

    async def _metrics(self, _: web.Request) -> web.Response:
        self._telemetry.lags(self._watch.lag())
        return web.Response(
            body=generate_latest(self._telemetry.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
