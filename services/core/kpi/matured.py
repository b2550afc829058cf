"""The live view of 完单及时率 (rule 15): what is certain, and what the pending orders can still bring.

An order enters when it is done or, as later than 7 days, when day 7 is over; the pending ones give a best and a worst value (O12).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.core.kpi.case import CaseState
from services.core.kpi.daysout import day_number
from services.core.kpi.definitions import Definitions
from services.core.kpi.dispatch import OPEN
from services.core.kpi.figure import Figure, quotient
from services.core.kpi.indicators import INDICATORS, ON_TIME_COEFFICIENTS, figure
from services.core.kpi.reading import Total


@dataclass(frozen=True, slots=True)
class Pending:
    """An open order before the end of day 7: who holds it, its type, and the day k of a completion now."""

    engineer: str
    order_type: str
    k: int


def pending(state: CaseState, at_ms: int, definitions: Definitions) -> Pending | None:
    """The order of a case folded from the events before T, when its outcome is open at T; None otherwise."""
    order = state.dispatch
    if order is None or order.status != OPEN or at_ms >= order.limits[0]:
        return None
    first, today = definitions.local_day(order.accepted_ms), definitions.local_day(at_ms)
    return Pending(order.holder, order.order_type, max(1, day_number(first, today, order.out)))


def pending_k(state: CaseState, at_ms: int, definitions: Definitions) -> int | None:
    """The day k, 1…7, on which a pending order would be completed now; None when nothing is pending."""
    found = pending(state, at_ms, definitions)
    return None if found is None else found.k


def matured_score(
    totals: Mapping[str, Total], pending_days: Iterable[int], coefficients: Sequence[int] = ON_TIME_COEFFICIENTS
) -> Figure:
    """完单及时率 as far as it is certain. `totals`: completions of the window; past_day_7 and stale_30 at its end.

    `best` = every pending order is completed now, `worst` = none before day 7 is over.
    """
    later = totals.get("dispatch.completed.later", Total()) + totals.get("dispatch.past_day_7", Total())
    certain = figure(INDICATORS["dispatch.on_time_score"], {**totals, "dispatch.completed.later": later}, coefficients)
    days = list(pending_days)
    due = certain.denominator + len(days)
    best = certain.numerator + sum(coefficients[k - 1] for k in days)
    worst = certain.numerator + len(days) * coefficients[7]
    return replace(certain, pending=len(days), best=quotient(best, due), worst=quotient(worst, due))
