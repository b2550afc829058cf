"""KPI endpoints: the catalogue, figures, and the postings behind a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.api.auth import Reader
from services.api.context import Context, Ctx
from services.api.instants import to_ms
from services.api.kpis.behind import BehindPage, behind
from services.api.kpis.schemas import IndicatorOut, KpiAnswer, KpiPage
from services.api.kpis.service import Answer, KpiQuestion, NoCheckpointError, SubjectKey, answer, subject_key
from services.api.kpis.subjects import Level, SubjectId
from services.api.kpis.windows import PATTERN, View
from services.api.paging import Page, Paging, Place, bad_cursor
from services.core.kpi.indicators import INDICATORS, Indicator
from services.core.kpi.localday import DAY_MS
from services.runtime.problems import Problem, responses

router = APIRouter(prefix="/v1", tags=["kpis"])

FIRST_MS = 365 * DAY_MS
"""Nobody's service was recorded before 1971, and windows before it would begin before the epoch."""

LevelParam = Annotated[Level, Query(description="engineer, team (辖区), representative or branch.")]
WindowParam = Annotated[
    str,
    Query(
        pattern=PATTERN,
        description="1h, 24h, 7d, 30d: rolling, ending at T. month: the current one. YYYY-MM: that month.",
        examples=["7d", "2026-10"],
    ),
]
ViewParam = Annotated[
    View | None,
    Query(description="live, settled, provisional or matured. Left out: settled once the month is over, else live."),
]
IdParam = Annotated[
    list[str] | None, Query(alias="id", description="Subjects, repeatable. Left out: everybody.", max_length=500)
]
Unattributed = Annotated[bool, Query(description="Only what the roster attributes to nobody at this level.")]
Exact = Annotated[bool, Query(description="Quantiles by nearest rank over the journal instead of the histogram.")]
AsOfParam = Annotated[
    str | None,
    Query(
        max_length=40,
        description="A checkpoint's id, or an instant (RFC 3339 with offset): the last checkpoint at or before it.",
        examples=["17", "2026-11-01T00:00:00+08:00"],
    ),
]
AtParam = Annotated[
    datetime | None,
    Query(
        description="T, where windows end and stocks are read; with an offset, not in the future. Left out: now, or the checkpoint's."
    ),
]


def _question(
    *,
    context: Ctx,
    level: LevelParam = Level.ENGINEER,
    window: WindowParam = "month",
    view: ViewParam = None,
    ids: IdParam = None,
    unattributed: Unattributed = False,
    exact: Exact = False,
    as_of: AsOfParam = None,
    at: AtParam = None,
) -> KpiQuestion:
    """The parameters that every figure shares, as a question without its indicators."""
    subjects: frozenset[SubjectId] | None = None
    if unattributed:
        subjects = frozenset({None})
    elif ids:
        subjects = frozenset(ids)
    return KpiQuestion(level, window, (), subjects, view, exact, _as_of(as_of), _at(at, context))


Asked = Annotated[KpiQuestion, Depends(_question)]
FIGURE_PROBLEMS = responses(400, 401, 403, 404, 422)


@router.get("/indicators", operation_id="listIndicators", summary="The catalogue", responses=responses(401, 403))
async def list_indicators(_key: Reader) -> Page[IndicatorOut]:
    """Every KPI with its formula and measures. Ids are the same everywhere: API, dashboard, scheme, export."""
    return Page(items=[IndicatorOut.of(indicator) for indicator in INDICATORS.values()], next_cursor=None)


@router.get("/kpis", operation_id="listKpis", summary="Figures by subject", responses=FIGURE_PROBLEMS)
async def list_kpis(
    *,
    context: Ctx,
    _key: Reader,
    asked: Asked,
    paging: Paging,
    indicator: Annotated[
        list[str] | None, Query(description="Indicators, repeatable. Left out: all.", max_length=200)
    ] = None,
) -> KpiPage:
    """By subject, then in the order of the indicators; what belongs to nobody comes last, under the id null."""
    indicators = [indicator_named(name) for name in dict.fromkeys(indicator or INDICATORS)]
    question = _with(asked, indicators)
    names = [found.id for found in indicators]
    place = Place.of("kpis", question.level, question.window, question.view, question.ids, names, question.as_of)
    key = place.decode(paging.cursor, int, str, int, int)
    after = None
    if key is not None:
        after = ((int(key[0] or 0), str(key[1])), int(key[2] or 0))
        question = _at_instant(question, int(key[3] or 0), context)
    found = await _answered(context, question, after, paging.limit)
    following = None
    if found.more and found.items:
        last = found.items[-1]
        at_ms = to_ms(datetime.fromisoformat(found.as_of.at))
        following = place.encode([*subject_key(last.subject.id), names.index(last.indicator), at_ms])
    paging.link(following)
    return KpiPage(as_of=found.as_of, items=list(found.items), next_cursor=following)


@router.get("/kpis/{indicator}", operation_id="getKpi", summary="One figure", responses=FIGURE_PROBLEMS)
async def get_kpi(*, context: Ctx, _key: Reader, asked: Asked, indicator: str) -> KpiAnswer:
    """The figure of exactly one subject: give one `id`, or `unattributed`."""
    question = _with(_of_one(asked), [indicator_named(indicator)])
    found = await _answered(context, question, None, None)
    return KpiAnswer(as_of=found.as_of, kpi=found.items[0])


@router.get(
    "/kpis/{indicator}/postings",
    operation_id="listPostings",
    summary="The cases and postings behind a figure",
    responses=FIGURE_PROBLEMS,
)
async def list_postings(*, context: Ctx, _key: Reader, asked: Asked, paging: Paging, indicator: str) -> BehindPage:
    """Of one subject: each case with what it brings to each measure, net, and the postings with the events that caused them.

    Summed over all pages the nets are the figure. Cases whose postings cancel out are left out. In the matured view `dispatch.past_day_7` lists
    orders open over 30 days too, which the figure counts as these only.
    """
    question = _with(_of_one(asked), [indicator_named(indicator)])
    place = Place.of(
        "postings", question.level, question.ids, question.window, question.view, indicator, question.as_of
    )
    key = place.decode(paging.cursor, int, str, int)
    after = None
    if key is not None:
        after = (int(key[0] or 0), str(key[1]))
        question = _at_instant(question, int(key[2] or 0), context)
    try:
        async with context.reading() as connection:
            page, following = await behind(context, connection, question, after=after, limit=paging.limit)
    except NoCheckpointError:
        raise _no_checkpoint() from None
    if following is not None:
        page.next_cursor = place.encode([*following, to_ms(datetime.fromisoformat(page.as_of.at))])
        paging.link(page.next_cursor)
    return page


async def _answered(
    context: Context, question: KpiQuestion, after: tuple[SubjectKey, int] | None, limit: int | None
) -> Answer:
    try:
        async with context.reading() as connection:
            return await answer(context, connection, question, after=after, limit=limit)
    except NoCheckpointError:
        raise _no_checkpoint() from None


def _no_checkpoint() -> Problem:
    return Problem(404, "unknown-checkpoint", "No checkpoint was recorded then", "GET /v1/checkpoints lists them.")


def indicator_named(name: str) -> Indicator:
    """An indicator by its id, else 404."""
    found = INDICATORS.get(name)
    if found is None:
        raise Problem(404, "unknown-indicator", "There is no such indicator", f"{name}: GET /v1/indicators lists them.")
    return found


def _with(question: KpiQuestion, indicators: Sequence[Indicator]) -> KpiQuestion:
    return replace(question, indicators=tuple(indicators))


def _at_instant(question: KpiQuestion, at_ms: int, context: Context) -> KpiQuestion:
    """A later page is read at the instant of the first."""
    if not FIRST_MS <= at_ms <= context.clock.now_ms() + DAY_MS:  # a checkpoint bears the database's time, not ours
        raise bad_cursor()
    return replace(question, at_ms=at_ms)


def _of_one(question: KpiQuestion) -> KpiQuestion:
    if question.ids is None or len(question.ids) != 1:
        raise Problem(422, "one-subject", "This is about one subject", "Give exactly one `id`, or `unattributed=true`.")
    return question


def _as_of(text: str | None) -> int | datetime | None:
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= 18:
        return int(text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise Problem(
            422,
            "bad-as-of",
            "as_of is a checkpoint's id or an instant with its offset",
            "For example 17, or 2026-11-01T00:00:00Z. In an address a + is written %2B.",
        )
    return instant


def _at(instant: datetime | None, context: Context) -> int | None:
    if instant is None:
        return None
    if instant.tzinfo is None or not FIRST_MS <= to_ms(instant) <= context.clock.now_ms():
        raise Problem(422, "bad-at", "at is an instant with its offset, from 1971 on and not in the future")
    return to_ms(instant)
