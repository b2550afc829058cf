"""From a figure to points, as lines: rank-proportional, proportional with floor, the newcomer's default, the weight."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, assert_never

from services.core.scoring.document import Proportional, RankProportional
from services.core.scoring.exact import bracketed, plain
from services.core.scoring.ranking import Place, proportional_points
from services.core.scoring.trace import Input, Line
from services.core.scoring.words import Words

if TYPE_CHECKING:
    from services.core.scoring.document import Criterion
    from services.core.scoring.figures import Figure

RANKING_OF_ONE = "ranking_of_one"


def lines_of(criterion: Criterion, figure: Figure, place: Place | None, *, newcomer: bool) -> tuple[Line, ...] | None:
    """The lines of one item; None when it is undefined. `place` is the place in the item's own ranking, if it has one."""
    if newcomer and criterion.newcomer is not None:
        lines = [_newcomer_line(criterion, figure)]
    else:
        priced = _priced(criterion, figure, place)
        if priced is None:
            return None
        lines = priced
    if criterion.weight != 1:
        lines = [_weighted(line, criterion.weight) for line in lines]
    return tuple(lines)


def _priced(criterion: Criterion, figure: Figure, place: Place | None) -> list[Line] | None:
    if figure.value is None:
        return None
    match criterion.rule:
        case RankProportional():
            return _by_place(criterion, criterion.rule, figure, place)
        case Proportional():
            return _in_proportion(criterion, criterion.rule, figure, figure.value)
        case _:
            assert_never(criterion.rule)


def _newcomer_line(criterion: Criterion, figure: Figure) -> Line:
    """首月计20分: a fixed amount, outside the item's ranking. Source: 000:175, readings B13."""
    default = criterion.newcomer
    if default is None:
        raise ValueError(f"{criterion.id} has no newcomer's points")
    title = _title(criterion)
    words = Words(
        f"{title.zh}:首月,计 {plain(default.points)} 分,不参加本项排名",
        f"{title.en}: first month, {plain(default.points)} points, not ranked in this item",
    )
    return Line(
        criterion.id, "first_month", words, plain(default.points), default.points, default.seed, inputs_of(figure)
    )


def _by_place(criterion: Criterion, rule: RankProportional, figure: Figure, place: Place | None) -> list[Line] | None:
    points = proportional_points(rule, place) if place is not None else None
    if place is None or points is None:
        return None
    mean, top = plain(place.mean), plain(rule.maximum)
    title = _title(criterion)
    words = Words(
        f"{title.zh}:分公司内 {place.n} 人中第 {mean} 名",
        f"{title.en}: place {mean} of {place.n} in the branch",
    )
    formula = f"n = 1 → {top}" if place.n == 1 else f"{top} × ({place.n} − {mean}) ÷ ({place.n} − 1) = {plain(points)}"
    marks = (*figure.marks, RANKING_OF_ONE) if place.n == 1 else figure.marks
    inputs = (*inputs_of(figure), Input("place", place.mean), Input("ranked", Fraction(place.n)))
    arithmetic = f"{arithmetic_of(figure)}; {formula}"
    return [Line(criterion.id, "rank_proportional", words, arithmetic, points, criterion.seed, inputs, marks=marks)]


def _in_proportion(criterion: Criterion, rule: Proportional, figure: Figure, value: Fraction) -> list[Line]:
    points = value * rule.factor
    title = _title(criterion)
    scaled = "" if rule.factor == 1 else f"; {bracketed(value)} × {bracketed(rule.factor)} = {plain(points)}"
    kind = "series" if figure.parts else "proportional"
    line = Line(
        criterion.id,
        kind,
        title,
        arithmetic_of(figure) + scaled,
        points,
        criterion.seed,
        inputs_of(figure),
        marks=figure.marks,
    )
    if rule.floor is None or points >= rule.floor:
        return [line]
    lift = rule.floor - points
    floor_words = Words(
        f"{title.zh} 不低于 {plain(rule.floor)} 分", f"{title.en} is not below {plain(rule.floor)} points"
    )
    arithmetic = f"{plain(rule.floor)} − {bracketed(points)} = {plain(lift)}"
    return [line, Line(criterion.id, "floor", floor_words, arithmetic, lift, criterion.seed)]


def _title(criterion: Criterion) -> Words:
    """Label and name of an item, with the remark that tells a reading from the seed's own words."""
    remark = criterion.remark
    return Words(
        f"{criterion.label} {criterion.words.zh}" + (f"({remark.zh})" if remark else ""),
        f"{criterion.label} {criterion.words.en}" + (f" ({remark.en})" if remark else ""),
    )


def _weighted(line: Line, weight: Fraction) -> Line:
    """WSUM: the item's points times its weight."""
    points = line.points * weight
    arithmetic = f"{line.arithmetic}; {bracketed(line.points)} × {bracketed(weight)} = {plain(points)}"
    return replace(line, points=points, arithmetic=arithmetic, inputs=(*line.inputs, Input("weight", weight)))


def inputs_of(figure: Figure) -> tuple[Input, ...]:
    """The numbers behind a figure."""
    parts = tuple(Input(part.id, part.amount) for part in figure.parts if part.amount)
    if figure.peak is None:
        return (*parts, Input("value", figure.numerator, figure.denominator))
    peak = figure.peak
    return (
        *parts,
        Input("per_day", figure.numerator, figure.denominator),
        Input(f"own_maximum {peak.month}", peak.numerator, peak.denominator),
    )


def arithmetic_of(figure: Figure) -> str:
    """How the value of a figure comes about, in digits; empty for an undefined one."""
    if figure.value is None:
        return ""
    numerator, denominator = plain(figure.numerator), plain(figure.denominator)
    if figure.peak is not None:
        peak = figure.peak
        below = f"({plain(peak.numerator)} ÷ {plain(peak.denominator)})"
        return f"({numerator} ÷ {denominator}) ÷ {below} = {plain(figure.value)}"
    if figure.parts:
        return f"({_terms(figure)}) ÷ {denominator} = {plain(figure.value)}"
    return f"{bracketed(figure.numerator)} ÷ {denominator} = {plain(figure.value)}"


def _terms(figure: Figure) -> str:
    text = ""
    for part in figure.parts:
        if part.amount:
            sign = "−" if part.factor < 0 else "+"
            term = f"{bracketed(abs(part.factor))} × {plain(part.amount)}"
            text += f" {sign} {term}" if text else f"{'−' if part.factor < 0 else ''}{term}"
    return text
