"""Server-sent events: the figures of some subjects, pushed when they change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, cast

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from services.api.auth import Reader
from services.api.context import Context, Ctx
from services.api.kpis.endpoints import IdParam, LevelParam, Unattributed, ViewParam, WindowParam, indicator_named
from services.api.kpis.schemas import Kpi
from services.api.kpis.service import KpiQuestion
from services.api.kpis.subjects import Level, SubjectId
from services.api.stream.frames import FigureKey, Seen, changed, message
from services.api.stream.groups import figures_seen
from services.api.stream.hub import FAULTS, Hub, wait_for
from services.core.kpi.indicators import INDICATORS
from services.runtime.keyring import Keyring
from services.runtime.problems import Problem, responses
from services.runtime.security import KeyRefused, KeysUnavailable
from services.store.changes import heads

router = APIRouter(prefix="/v1", tags=["stream"])

HEARTBEAT_SECONDS = 10.0
RESUME_WITHIN_MS = 60 * 60 * 1000
MOST_SUBJECTS = 200
RETRY_MS = 2_000
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@router.get(
    "/stream",
    operation_id="streamKpis",
    summary="Figures, pushed when they change",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "`snapshot`: every figure. `kpi`: those that changed. `stale`: the database does not answer. Comments keep it open.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **responses(401, 403, 404, 422, 503),
    },
)
async def stream_kpis(
    *,
    context: Ctx,
    _key: Reader,
    request: Request,
    level: LevelParam = Level.ENGINEER,
    window: WindowParam = "24h",
    view: ViewParam = None,
    ids: IdParam = None,
    unattributed: Unattributed = False,
    indicator: Annotated[list[str] | None, Query(description="Indicators, repeatable. Left out: all.")] = None,
    last_event_id: Annotated[
        str | None, Header(description="The id of the last message: only what changed since is sent.")
    ] = None,
) -> StreamingResponse:
    """Within a second of the event, and when a deadline passes or a window moves on without one.

    Only figures whose meaning changed are sent; a slow client gets the newest state, not a backlog.
    """
    subjects: frozenset[SubjectId] = frozenset({None}) if unattributed else frozenset(ids or ())
    if not 0 < len(subjects) <= MOST_SUBJECTS:
        raise Problem(
            422,
            "which-subjects",
            "A stream is about some subjects",
            f"Give 1 to {MOST_SUBJECTS} `id`s, or `unattributed`.",
        )
    indicators = tuple(indicator_named(name) for name in dict.fromkeys(indicator or INDICATORS))
    question = KpiQuestion(level, window, indicators, subjects, view)
    async with (
        context.reading() as connection
    ):  # once the stream is open there is no other way to say that the database is away
        await heads(connection)
    hub = cast("Hub", request.app.state.hub)
    body = _messages(context, hub, question, request, Seen.decode(last_event_id))
    return StreamingResponse(body, headers=HEADERS, media_type="text/event-stream")


async def _messages(
    context: Context, hub: Hub, question: KpiQuestion, request: Request, since: Seen | None
) -> AsyncIterator[bytes]:
    """First what the client lacks, then what changes; in between a sign of life."""
    async with hub.viewing(question) as (viewer, group):
        assert group.as_of is not None and group.seen is not None  # noqa: S101, PT018 - read before the first viewer joins
        viewer.as_of, viewer.seen = group.as_of, group.seen
        # What the first message says and is labelled with is one state, whatever arrives while it is prepared.
        as_of, seen, figures = group.as_of, group.seen, dict(group.figures)
        yield format_sse_event(retry=RETRY_MS)
        known = await _known(context, question, since)
        if known is None:
            yield message("snapshot", as_of, figures.values(), seen)
        else:
            yield message("kpi", as_of, changed(known, figures.values()), seen)
        while await _still_allowed(request):
            if await wait_for(viewer.woken, HEARTBEAT_SECONDS):
                moved = viewer.take()
                yield message("kpi", viewer.as_of, moved, viewer.seen)
            else:
                yield format_sse_event(event="stale", data_str="{}") if hub.stale else KEEPALIVE_COMMENT


async def _known(context: Context, question: KpiQuestion, since: Seen | None) -> Mapping[FigureKey, Kpi] | None:
    """The figures that a returning client has; None: it is new, was away too long, or what it saw cannot be read again."""
    if since is None or not 0 <= context.clock.now_ms() - since.at_ms <= RESUME_WITHIN_MS:
        return None
    try:
        return await figures_seen(context, question, since)
    except (LookupError, *FAULTS):
        return None


async def _still_allowed(request: Request) -> bool:
    """A stream outlives no key: one that was revoked or has expired ends it at the next sign of life."""
    keyring = cast("Keyring", request.app.state.keyring)
    try:
        await keyring.authenticate(request.headers)
    except KeyRefused:
        return False
    except KeysUnavailable:
        return True
    return True
