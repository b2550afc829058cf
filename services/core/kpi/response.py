"""Response time (rule 20): mean, median and p90 over those answered, and beside them who is still waiting, and how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from services.core.kpi.case import CaseState
from services.core.kpi.figure import quotient
from services.core.kpi.quantile import nearest_rank
from services.core.kpi.ticket import OPEN

MEDIAN: Final = Fraction(1, 2)
P90: Final = Fraction(9, 10)


@dataclass(frozen=True, slots=True)
class Responses:
    """Durations in ms over `n` answers; None without one. `oldest_ms` = age of the oldest clock that still runs, None without one."""

    n: int
    total_ms: int
    mean_ms: Fraction | None
    median_ms: int | None
    p90_ms: int | None
    unanswered: int
    oldest_ms: int | None


def responses(samples: Mapping[int, int], unanswered: int, oldest_ms: int | None) -> Responses:
    """Exact figures over samples given as duration → how often."""
    n = sum(samples.values())
    total = sum(duration * times for duration, times in samples.items())
    median, p90 = nearest_rank(samples, MEDIAN), nearest_rank(samples, P90)
    return Responses(n, total, quotient(total, n), median, p90, unanswered, oldest_ms)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Clocks of an open ticket that run at T, in ms: the customer's since the opening, the holder's since the assignment; None = answered.

    `engineer` = the holder, "" = the queue, for which only the customer's clock runs.
    """

    engineer: str
    customer_ms: int | None
    engineer_ms: int | None


def waiting(state: CaseState, at_ms: int) -> Waiting | None:
    """The clocks of a case folded from the events before T; None when nobody waits."""
    ticket = state.ticket
    if ticket is None or ticket.status != OPEN:
        return None
    customer = None if ticket.replied else at_ms - ticket.opened_ms
    engineer = at_ms - ticket.since_ms if ticket.holder and not ticket.answered else None
    return None if customer is None and engineer is None else Waiting(ticket.holder, customer, engineer)
