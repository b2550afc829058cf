"""The catalogue of the first indicators, and the one way in which totals become a figure.

Each measure is read by its own kind: a flow over the window, a stock at the window's end. Ids are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, assert_never

from services.core.kpi.figure import Figure, quotient
from services.core.kpi.reading import Total

Kind: TypeAlias = Literal["count", "mean", "ratio", "series"]
Direction: TypeAlias = Literal["higher", "lower", "neutral"]

ON_TIME_MEASURES: Final = (
    *(f"dispatch.completed.day_{k}" for k in range(1, 8)),
    "dispatch.completed.later",
    "dispatch.stale_30",
)
ON_TIME_COEFFICIENTS: Final = (20, 17, 14, 11, 8, 5, 2, -15, -150)
"""Points of a completion on day 1…7, later, and of an order open over 30 days (rule 14, catalogue S01)."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator: its names, how it is made of measures, and whether more is better.

    count: Σ items of the numerator. mean: Σ value ÷ Σ items. ratio: Σ items ÷ Σ items. series: Σ coefficient × items ÷ Σ items.
    """

    id: str
    zh: str
    en: str
    unit: str
    direction: Direction
    kind: Kind
    formula: str
    numerator: tuple[str, ...]
    denominator: tuple[str, ...] = ()
    coefficients: tuple[int, ...] = ()
    source: str = ""


def figure(indicator: Indicator, totals: Mapping[str, Total], coefficients: Sequence[int] | None = None) -> Figure:
    """The indicator of totals by measure, of whoever's and whichever window they are; absent measures count as 0.

    `coefficients` replace those of a series. Raises ValueError when their number is not that of its measures.
    """
    items = sum(_of(totals, measure).n for measure in indicator.numerator)
    match indicator.kind:
        case "count":
            return Figure(indicator.id, items, 1, quotient(items, 1), indicator.unit, items)
        case "mean":
            value = sum(_of(totals, measure).value for measure in indicator.numerator)
            return Figure(indicator.id, value, items, quotient(value, items), indicator.unit, items)
        case "ratio":
            whole = sum(_of(totals, measure).n for measure in indicator.denominator)
            return Figure(indicator.id, items, whole, quotient(items, whole), indicator.unit, whole)
        case "series":
            weights = indicator.coefficients if coefficients is None else coefficients
            points = sum(
                weight * _of(totals, measure).n for weight, measure in zip(weights, indicator.numerator, strict=True)
            )
            return Figure(indicator.id, points, items, quotient(points, items), indicator.unit, items)
        case _:
            assert_never(indicator.kind)


def _of(totals: Mapping[str, Total], measure: str) -> Total:
    return totals.get(measure, _NOTHING)


_NOTHING: Final = Total()


def _count(id_: str, zh: str, en: str, measures: tuple[str, ...], *, says: str, good: Direction) -> Indicator:
    return Indicator(id_, zh, en, "count", good, "count", says, measures)


_DISPATCH: Final = (
    Indicator(
        "dispatch.on_time_score",
        "完单及时率",
        "on-time completion score",
        "points",
        "higher",
        "series",
        "(20 d1 + 17 d2 + 14 d3 + 11 d4 + 8 d5 + 5 d6 + 2 d7 − 15 later − 150 open30) ÷ due",
        ON_TIME_MEASURES,
        ON_TIME_MEASURES,
        ON_TIME_COEFFICIENTS,
        "rules 9–14",
    ),
    *(
        Indicator(
            f"dispatch.day_{k}_rate",
            f"第{k}天完单率",
            f"share completed on day {k}",
            "share",
            "neutral",
            "ratio",
            f"orders completed on day {k} ÷ due",
            (f"dispatch.completed.day_{k}",),
            ON_TIME_MEASURES,
            source="rule 14",
        )
        for k in range(1, 8)
    ),
    Indicator(
        "dispatch.later_than_7_rate",
        "超7天完单率",
        "share completed later than day 7",
        "share",
        "lower",
        "ratio",
        "orders completed later than day 7 ÷ due",
        ("dispatch.completed.later",),
        ON_TIME_MEASURES,
        source="rule 14",
    ),
    Indicator(
        "dispatch.open_over_30_rate",
        "超30天未完单率",
        "share open over 30 days",
        "share",
        "lower",
        "ratio",
        "orders open and older than 30 × 24 h at the end ÷ due",
        ("dispatch.stale_30",),
        ON_TIME_MEASURES,
        source="rules 10, 11",
    ),
    _count(
        "dispatch.due", "应计单量", "orders due", ON_TIME_MEASURES, says="completed + open over 30 days", good="neutral"
    ),
    _count(
        "dispatch.accepted", "受理单量", "orders accepted", ("dispatch.accepted",), says="acceptances", good="neutral"
    ),
    _count("dispatch.open", "未完单量", "open orders", ("dispatch.open",), says="open at the instant", good="lower"),
    _count(
        "dispatch.overdue_7",
        "超7×24小时未完单",
        "overdue 7",
        ("dispatch.overdue_7",),
        says="older than 7 × 24 h",
        good="lower",
    ),
    _count(
        "dispatch.overdue_30",
        "超30×24小时未完单",
        "overdue 30",
        ("dispatch.overdue_30",),
        says="older than 30 × 24 h",
        good="lower",
    ),
    *(
        Indicator(
            f"dispatch.overdue_{days}_rate",
            f"超{days}×24小时未完单率",
            f"overdue {days} rate",
            "share",
            "lower",
            "ratio",
            f"open and older than {days} × 24 h ÷ open, at the instant",
            (f"dispatch.overdue_{days}",),
            ("dispatch.open",),
            source="rule 16",
        )
        for days in (7, 30)
    ),
    _count(
        "dispatch.crossed_7",
        "新增超7×24小时",
        "crossed 7",
        ("dispatch.crossed_7",),
        says="once an order, at the limit",
        good="lower",
    ),
    _count(
        "dispatch.crossed_30",
        "新增超30×24小时",
        "crossed 30",
        ("dispatch.crossed_30",),
        says="once an order, at the limit",
        good="lower",
    ),
    _count(
        "dispatch.cancelled",
        "取消单量",
        "orders cancelled",
        ("dispatch.cancelled",),
        says="cancellations",
        good="neutral",
    ),
    _count(
        "dispatch.cancelled_after_day_7",
        "超7天后取消",
        "cancelled after day 7",
        ("dispatch.cancelled_after_day_7",),
        says="cancellations after day 7",
        good="lower",
    ),
    _count("dispatch.visits", "上门次数", "visits", ("dispatch.visited",), says="counted arrivals", good="neutral"),
)

_TICKET: Final = (
    Indicator(
        "ticket.first_response_customer",
        "客户首次响应时间",
        "customer first response time",
        "ms",
        "lower",
        "mean",
        "Σ (first public answer by a person − opening) ÷ answered",
        ("ticket.first_response",),
        source="rule 20",
    ),
    Indicator(
        "ticket.first_response_engineer",
        "工程师首次响应时间",
        "engineer first response time",
        "ms",
        "lower",
        "mean",
        "Σ (own first public answer − assignment) ÷ answered custody segments",
        ("ticket.engineer_response",),
        source="rule 20",
    ),
    _count(
        "ticket.unanswered",
        "未响应受理单",
        "unanswered tickets",
        ("ticket.unanswered",),
        says="held, not answered",
        good="lower",
    ),
    _count(
        "ticket.accepted", "受理量", "tickets taken in", ("ticket.intake",), says="first assignments", good="neutral"
    ),
    _count("ticket.open", "未解决受理单", "open tickets", ("ticket.open",), says="open at the instant", good="lower"),
    _count(
        "ticket.resolved",
        "解决量",
        "tickets resolved",
        ("ticket.resolved",),
        says="resolutions that stand",
        good="higher",
    ),
    Indicator(
        "ticket.resolution_rate",
        "问题解决率",
        "resolution rate",
        "share",
        "higher",
        "ratio",
        "owned tickets resolved and standing ÷ owned tickets, of those opened in the window",
        ("ticket.owned_resolved",),
        ("ticket.owned",),
        source="rule 19",
    ),
)

_WORK: Final = tuple(f"workload.{act}" for act in ("accepted", "dispatched", "reported", "followed_up"))

_PEOPLE: Final = (
    Indicator(
        "followup.done_rate",
        "回访率",
        "follow-up rate",
        "share",
        "higher",
        "ratio",
        "done ÷ due",
        ("followup.reached",),
        ("followup.due",),
        source="rule 25",
    ),
    Indicator(
        "followup.timely_rate",
        "回访及时率",
        "timely follow-up rate",
        "share",
        "higher",
        "ratio",
        "done within the limit ÷ due",
        ("followup.timely",),
        ("followup.due",),
        source="rule 25",
    ),
    Indicator(
        "followup.satisfied_rate",
        "回访满意率",
        "satisfied at follow-up",
        "share",
        "higher",
        "ratio",
        "satisfied ÷ done",
        ("followup.satisfied",),
        ("followup.reached",),
        source="rule 25",
    ),
    _count("followup.due", "应回访量", "follow-ups due", ("followup.due",), says="due in the window", good="neutral"),
    _count("workload.total", "工作量", "workload", _WORK, says="受理 + 派工 + 反馈完单 + 回访", good="higher"),
    _count(
        "workload.accepted",
        "受理工作量",
        "accepted",
        ("workload.accepted",),
        says="orders and tickets taken in",
        good="higher",
    ),
    _count(
        "workload.dispatched",
        "派工工作量",
        "dispatched",
        ("workload.dispatched",),
        says="orders dispatched",
        good="higher",
    ),
    _count(
        "workload.reported",
        "反馈完单工作量",
        "reported",
        ("workload.reported",),
        says="completions reported",
        good="higher",
    ),
    _count(
        "workload.followup",
        "回访工作量",
        "followed up",
        ("workload.followed_up",),
        says="follow-ups done",
        good="higher",
    ),
    Indicator(
        "survey.satisfied_rate",
        "满意率",
        "satisfaction",
        "share",
        "higher",
        "ratio",
        "satisfied ÷ answered",
        ("survey.satisfied",),
        ("survey.answered",),
        source="rule 23",
    ),
    _count(
        "complaint.upheld",
        "有责投诉",
        "complaints upheld",
        ("complaint.upheld",),
        says="judgements that uphold",
        good="lower",
    ),
    _count(
        "complaint.pending",
        "待判投诉",
        "complaints pending",
        ("complaint.pending",),
        says="registered, not judged",
        good="lower",
    ),
)

INDICATORS: Final[dict[str, Indicator]] = {indicator.id: indicator for indicator in (*_DISPATCH, *_TICKET, *_PEOPLE)}
