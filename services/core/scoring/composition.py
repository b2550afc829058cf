"""From items to a total: item points add up (POINTS; with weights WSUM), left-out items scale the others up."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from services.core.scoring.exact import bracketed, plain
from services.core.scoring.trace import Input, Line, total_of
from services.core.scoring.words import Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.core.scoring.document import Criterion

LEFT_OUT = "left_out"


def renormalised(
    criteria: Sequence[Criterion], present: Sequence[Criterion], lines: Sequence[Line]
) -> tuple[Line, ...]:
    """The line that makes the present items carry the weight of all; none when nothing is left out.

    The sum of the present items × (what all items can earn ÷ what the present ones can earn). Source: definitions 29, `leave_out`.
    """
    if len(present) == len(criteria):
        return ()
    attainable, remaining = _attainable(criteria), _attainable(present)
    earned = total_of(lines)
    points = earned * attainable / remaining - earned
    missing = [criterion for criterion in criteria if criterion not in present]
    words = Words(
        f"无数据,未计:{'、'.join(criterion.label for criterion in missing)};其余各项按比例放大",
        f"Left out: {', '.join(criterion.label for criterion in missing)}; the other items carry its weight",
    )
    arithmetic = (
        f"{bracketed(earned)} × {plain(attainable)} ÷ {plain(remaining)} − {bracketed(earned)} = {plain(points)}"
    )
    inputs = (Input("attainable", attainable), Input("remaining", remaining))
    seed = missing[0].seed
    return (Line("composition", "renormalised", words, arithmetic, points, seed, inputs, marks=(LEFT_OUT,)),)


def _attainable(criteria: Sequence[Criterion]) -> Fraction:
    return sum((criterion.rule.maximum * criterion.weight for criterion in criteria), Fraction(0))
