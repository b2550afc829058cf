"""The API's app: what it is made of, what it opens when it starts, and the rule that nothing answers without a key."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import sqlalchemy.exc
import structlog
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute

from services.api import health
from services.api.auth import authenticated
from services.api.cases import endpoints as cases
from services.api.completeness import endpoints as completeness
from services.api.context import Context
from services.api.kpis import endpoints as kpis
from services.api.requestlog import RequestLog
from services.api.roster import endpoints as roster
from services.api.settling import endpoints as settling
from services.api.stream import endpoints as stream
from services.api.stream.hub import Hub
from services.core.kpi.definitions import Definitions
from services.runtime import problems
from services.runtime.clock import Clock, SystemClock
from services.runtime.keyring import Keyring
from services.runtime.problems import Problem
from services.runtime.settings import ApiSettings
from services.store.borrow import borrow
from services.store.database import create_engine, create_pool
from services.store.definitions import ZoneDiffers, settle
from services.store.keys import KeyTable

log = structlog.get_logger(__name__)

ROUTERS: Final = (kpis.router, cases.router, stream.router, roster.router, completeness.router, settling.router)
DATABASE_AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.OperationalError,
    OSError,
    TimeoutError,
)
"""Faults of the way to the database, not of the request: a retry may succeed."""
OPEN: Final = frozenset({"/livez", "/readyz", "/metrics"})

DESCRIPTION = """
Live KPIs of an after-sales organisation by engineer, team (辖区), representative and branch; the postings and cases behind each; any
figure as of a recorded checkpoint; a stream of changes; the roster; and what is known about how complete the input is.

Numbers are exact: a ratio is a numerator and a denominator, its `value` a fraction `n/d`, its `decimal` for display only. Instants are
RFC 3339 in UTC. Windows are half-open, `[from, to)`. Errors are problem details (RFC 9457) whose `type` is stable.
"""


def create_app(settings: ApiSettings, *, clock: Clock | None = None) -> FastAPI:
    """The app for these settings; it connects when it starts."""
    app = FastAPI(
        title="Kaohe 考核",
        version="0.1.0",
        summary="Service KPIs, exactly once, explained down to the event.",
        description=DESCRIPTION,
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.state.settings = settings
    app.state.clock = clock or SystemClock()
    problems.install(app)
    app.add_exception_handler(asyncpg.DataError, _on_bad_value)
    app.add_exception_handler(sqlalchemy.exc.DBAPIError, _on_database_fault)
    for fault in DATABASE_AWAY:
        app.add_exception_handler(fault, _on_database_away)
    app.add_middleware(RequestLog)
    app.include_router(health.router)
    for router in (*ROUTERS, _description(), *_periods()):
        app.include_router(router, dependencies=[Depends(authenticated)])
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: ApiSettings = app.state.settings
    clock: Clock = app.state.clock
    pool = await create_pool(settings.database_url)
    engine = create_engine(settings.database_url, size=4)
    try:
        context = Context(pool, engine, clock, await _definitions(pool, settings.zone))
        hub = Hub(context)
        app.state.context, app.state.hub = context, hub
        app.state.keyring = Keyring(KeyTable(pool).find, clock)
        async with hub.running():
            yield
    finally:
        await engine.dispose()
        await pool.close()


async def _definitions(pool: asyncpg.Pool, zone: str) -> Definitions:
    """The definitions of the database, begun with this zone. Raises ZoneDiffers, which ends the start."""
    try:
        async with borrow(pool) as connection:
            return Definitions(zone=zone, version=await settle(connection, zone))
    except ZoneDiffers as fault:
        log.critical("api.refused", error=type(fault).__name__, reason=str(fault))
        raise


async def _on_database_away(_request: Request, fault: Exception) -> Response:
    log.warning("database.away", fault=type(fault).__name__)
    return Problem(
        503, "database-away", "The database does not answer right now", headers={"Retry-After": "2"}
    ).response()


async def _on_bad_value(_request: Request, _fault: Exception) -> Response:
    """PostgreSQL cannot hold a value that the request names: a number beyond its type, as a forged cursor may have."""
    return Problem(400, "bad-value", "A value of the request is out of range").response()


async def _on_database_fault(request: Request, fault: Exception) -> Response:
    """SQLAlchemy wraps what the driver says: what is no bad value is a fault of ours."""
    driver = getattr(getattr(fault, "orig", None), "__cause__", None)
    if isinstance(driver, asyncpg.DataError):
        return await _on_bad_value(request, fault)
    raise fault


def _description() -> APIRouter:
    """The OpenAPI document, for holders of a key."""
    router = APIRouter(tags=["description"])

    @router.get("/openapi.json", operation_id="openapi", summary="This description", include_in_schema=False)
    async def openapi(request: Request) -> dict[str, Any]:
        return dict(request.app.openapi())

    return router


def _periods() -> list[APIRouter]:
    """The freeze's endpoints, once they are part of this installation."""
    try:
        module = importlib.import_module("services.api.periods.endpoints")
    except ModuleNotFoundError as missing:
        if missing.name not in {"services.api.periods", "services.api.periods.endpoints"}:
            raise
        return []
    return [module.router]


def _operation_id(route: APIRoute) -> str:
    return route.operation_id or route.name
