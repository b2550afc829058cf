"""What each indicator of the catalogue needs from the store, and what stands beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.api.kpis.pending import OPEN_ORDERS, PAST_DAY_7
from services.api.kpis.totals import Measures
from services.api.kpis.windows import View
from services.core.kpi.indicators import INDICATORS, Indicator
from services.core.kpi.measures import HISTOGRAM_MEASURES, measure_of

ON_TIME: Final = "dispatch.on_time_score"
SCORED_STOCKS: Final = frozenset({"dispatch.stale_30", PAST_DAY_7})
"""Stocks that a score counts at the period's end, corrections included; every other stock is a gauge."""

WAITING: Final = {"ticket.first_response_engineer": "ticket.unanswered"}
"""Beside a response time stand those who still wait: the stock that counts them."""

MATURED: Final = frozenset({ON_TIME})
"""Indicators whose live value is read together with what is still pending."""


def measures_of(indicators: Iterable[Indicator], view: View) -> Measures:
    """Everything that these indicators sum, each measure once."""
    names: set[str] = set()
    oldest: set[str] = set()
    pending = False
    for indicator in indicators:
        names.update(indicator.numerator, indicator.denominator)
        if indicator.id in WAITING:
            names.add(WAITING[indicator.id])
            oldest.add(WAITING[indicator.id])
        if indicator.id in MATURED and view is View.MATURED:
            names.update((PAST_DAY_7, OPEN_ORDERS))
            pending = True
    stocks = {name for name in names if _is_stock(name)}
    return Measures(
        flows=sorted(names - stocks),
        stocks=sorted(stocks - SCORED_STOCKS),
        scored_stocks=sorted(stocks & SCORED_STOCKS),
        durations=sorted(names & HISTOGRAM_MEASURES),
        oldest=sorted(oldest),
        pending=pending,
    )


def indicator_of(indicator_id: str) -> Indicator | None:
    """An indicator by its id."""
    return INDICATORS.get(indicator_id)


def _is_stock(name: str) -> bool:
    measure = measure_of(name)
    return measure is not None and measure.kind == "stock"
