"""From a subject's totals to its figures. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Final

from services.api.instants import decimal, exact, rfc3339
from services.api.kpis.catalogue import MATURED, WAITING
from services.api.kpis.schemas import Durations, Exact, Kpi, Pending, Quantile, Subject, Waiting, WindowOut
from services.api.kpis.totals import Totals
from services.api.kpis.windows import View, Window
from services.core.kpi.figure import Figure, quotient
from services.core.kpi.histogram import quantile_bounds
from services.core.kpi.indicators import Indicator, figure
from services.core.kpi.matured import matured_score
from services.core.kpi.measures import HISTOGRAM_MEASURES
from services.core.kpi.quantile import nearest_rank
from services.core.kpi.response import MEDIAN, P90

FEW: Final = 5


@dataclass(frozen=True)
class Frame:
    """What all figures of an answer share."""

    window: Window
    view: View
    exact: bool

    @cached_property
    def window_out(self) -> WindowOut:
        """The window as it goes out."""
        return WindowOut.of(self.window)


def shape(indicator: Indicator, subject: Subject, totals: Totals, frame: Frame) -> Kpi:
    """One figure with what stands beside it."""
    found = figure_of(indicator, totals, frame.view)
    return Kpi(
        indicator=indicator.id,
        subject=subject,
        window=frame.window_out,
        view=frame.view,
        numerator=found.numerator,
        denominator=found.denominator,
        value=None if found.value is None else exact(found.value),
        decimal=None if found.value is None else decimal(found.value),
        unit=found.unit,
        n=found.n,
        marks=_marks(indicator, subject, found, frame),
        durations=_durations(indicator, totals, frame),
        waiting=_waiting(indicator, totals, frame),
        pending=_pending(indicator, found, frame.view),
    )


def figure_of(indicator: Indicator, totals: Totals, view: View) -> Figure:
    """The core's figure of these totals; in the matured view with what the pending orders can still bring."""
    by_measure = totals.by_measure()
    if view is View.MATURED and indicator.id in MATURED:
        return matured_score(by_measure, totals.pending_days)
    return figure(indicator, by_measure)


def _marks(indicator: Indicator, subject: Subject, found: Figure, frame: Frame) -> list[str]:
    marks = {
        "few": indicator.kind != "count" and 0 < found.n < FEW,
        "open": not frame.window.over,
        "pending": found.pending > 0,
        "unattributed": subject.id is None,
    }
    return [name for name, holds in marks.items() if holds]


def _durations(indicator: Indicator, totals: Totals, frame: Frame) -> Durations | None:
    if indicator.kind != "mean" or not HISTOGRAM_MEASURES.issuperset(indicator.numerator):
        return None
    (measure,) = indicator.numerator
    return Durations(
        mean_ms=Exact.of(quotient(totals.value(measure), totals.n(measure))),
        median=_quantile(totals, measure, MEDIAN, exactly=frame.exact),
        p90=_quantile(totals, measure, P90, exactly=frame.exact),
    )


def _quantile(totals: Totals, measure: str, share: Fraction, *, exactly: bool) -> Quantile | None:
    if exactly:
        value = nearest_rank(totals.values[measure], share)
        return None if value is None else Quantile(lower_ms=value, upper_ms=value, exact=True)
    bounds = quantile_bounds(totals.bins[measure], share)
    return None if bounds is None else Quantile(lower_ms=bounds[0], upper_ms=bounds[1], exact=False)


def _waiting(indicator: Indicator, totals: Totals, frame: Frame) -> Waiting | None:
    measure = WAITING.get(indicator.id)
    if measure is None:
        return None
    since_ms = totals.oldest_since_ms.get(measure)
    return Waiting(
        unanswered=totals.stocks[measure],
        oldest_since=None if since_ms is None else rfc3339(since_ms),
        oldest_ms=None if since_ms is None else frame.window.gauge_ms - since_ms,
    )


def _pending(indicator: Indicator, found: Figure, view: View) -> Pending | None:
    if view is not View.MATURED or indicator.id not in MATURED:
        return None
    return Pending(count=found.pending, best=Exact.of(found.best), worst=Exact.of(found.worst))
