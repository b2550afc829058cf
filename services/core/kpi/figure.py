"""A figure: exact numerator and denominator, and what stands beside them. A ratio is never averaged; teams are Σ ÷ Σ."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` = numerator ÷ denominator, None when there is nothing to divide by. `n` = items behind the figure.

    The live view adds how many cases are `pending`, and the `best` and `worst` value that they can still bring.
    """

    indicator: str
    numerator: int
    denominator: int
    value: Fraction | None
    unit: str
    n: int
    pending: int = 0
    best: Fraction | None = None
    worst: Fraction | None = None


def quotient(numerator: int, denominator: int) -> Fraction | None:
    """Exactly numerator ÷ denominator; None for nothing to divide by.

    >>> quotient(2, 3), quotient(0, 0)
    (Fraction(2, 3), None)
    """
    return Fraction(numerator, denominator) if denominator else None
