"""The shape of a scheme file, field by field; unknown fields are refused, numbers are exact."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, StringConstraints

from services.core.scoring.document import (
    Absent,
    Basis,
    Direction,
    FirstMonth,
    Holder,
    RankingOfOne,
    Unit,
    VetoMode,
)
from services.core.scoring.exact import rational


def exact_number(value: object) -> Fraction:
    """An exact number from an integer, a fraction or its text ("0.5", "5/2"); a binary float is refused."""
    if isinstance(value, bool) or not isinstance(value, int | str | Fraction):
        raise ValueError('must be a whole number, or text such as "0.5" or "1/3": it is kept exactly')  # noqa: TRY004 - pydantic reports ValueError
    try:
        return Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{value!r} is no number") from None


def _floor(value: object) -> Fraction | None:
    return None if value is None or value == "none" else exact_number(value)


def _yes_or_no(value: object) -> object:
    return {"yes": True, "no": False}.get(value, value) if isinstance(value, str) else value


Exact = Annotated[
    Fraction,
    PlainValidator(exact_number, json_schema_input_type=int | str),
    PlainSerializer(rational, return_type=str),
]
Floor = Annotated[Fraction | None, PlainValidator(_floor)]
YesNo = Annotated[bool, BeforeValidator(_yes_or_no)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Seed = Annotated[str, StringConstraints(pattern=r"^[0-9]{3}:[0-9]+(-[0-9]+)?$")]
Measure = Annotated[str, StringConstraints(pattern=r"^[a-z]+(\.[a-z0-9_]+)+$")]


class Model(BaseModel):
    """Closed and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class WordsModel(Model):
    """A text in both languages."""

    zh: Text
    en: Text


class QuantityModel(Model):
    """A sum over postings."""

    measures: Annotated[tuple[Measure, ...], Field(min_length=1)]
    credit: Holder = Holder.PERSON
    dims: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    unit: Unit = Unit.COUNT
    basis: Basis = Basis.FLOW
    priced_by: Id | None = None


class PartModel(Model):
    """A named share of a sum."""

    id: Id
    words: WordsModel
    quantity: QuantityModel
    factor: Exact = Fraction(1)


class RatioModel(Model):
    """Numerator ÷ denominator."""

    kind: Literal["ratio"]
    numerator: QuantityModel
    denominator: QuantityModel
    undefined: WordsModel
    minimum_n: Annotated[int, Field(ge=0)] = 0


class SeriesModel(Model):
    """Shares of buckets, each with its factor."""

    kind: Literal["series"]
    parts: Annotated[tuple[PartModel, ...], Field(min_length=1)]
    undefined: WordsModel


class SaturationModel(Model):
    """Own daily figure by own annual maximum."""

    kind: Literal["saturation"]
    parts: Annotated[tuple[PartModel, ...], Field(min_length=1)]
    days: QuantityModel
    opening: Id
    includes_current: bool
    undefined: WordsModel


class RankProportionalModel(Model):
    """Points by place."""

    kind: Literal["rank_proportional"]
    maximum: Exact
    direction: Direction = Direction.HIGHEST_FIRST
    of_one: RankingOfOne = RankingOfOne.MAX


class ProportionalModel(Model):
    """Points by value."""

    kind: Literal["proportional"]
    factor: Exact
    maximum: Exact
    floor: Floor = None


class NewcomerModel(Model):
    """What the first month earns."""

    points: Exact
    seed: Seed


class CriterionModel(Model):
    """One item of the scheme."""

    id: Id
    label: Text
    words: WordsModel
    seed: Seed
    indicator: Annotated[RatioModel | SeriesModel | SaturationModel, Field(discriminator="kind")]
    rule: Annotated[RankProportionalModel | ProportionalModel, Field(discriminator="kind")]
    weight: Exact = Fraction(1)
    newcomer: NewcomerModel | None = None
    absent: Absent = Absent.BLOCK
    remark: WordsModel | None = None


class DeductionModel(Model):
    """Points taken for each occurrence."""

    id: Id
    words: WordsModel
    measure: Measure
    points: Exact
    seed: Seed
    dims: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None


class VetoModel(Model):
    """An occurrence that decides the total."""

    id: Id
    words: WordsModel
    measure: Measure
    mode: VetoMode
    mark: Text
    seed: Seed
    dims: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None


class LeaveModel(Model):
    """Where attended days and leave are found."""

    days: QuantityModel
    leave: QuantityModel


class AbsenceModel(Model):
    """Who is not appraised."""

    whole_month_leave: LeaveModel | None = None


class PayModel(Model):
    """Money by place."""

    top: tuple[Exact, ...]
    bottom: tuple[Exact, ...]
    minimum_population: Annotated[int, Field(ge=1)]
    newcomer_fined: YesNo
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    seed: Seed


class ParameterModel(Model):
    """A points table that must be supplied."""

    id: Id
    words: WordsModel
    seed: Seed


class SchemeModel(Model):
    """A scheme file after its readings were put in."""

    id: Id
    version: Annotated[int, Field(ge=1)]
    words: WordsModel
    seed: Seed
    post: Text
    criteria: Annotated[tuple[CriterionModel, ...], Field(min_length=1)]
    first_month: FirstMonth = FirstMonth.FIRST_FULL_MONTH
    parameters: tuple[ParameterModel, ...] = ()
    deductions: tuple[DeductionModel, ...] = ()
    vetoes: tuple[VetoModel, ...] = ()
    not_appraised: AbsenceModel | None = None
    pay: PayModel | None = None
    ranked: bool = True


PointsTable = Annotated[dict[Text, Exact], Field(min_length=1)]
