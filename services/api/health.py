"""/livez, /readyz and /metrics: for the machinery that runs the process, without a key."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import asyncpg
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.api.auth import authenticated
from services.api.context import Ctx
from services.runtime.problems import Problem, responses

router = APIRouter(tags=["health"])

READY_WITHIN_SECONDS = 3.0


@router.get("/livez", operation_id="livez", summary="The process answers")
async def livez() -> dict[str, str]:
    """Always `ok` while the event loop turns."""
    return {"status": "ok"}


@router.get("/readyz", operation_id="readyz", summary="The database answers and is migrated", responses=responses(503))
async def readyz(context: Ctx) -> dict[str, Any]:
    """Ready when a read of the heads comes back in time."""
    try:
        async with asyncio.timeout(READY_WITHIN_SECONDS), context.pool.acquire() as connection:
            shards = await connection.fetchval("SELECT count(*) FROM shard_head")
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        raise Problem(503, "not-ready", "The database does not answer", type(fault).__name__) from None
    return {"status": "ok", "shards": shards}


@router.get(
    "/metrics", operation_id="metrics", summary="Prometheus metrics", response_class=Response, responses=responses(401)
)
async def metrics(request: Request) -> Response:
    """Figures about the process, never about people. From this machine without a key, from elsewhere with any."""
    if not _is_local(request):
        await authenticated(request, None, None)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _is_local(request: Request) -> bool:
    """True for a client on this machine; a Unix socket has no address and is one."""
    if request.client is None:
        return True
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
