"""The register of measures: the additive quantities that cases post, each with its kind, unit and names.

A flow is summed over a period by its book; a stock is the sum of everything that began before an instant. What a posting carries per
item is 1 for a count, milliseconds for a duration, millionths for an amount; so the sum of n × value is always the quantity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["flow", "stock"]
Unit: TypeAlias = Literal["count", "ms", "day_millionths", "millionths"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure. `credit` and `book` say in words whose it is and by which stamp it belongs to a period; `dim` = its dimension."""

    id: str
    kind: Kind
    unit: Unit
    zh: str
    en: str
    credit: str
    book: str
    dim: str = ""


def _flow(id_: str, zh: str, en: str, credit: str, book: str, *, dim: str = "", unit: Unit = "count") -> Measure:
    return Measure(id_, "flow", unit, zh, en, credit, book, dim)


def _stock(id_: str, zh: str, en: str, credit: str, *, dim: str = "") -> Measure:
    return Measure(id_, "stock", "count", zh, en, credit, "beginning and end of the stock", dim)


_COMPLETED: Final = [
    _flow(
        f"dispatch.completed.day_{k}",
        f"第{k}天完单",
        f"completed on day {k}",
        "engineer of the completion",
        "completion",
        dim="order_type",
    )
    for k in range(1, 8)
]

_ALL: Final = (
    _flow("dispatch.accepted", "派工单受理", "orders accepted", "engineer after acceptance", "acceptance"),
    *_COMPLETED,
    _flow(
        "dispatch.completed.later",
        "超7天完单",
        "completed later than day 7",
        "holder when day 7 ran out",
        "completion",
        dim="order_type",
    ),
    _stock("dispatch.open", "未完单", "open orders", "holder"),
    _stock("dispatch.overdue_7", "超7×24小时未完单", "open longer than 7 × 24 h", "holder"),
    _stock("dispatch.overdue_30", "超30×24小时未完单", "open longer than 30 × 24 h", "holder"),
    _stock(
        "dispatch.past_day_7", "过第7天未完单", "open past local day 7", "holder when day 7 ran out", dim="order_type"
    ),
    _stock(
        "dispatch.stale_30",
        "超30天未完单(计分)",
        "open over 30 days, scored",
        "holder when 30 × 24 h ran out",
        dim="order_type",
    ),
    _flow(
        "dispatch.crossed_7", "新增超7×24小时", "crossed 7 × 24 h", "holder at the limit", "limit, or a later reopen"
    ),
    _flow(
        "dispatch.crossed_30", "新增超30×24小时", "crossed 30 × 24 h", "holder at the limit", "limit, or a later reopen"
    ),
    _flow("dispatch.cancelled", "取消", "orders cancelled", "holder", "cancellation"),
    _flow("dispatch.cancelled_after_day_7", "超7天后取消", "cancelled after day 7", "holder", "cancellation"),
    _flow("dispatch.visited", "上门", "visits", "engineer who arrived", "arrival", dim="order_type"),
    _flow("ticket.intake", "受理单受理量", "tickets taken in", "engineer first assigned", "first assignment"),
    _stock("ticket.open", "未解决受理单", "open tickets", "holder; none = the queue"),
    _flow(
        "ticket.first_response",
        "客户首次响应",
        "customer first response",
        "who answered",
        "first public answer",
        unit="ms",
    ),
    _flow(
        "ticket.engineer_response",
        "工程师首次响应",
        "engineer first response",
        "holder",
        "own first public answer",
        unit="ms",
    ),
    _stock("ticket.unanswered", "未响应受理单", "tickets their holder has not answered", "holder"),
    _flow("ticket.resolved", "解决", "tickets resolved", "holder at the resolution", "the resolution that stands"),
    _flow("ticket.owned", "责任受理单", "tickets owned", "resolver, else the last holder", "opening"),
    _flow("ticket.owned_resolved", "责任受理单已解决", "tickets owned and resolved", "resolver", "opening"),
    _flow(
        "followup.due", "应回访", "follow-ups due", "who accepted the order", "follow-up or limit, whichever is first"
    ),
    _flow("followup.reached", "已回访", "follow-ups done", "who accepted the order", "as due"),
    _flow("followup.timely", "及时回访", "follow-ups done in time", "who accepted the order", "as due"),
    _flow("followup.satisfied", "回访满意", "satisfied at follow-up", "who accepted the order", "as due"),
    _flow("workload.accepted", "受理工作量", "accepted, as work", "who did it", "the act"),
    _flow("workload.dispatched", "派工工作量", "dispatched, as work", "who did it", "the act, first in the month"),
    _flow(
        "workload.reported",
        "反馈完单工作量",
        "completion reported, as work",
        "who did it",
        "the act, first in the month",
    ),
    _flow("workload.followed_up", "回访工作量", "followed up, as work", "who did it", "the act, first in the month"),
    _flow("survey.answered", "参评", "surveys answered", "who completed what was rated", "latest valid answer"),
    _flow("survey.satisfied", "满意", "satisfied answers", "who completed what was rated", "latest valid answer"),
    _flow("complaint.upheld", "有责投诉", "complaints upheld", "person judged", "latest judgement", dim="class"),
    _stock("complaint.pending", "待判投诉", "complaints pending", "nobody", dim="class"),
    _flow("attendance.present", "出勤天数", "days present", "the person", "last day of the row", unit="day_millionths"),
    _flow("attendance.leave", "请假天数", "days of leave", "the person", "last day of the row", unit="day_millionths"),
)

MEASURES: Final[dict[str, Measure]] = {measure.id: measure for measure in _ALL}
"""Measures with a fixed name. Findings and delivered figures carry a name of their own: see `measure_of`."""

STOCK_MEASURES: Final = frozenset(measure.id for measure in _ALL if measure.kind == "stock")
"""All that are read at an instant; every other measure is a flow."""

HISTOGRAM_MEASURES: Final = frozenset(measure.id for measure in _ALL if measure.unit == "ms")
"""Durations, whose quantiles live windows read from a histogram."""

_FINDINGS: Final = {
    "engineer_problem": "工程师问题反馈",
    "registered_after_visit": "上门后补单",
    "false_completion": "虚假完单",
    "violation": "违规",
}


def measure_of(measure_id: str) -> Measure | None:
    """A measure by its id, with the open families `finding.<kind>` and `measure.<name>.numerator|denominator|value`; None = no such measure.

    >>> measure_of("finding.violation").zh, measure_of("dispatch.nothing")
    ('违规', None)
    """
    known = MEASURES.get(measure_id)
    if known is not None:
        return known
    family, _, name = measure_id.partition(".")
    if family == "finding" and name:
        credit = "person who found it" if name == "engineer_problem" else "person found at fault"
        return _flow(measure_id, _FINDINGS.get(name, name), name.replace("_", " "), credit, "finding", dim="problem")
    stem, _, part = name.rpartition(".")
    if family == "measure" and stem and part in ("numerator", "denominator", "value"):
        return _flow(
            measure_id, f"{stem} {part}", f"{stem} {part}", "the unit", "last day of the month", unit="millionths"
        )
    return None
