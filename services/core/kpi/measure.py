"""Figures delivered for a unit and a month (headquarters' satisfaction, opening balances): the latest record of each counts."""

from __future__ import annotations

from dataclasses import dataclass

from services.core.kpi.contribution import Line
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event, MeasureFacts, actor
from services.core.kpi.exact import millionths
from services.core.kpi.localday import local_days, month_of


@dataclass(frozen=True, slots=True)
class Figure:
    """What stands for one measure and month: numbers in millionths, None = not given."""

    measure: str
    month: int
    unit: str
    at_ms: int
    numerator: int | None
    denominator: int | None
    value: int | None


@dataclass(frozen=True, slots=True)
class MeasureState:
    """The delivered figures of a unit."""

    figures: tuple[Figure, ...]


def step(
    state: MeasureState | None, event: Event, definitions: Definitions, lines: list[Line], notes: list[str]
) -> MeasureState | None:
    """A record replaces the earlier one of the same unit, measure and month, whichever source delivered it."""
    facts = event.facts
    if event.verb != "recorded" or not isinstance(facts, MeasureFacts):
        return state
    month = month_of(facts.month or "")
    if month is None or not facts.measure:
        notes.append("recorded without measure and month")
        return state
    figure = Figure(
        facts.measure, month, actor(event.source, event.case), event.time_ms,
        millionths(facts.numerator), millionths(facts.denominator), millionths(facts.value),
    )  # fmt: skip
    others = []
    for earlier in state.figures if state is not None else ():
        if earlier.measure == figure.measure and earlier.month == month:
            _stand(earlier, -1, definitions, lines)
        else:
            others.append(earlier)
    _stand(figure, 1, definitions, lines)
    return MeasureState((*others, figure))


def _stand(figure: Figure, n: int, definitions: Definitions, lines: list[Line]) -> None:
    book = local_days(definitions.zone).month_end_ms(figure.month)
    for part, amount in (
        ("numerator", figure.numerator),
        ("denominator", figure.denominator),
        ("value", figure.value),
    ):
        if amount is not None:
            lines.append((figure.unit, f"measure.{figure.measure}.{part}", "", figure.at_ms, book, amount, n))
