"""POST /v1/events, and what operators ask: /livez, /readyz, /metrics."""

from __future__ import annotations

from typing import Any, Final, cast

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.ingest import refusals
from services.ingest.context import Context
from services.ingest.gateway import Outcome
from services.ingest.submission import BATCH, STRUCTURED, read_submission
from services.ingest.verdicts import Verdicts
from services.runtime.problems import responses
from services.runtime.security import ApiKey, KeyRefused, KeysUnavailable, Scope

router = APIRouter()

_PROBE_SECONDS: Final = 2.0
_EVENT: Final[dict[str, Any]] = {"type": "object", "description": "A CloudEvent 1.0 of a type in schemas/."}
_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        STRUCTURED: {"schema": _EVENT},
        BATCH: {"schema": {"type": "array", "items": _EVENT}},
        "application/json": {
            "schema": {"description": "With ce- headers the data of the event (binary mode), else the event."}
        },
    },
}


@router.post(
    "/v1/events",
    operation_id="submitEvents",
    summary="Submit events",
    status_code=202,
    response_model=Verdicts,
    responses=responses(400, 401, 403, 413, 415, 422, 503),
    openapi_extra={"requestBody": _BODY, "security": [{"bearer": []}, {"apiKey": []}]},
    tags=["events"],
)
async def submit_events(request: Request) -> Response:
    """Take CloudEvents in: one in structured or binary mode, or a batch.

    202 means that the broker acknowledged every accepted event; each event has its verdict, in order. An event may be sent again
    under the same source and id: it counts once.
    """
    context = _context(request)
    key = await _authenticated(request, context)
    with context.gate.lease() as lease:
        events = await read_submission(request, lease, context.settings)
        outcome = await context.gateway.submit(events, key)
    request.state.outcome = outcome
    return _answer(outcome)


def _answer(outcome: Outcome) -> Response:
    if outcome.unacknowledged:
        detail = (
            f"{outcome.accepted} events were acknowledged, {outcome.unacknowledged} were not: send those again under the same ids."
            if outcome.accepted
            else "No event was acknowledged: send them again under the same ids."
        )
        raise refusals.broker_away(detail, outcome.verdicts)
    if outcome.rejected and not outcome.accepted:
        raise refusals.all_rejected(outcome.verdicts)
    body = {"accepted": outcome.accepted, "rejected": outcome.rejected, "verdicts": outcome.verdicts}
    return Response(orjson.dumps(body), 202, media_type="application/json")


async def _authenticated(request: Request, context: Context) -> ApiKey:
    try:
        key = await context.keyring.authenticate(request.headers)
        request.state.key_id = key.key_id
        key.require(Scope.INGEST)
    except KeyRefused as refused:
        raise refusals.key_refused(refused) from None
    except KeysUnavailable:
        raise refusals.database_away("This API key was not seen lately and cannot be looked up.") from None
    return key


@router.get("/openapi.json", summary="This description", tags=["operation"], include_in_schema=False)
async def openapi(request: Request) -> dict[str, Any]:
    """The OpenAPI document, for holders of a key."""
    await _authenticated(request, _context(request))
    return dict(request.app.openapi())


@router.get("/livez", summary="Whether the process turns", tags=["operation"])
async def livez() -> dict[str, str]:
    """200 as long as the event loop answers."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Whether events can be taken",
    responses={503: {"description": "Not ready, with the reason"}},
    tags=["operation"],
)
async def readyz(request: Request) -> Response:
    """200 when the broker answers and the topic is as declared, else 503 with the reason."""
    obstacle = await _context(request).outlet.probe(_PROBE_SECONDS)
    body = {"status": "ready"} if obstacle is None else {"status": "not ready", "reason": obstacle}
    return Response(orjson.dumps(body), 200 if obstacle is None else 503, media_type="application/json")


@router.get("/metrics", summary="Figures for Prometheus", tags=["operation"])
async def metrics(request: Request) -> Response:
    """Prometheus's text format."""
    context = _context(request)
    context.telemetry.in_flight.set(context.gate.taken)
    context.telemetry.rebuilds.set(context.outlet.rebuilds)
    return Response(generate_latest(context.telemetry.registry), media_type=CONTENT_TYPE_LATEST)


def _context(request: Request) -> Context:
    return cast("Context", request.app.state.context)
