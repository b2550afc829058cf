"""The lines of a statement: what a rule did, with its inputs and its arithmetic; their points add up to the score, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.core.scoring.words import Words


@dataclass(frozen=True, slots=True)
class Input:
    """A number that entered a line; a ratio is kept as its two numbers, a plain number has denominator None."""

    name: str
    numerator: Fraction
    denominator: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One step of a score.

    `rule` names the kind of step, `arithmetic` shows it in digits, `words` says it, `seed` cites where it is written. `case` and `cause`
    are set when the line is about one occurrence.
    """

    criterion: str
    rule: str
    words: Words
    arithmetic: str
    points: Fraction
    seed: str
    inputs: tuple[Input, ...] = ()
    shard: int | None = None
    case: str | None = None
    cause: str | None = None
    marks: tuple[str, ...] = ()


def total_of(lines: Iterable[Line]) -> Fraction:
    """The sum of the lines' points."""
    return sum((line.points for line in lines), Fraction(0))
