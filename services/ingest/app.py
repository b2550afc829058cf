"""The gateway as an ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.ingest.context import Context
from services.ingest.endpoints import router
from services.ingest.requestlog import RequestLog
from services.ingest.settings import GatewaySettings
from services.runtime import problems
from services.runtime.clock import Clock, SystemClock

DESCRIPTION = "Takes CloudEvents in, validates them against schemas/ and answers when the broker has them."


def create_app(settings: GatewaySettings, clock: Clock | None = None) -> FastAPI:
    """The app for these settings; it connects when it starts."""
    time_source = clock or SystemClock()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        context = Context.build(settings, time_source)
        app.state.context = context
        context.outlet.start()
        try:
            yield
        finally:
            await context.close()

    app = FastAPI(
        title="Kaohe gateway",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # served below, to holders of a key
    )
    app.add_middleware(RequestLog)
    app.include_router(router)
    problems.install(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        described.setdefault("components", {})["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        app.openapi_schema = described
    return app.openapi_schema
