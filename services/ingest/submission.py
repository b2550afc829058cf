"""From an HTTP request to the events that it submits, unchecked: structured, batch and binary mode, within limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import orjson
from starlette.requests import ClientDisconnect, Request

from services.ingest import refusals
from services.ingest.gate import Lease
from services.ingest.settings import GatewaySettings

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
_ATTRIBUTE: Final = b"ce-"


async def read_submission(request: Request, lease: Lease, settings: GatewaySettings) -> list[Any]:
    """The events of a request in JSON form, as parsed; the lease takes their bytes on while they are read.

    Raises Problem: 415, 413 (as soon as a limit is passed), 400, 503.
    """
    media_type = _media_type(request)
    attributes = _binary_attributes(request)
    limit = settings.ingest_max_body_bytes if media_type == BATCH else settings.ingest_max_event_bytes
    events = _events(await _read_body(request, lease, limit), media_type, attributes)
    if len(events) > settings.ingest_max_batch_events:
        raise refusals.batch_too_large(len(events), settings.ingest_max_batch_events)
    return events


def _media_type(request: Request) -> str:
    """The request's media type, if events may come in it. Raises Problem 415."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise refusals.unsupported(f"content-encoding {encoding}")
    told = request.headers.get("content-type", "")
    media_type, _, parameters = told.partition(";")
    media_type = media_type.strip().lower()
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type not in {STRUCTURED, BATCH, "application/json"} or charset not in {"", "utf-8"}:
        raise refusals.unsupported(told)
    return media_type


def _binary_attributes(request: Request) -> dict[str, Any]:
    """Attributes from `ce-` headers; percent-encoded or plain UTF-8. Raises Problem 400."""
    found: dict[str, Any] = {}
    for name, value in request.headers.raw:
        if name.startswith(_ATTRIBUTE):
            try:
                found[name[len(_ATTRIBUTE) :].decode()] = unquote_to_bytes(value).decode()
            except UnicodeDecodeError:
                raise refusals.wrong_shape(f"the header {name.decode('latin-1')} is not UTF-8") from None
    return found


async def _read_body(request: Request, lease: Lease, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise refusals.body_too_large(limit)
    body = bytearray()
    try:
        async for chunk in request.stream():
            lease.take(len(chunk))
            body += chunk
            if len(body) > limit:
                break
    except ClientDisconnect:
        raise refusals.cut_off() from None
    if len(body) > limit:
        raise refusals.body_too_large(limit)
    return bytes(body)


def _events(body: bytes, media_type: str, attributes: Mapping[str, Any]) -> list[Any]:
    document = _load(body) if body or not attributes else None
    if media_type == BATCH:
        if not isinstance(document, list):
            raise refusals.wrong_shape("a batch is a JSON array of events")
        return document
    if media_type == "application/json" and attributes:
        return [{**attributes, "data": document}]
    if not isinstance(document, dict):
        raise refusals.wrong_shape(f"an event in JSON form is an object; an array of events goes as {BATCH}")
    return [document]


def _load(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError as fault:
        raise refusals.not_json(str(fault)) from None
