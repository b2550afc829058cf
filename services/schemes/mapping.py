"""From the file's shape to the core's documents, and the checks that span several fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import assert_never

from services.core.scoring import document as core
from services.core.scoring.needs import quantities
from services.core.scoring.words import Words
from services.schemes import models
from services.schemes.document import Path


def scheme_of(model: models.SchemeModel, readings: dict[str, object]) -> core.Scheme:
    """The core's document."""
    leave = model.not_appraised.whole_month_leave if model.not_appraised else None
    return core.Scheme(
        id=model.id,
        version=model.version,
        words=_words(model.words),
        seed=model.seed,
        post=model.post,
        criteria=tuple(_criterion(criterion) for criterion in model.criteria),
        first_month=model.first_month,
        parameters=tuple(core.Parameter(each.id, _words(each.words), each.seed) for each in model.parameters),
        deductions=tuple(_deduction(each) for each in model.deductions),
        vetoes=tuple(_veto(each) for each in model.vetoes),
        absence=core.WholeMonthLeave(_quantity(leave.days), _quantity(leave.leave)) if leave else None,
        pay=_pay(model.pay) if model.pay else None,
        ranked=model.ranked,
        readings=tuple(sorted((name, _shown(value)) for name, value in readings.items())),
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _words(model: models.WordsModel) -> Words:
    return Words(model.zh, model.en)


def _quantity(model: models.QuantityModel) -> core.Quantity:
    return core.Quantity(model.measures, model.credit, model.dims, model.unit, model.basis, model.priced_by)


def _parts(parts: Iterable[models.PartModel]) -> tuple[core.Part, ...]:
    return tuple(core.Part(each.id, _words(each.words), _quantity(each.quantity), each.factor) for each in parts)


def _indicator(model: models.RatioModel | models.SeriesModel | models.SaturationModel) -> core.Indicator:
    undefined = _words(model.undefined)
    match model:
        case models.RatioModel():
            return core.Ratio(_quantity(model.numerator), _quantity(model.denominator), undefined, model.minimum_n)
        case models.SeriesModel():
            return core.Series(_parts(model.parts), undefined)
        case models.SaturationModel():
            days = _quantity(model.days)
            return core.Saturation(_parts(model.parts), days, model.opening, model.includes_current, undefined)
        case _:
            assert_never(model)


def _rule(model: models.RankProportionalModel | models.ProportionalModel) -> core.Rule:
    match model:
        case models.RankProportionalModel():
            return core.RankProportional(model.maximum, model.direction, model.of_one)
        case models.ProportionalModel():
            return core.Proportional(model.factor, model.maximum, model.floor)
        case _:
            assert_never(model)


def _criterion(model: models.CriterionModel) -> core.Criterion:
    return core.Criterion(
        id=model.id,
        label=model.label,
        words=_words(model.words),
        indicator=_indicator(model.indicator),
        rule=_rule(model.rule),
        seed=model.seed,
        weight=model.weight,
        newcomer=core.NewcomerPoints(model.newcomer.points, model.newcomer.seed) if model.newcomer else None,
        absent=model.absent,
        remark=_words(model.remark) if model.remark else None,
    )


def _deduction(model: models.DeductionModel) -> core.Deduction:
    return core.Deduction(model.id, _words(model.words), model.measure, model.points, model.seed, model.dims)


def _veto(model: models.VetoModel) -> core.Veto:
    return core.Veto(model.id, _words(model.words), model.measure, model.mode, model.seed, model.mark, model.dims)


def _pay(model: models.PayModel) -> core.RankPay:
    return core.RankPay(
        model.top, model.bottom, model.minimum_population, model.newcomer_fined, model.currency, model.seed
    )


def inconsistencies(model: models.SchemeModel, scheme: core.Scheme) -> Iterator[tuple[Path, str]]:
    """What no single field shows: repeated ids, undeclared or unused parameters, points that cannot be right."""
    for name in ("criteria", "parameters", "deductions", "vetoes"):
        yield from _repeated(name, [each.id for each in getattr(model, name)])
    for index, criterion in enumerate(model.criteria):
        for path, message in _in_criterion(criterion):
            yield ("criteria", index, *path), message
    for index, deduction in enumerate(model.deductions):
        if deduction.points <= 0:
            yield ("deductions", index, "points"), "must be above 0: it is taken away"
    yield from _in_parameters(model, scheme)
    if model.pay is not None:
        yield from _in_pay(model.pay, ranked=model.ranked)


def _in_criterion(criterion: models.CriterionModel) -> Iterator[tuple[Path, str]]:
    if isinstance(criterion.indicator, models.SeriesModel | models.SaturationModel):
        for path, message in _repeated("parts", [part.id for part in criterion.indicator.parts]):
            yield ("indicator", *path), message
    if criterion.rule.maximum <= 0:
        yield ("rule", "maximum"), "must be above 0"
    if criterion.weight <= 0:
        yield ("weight",), "must be above 0"


def _in_parameters(model: models.SchemeModel, scheme: core.Scheme) -> Iterator[tuple[Path, str]]:
    declared = {parameter.id for parameter in model.parameters}
    used = {quantity.priced_by for quantity in quantities(scheme) if quantity.priced_by}
    for name in sorted(used - declared):
        yield ("parameters",), f"{name!r} is used as a price but not declared"
    for index, parameter in enumerate(model.parameters):
        if parameter.id not in used:
            yield ("parameters", index), f"{parameter.id!r} is never used"


def _in_pay(pay: models.PayModel, *, ranked: bool) -> Iterator[tuple[Path, str]]:
    if not ranked:
        yield ("pay",), "money by place needs ranked: true"
    if pay.minimum_population < max(len(pay.top), len(pay.bottom)):
        yield ("pay", "minimum_population"), "is smaller than the number of paid places"


def _repeated(name: str, ids: list[str]) -> Iterator[tuple[Path, str]]:
    for each, count in Counter(ids).items():
        if count > 1:
            yield (name, ids.index(each)), f"id {each!r} stands {count} times"
