"""Figures on the wire: exact as `n/d`, decimals for display, instants in UTC."""

from __future__ import annotations

from fractions import Fraction
from typing import Self

from pydantic import BaseModel, Field

from services.api.instants import decimal, exact, rfc3339
from services.api.kpis.subjects import Level
from services.api.kpis.windows import View, Window
from services.core.kpi.indicators import Indicator
from services.core.kpi.measures import measure_of


class MeasureOut(BaseModel):
    """An additive quantity that cases post."""

    id: str
    kind: str = Field(
        description="flow: summed over a window by its book. stock: everything that began before an instant."
    )
    unit: str
    zh: str
    en: str
    credit: str = Field(description="Whose it is.")
    book: str = Field(description="The stamp that decides the period.")

    @classmethod
    def of(cls, name: str) -> Self:
        """The measure of this id."""
        measure = measure_of(name)
        if measure is None:
            raise LookupError(name)
        return cls(
            id=measure.id, kind=measure.kind, unit=measure.unit, zh=measure.zh, en=measure.en, credit=measure.credit,
            book=measure.book,
        )  # fmt: skip


class IndicatorOut(BaseModel):
    """One KPI of the catalogue."""

    id: str = Field(examples=["dispatch.on_time_score"])
    zh: str = Field(examples=["完单及时率"])
    en: str
    unit: str
    direction: str = Field(description="higher, lower (is better) or neutral.")
    kind: str
    formula: str
    numerator: list[MeasureOut]
    denominator: list[MeasureOut]
    coefficients: list[int]
    source: str = Field(description="Where the definition comes from.")

    @classmethod
    def of(cls, indicator: Indicator) -> Self:
        """An indicator as it goes out."""
        return cls(
            id=indicator.id, zh=indicator.zh, en=indicator.en, unit=indicator.unit, direction=indicator.direction,
            kind=indicator.kind, formula=indicator.formula, coefficients=list(indicator.coefficients),
            numerator=[MeasureOut.of(name) for name in indicator.numerator],
            denominator=[MeasureOut.of(name) for name in indicator.denominator], source=indicator.source,
        )  # fmt: skip


class Subject(BaseModel):
    """Whose figure. `id` null: what the roster attributes to nobody at this level."""

    level: Level
    id: str | None = Field(examples=["GC01"])
    name: str | None = Field(examples=["陈刚"])


class WindowOut(BaseModel):
    """[from, to)."""

    name: str = Field(examples=["2026-10"])
    start: str = Field(serialization_alias="from", examples=["2026-09-30T16:00:00.000Z"])
    end: str = Field(serialization_alias="to", examples=["2026-10-31T16:00:00.000Z"])

    @classmethod
    def of(cls, window: Window) -> Self:
        """A window as it goes out."""
        return cls(name=window.name, start=rfc3339(window.start_ms), end=rfc3339(window.end_ms))


class Exact(BaseModel):
    """A number as a fraction, and rounded for display."""

    value: str = Field(examples=["-123/5"])
    decimal: str = Field(examples=["-24.600000000000"])

    @classmethod
    def of(cls, value: Fraction | None) -> Self | None:
        """A fraction as it goes out; None stays None."""
        return None if value is None else cls(value=exact(value), decimal=decimal(value))


class Quantile(BaseModel):
    """By nearest rank. `exact`: a value that occurred; else the value lies in [lower_ms, upper_ms), no wider than 1/16 of its lower bound."""

    lower_ms: int
    upper_ms: int
    exact: bool


class Durations(BaseModel):
    """Of those that have a value."""

    mean_ms: Exact | None
    median: Quantile | None
    p90: Quantile | None


class Waiting(BaseModel):
    """Those without a value yet."""

    unanswered: int
    oldest_since: str | None
    oldest_ms: int | None = Field(description="Age of the oldest at `as_of.at`.")


class Pending(BaseModel):
    """Cases whose outcome is open, and the best and worst value that the figure can still take with them."""

    count: int
    best: Exact | None
    worst: Exact | None


class Kpi(BaseModel):
    """One figure of one subject in one window and view."""

    indicator: str = Field(examples=["dispatch.on_time_score"])
    subject: Subject
    window: WindowOut
    view: View
    numerator: int
    denominator: int
    value: str | None = Field(description="numerator ÷ denominator in lowest terms, `n/d`; null: nothing to divide by.")
    decimal: str | None = Field(description="The value with 12 decimals, rounded half away from zero: for display.")
    unit: str
    n: int = Field(description="Items behind the figure.")
    marks: list[str] = Field(
        description="few: n is below 5. open: the window is not over. pending: see `pending`. unattributed: of nobody."
    )
    durations: Durations | None = None
    waiting: Waiting | None = None
    pending: Pending | None = None


class AsOf(BaseModel):
    """What the figures rest on: the same question as of this checkpoint gives the same answer for ever."""

    at: str = Field(description="T, the instant at which windows end and stocks are read.")
    checkpoint_id: int | None = Field(description="The recorded checkpoint, null: live.")
    cutoff: dict[int, int] = Field(description="For each shard the first seq that is not included.")
    roster_version: int
    definition_version: int


class KpiPage(BaseModel):
    """A page of figures, by subject and indicator; all of it from one state of the database."""

    as_of: AsOf
    items: list[Kpi]
    next_cursor: str | None = None


class KpiAnswer(BaseModel):
    """One figure."""

    as_of: AsOf
    kpi: Kpi
