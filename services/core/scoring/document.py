"""A scheme as a typed document: what is measured, by which rule it earns points, what is deducted, what follows from a place.

A scheme is versioned data; the YAML beside it is read by services.schemes. Everything that the seed leaves open is a *reading*, named in
the YAML with its alternatives, and arrives here as the value of the field that it decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TypeAlias

from services.core.scoring.words import Words


class Holder(StrEnum):
    """Whose a posting is: the person's who did it, or the representative's, region's or branch's of its book day."""

    PERSON = "person"
    REPRESENTATIVE = "representative"
    REGION = "region"
    BRANCH = "branch"


class Unit(StrEnum):
    """What of a posting is added up: the number of items, or their value in millionths."""

    COUNT = "count"
    AMOUNT = "amount"


class Basis(StrEnum):
    """Booked in the period, or standing at its end."""

    FLOW = "flow"
    STOCK = "stock"


class Absent(StrEnum):
    """What an undefined item means: it blocks the score, or it is left out and the other items are scaled up."""

    BLOCK = "block"
    LEAVE_OUT = "leave_out"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A sum over postings. `dims` None = every dimension; `priced_by` names a points table by dimension (unit count only)."""

    measures: tuple[str, ...]
    credit: Holder = Holder.PERSON
    dims: tuple[str, ...] | None = None
    unit: Unit = Unit.COUNT
    basis: Basis = Basis.FLOW
    priced_by: str | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """numerator ÷ denominator; without denominator undefined. Fewer than `minimum_n` in the denominator: the value carries a mark."""

    numerator: Quantity
    denominator: Quantity
    undefined: Words
    minimum_n: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A named share of a sum, with the factor it counts by."""

    id: str
    words: Words
    quantity: Quantity
    factor: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Series:
    """Σ factor × part ÷ Σ parts (SERIES): a linear combination of the shares of buckets, negative terms allowed."""

    parts: tuple[Part, ...]
    undefined: Words


@dataclass(frozen=True, slots=True)
class Saturation:
    """Own daily figure ÷ own highest daily figure of a month in the calendar year so far (BASELINE).

    `opening` names the delivered monthly figure ("measure.<opening>.numerator" ÷ ".denominator") for months before Kaohe.
    """

    parts: tuple[Part, ...]
    days: Quantity
    opening: str
    includes_current: bool
    undefined: Words


Indicator: TypeAlias = Ratio | Series | Saturation


class Direction(StrEnum):
    """Which end of a ranking is the first place."""

    HIGHEST_FIRST = "highest_first"
    LOWEST_FIRST = "lowest_first"


class RankingOfOne(StrEnum):
    """n = 1 in a ranking: the maximum, marked, or undefined."""

    MAX = "max"
    UNDEFINED = "undefined"


@dataclass(frozen=True, slots=True)
class RankProportional:
    """Points by place, linear from `maximum` (first) to 0 (last) (RANKPROP)."""

    maximum: Fraction
    direction: Direction = Direction.HIGHEST_FIRST
    of_one: RankingOfOne = RankingOfOne.MAX


@dataclass(frozen=True, slots=True)
class Proportional:
    """Points = value × factor; `floor` None = it may be negative. `maximum` is what the item can earn."""

    factor: Fraction
    maximum: Fraction
    floor: Fraction | None = None


Rule: TypeAlias = RankProportional | Proportional


class FirstMonth(StrEnum):
    """Which month is a newcomer's first: the first full one after an entry in the last ten days of a month, or that of the entry."""

    FIRST_FULL_MONTH = "first_full_month"
    CALENDAR_MONTH = "calendar_month"


@dataclass(frozen=True, slots=True)
class NewcomerPoints:
    """In the first month the item earns these points and the person stays out of the item's ranking (DEFAULT)."""

    points: Fraction
    seed: str


@dataclass(frozen=True, slots=True)
class Criterion:
    """One item of the scheme: an indicator, the rule that prices it, and its weight (POINTS: 1)."""

    id: str
    label: str
    words: Words
    indicator: Indicator
    rule: Rule
    seed: str
    weight: Fraction = Fraction(1)
    newcomer: NewcomerPoints | None = None
    absent: Absent = Absent.BLOCK
    remark: Words | None = None


@dataclass(frozen=True, slots=True)
class Deduction:
    """Points taken from the total for each occurrence (OCC−), with its case."""

    id: str
    words: Words
    measure: str
    points: Fraction
    seed: str
    dims: tuple[str, ...] | None = None


class VetoMode(StrEnum):
    """An exposure caps the total at zero, so that it never raises a score, or sets it to zero."""

    CAP_AT_ZERO = "cap_at_zero"
    ZERO = "zero"


@dataclass(frozen=True, slots=True)
class Veto:
    """One occurrence decides the total (VETO)."""

    id: str
    words: Words
    measure: str
    mode: VetoMode
    seed: str
    mark: str
    dims: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class WholeMonthLeave:
    """Not appraised: no day attended and leave recorded."""

    days: Quantity
    leave: Quantity


@dataclass(frozen=True, slots=True)
class RankPay:
    """Money by place (RANKPAY), proposed until somebody named confirms it.

    `top` from the first place down, `bottom` from the last place up, in `currency`. Tied people share what their places earn.
    """

    top: tuple[Fraction, ...]
    bottom: tuple[Fraction, ...]
    minimum_population: int
    newcomer_fined: bool
    currency: str
    seed: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A table that the seed lost or left to the organisation: points by key, required, without default."""

    id: str
    words: Words
    seed: str


@dataclass(frozen=True, slots=True)
class Scheme:
    """A whole scheme in one version."""

    id: str
    version: int
    words: Words
    seed: str
    post: str
    criteria: tuple[Criterion, ...]
    first_month: FirstMonth = FirstMonth.FIRST_FULL_MONTH
    parameters: tuple[Parameter, ...] = ()
    deductions: tuple[Deduction, ...] = ()
    vetoes: tuple[Veto, ...] = ()
    absence: WholeMonthLeave | None = None
    pay: RankPay | None = None
    ranked: bool = True
    readings: tuple[tuple[str, str], ...] = ()
