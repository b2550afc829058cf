"""Deductions by occurrence (OCC−) and vetoes (VETO), each line with its case."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING

from services.core.scoring.document import VetoMode
from services.core.scoring.exact import bracketed, plain
from services.core.scoring.trace import Input, Line, total_of
from services.core.scoring.words import Words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.core.roster import Roster
    from services.core.scoring.document import Deduction, Veto
    from services.core.scoring.totals import Occurrence


def by_person(occurrences: Iterable[Occurrence], roster: Roster) -> Mapping[str, Sequence[Occurrence]]:
    """The occurrences of each person, in an order that depends on nothing but themselves; nobody's are left out."""
    found: dict[str, list[Occurrence]] = defaultdict(list)
    for occurrence in occurrences:
        person = roster.person_of(occurrence.actor, occurrence.book)
        if person is not None and occurrence.n:
            found[person].append(occurrence)
    return {person: sorted(group, key=_order) for person, group in found.items()}


def _order(occurrence: Occurrence) -> tuple[str, str, str, int, str, str]:
    return (
        occurrence.book.isoformat(),
        occurrence.measure,
        occurrence.case,
        occurrence.shard,
        occurrence.dim,
        occurrence.cause,
    )


def deduction_lines(rules: Sequence[Deduction], occurrences: Sequence[Occurrence]) -> tuple[Line, ...]:
    """One line for each occurrence, rule by rule. Source: 000:176 (扣分/条): points × number, no floor stated."""
    return tuple(
        _deduction(rule, occurrence)
        for rule in rules
        for occurrence in occurrences
        if _is_about(rule.measure, rule.dims, occurrence)
    )


def _deduction(rule: Deduction, occurrence: Occurrence) -> Line:
    points = -rule.points * occurrence.n
    words = Words(f"扣分:{rule.words.zh}({occurrence.case})", f"Deduction: {rule.words.en} ({occurrence.case})")
    return Line(
        rule.id,
        "deduction",
        words,
        f"−{bracketed(rule.points)} × {occurrence.n} = {plain(points)}",
        points,
        rule.seed,
        (Input("occurrences", Fraction(occurrence.n)),),
        occurrence.shard,
        occurrence.case,
        occurrence.cause,
    )


def veto_lines(
    rules: Sequence[Veto], occurrences: Sequence[Occurrence], lines_before: Sequence[Line]
) -> tuple[Line, ...]:
    """After all other lines, which stay visible, a line that takes the total where the veto puts it. Source: 000:176, readings B12."""
    lines: list[Line] = []
    for rule in rules:
        for occurrence in occurrences:
            if _is_about(rule.measure, rule.dims, occurrence) and occurrence.n > 0:
                lines.append(_veto(rule, occurrence, total_of((*lines_before, *lines))))
    return tuple(lines)


def _veto(rule: Veto, occurrence: Occurrence, before: Fraction) -> Line:
    after = min(Fraction(0), before) if rule.mode is VetoMode.CAP_AT_ZERO else Fraction(0)
    points = after - before
    formula = f"min(0, {plain(before)})" if rule.mode is VetoMode.CAP_AT_ZERO else "0"
    words = Words(f"否决:{rule.words.zh}({occurrence.case})", f"Veto: {rule.words.en} ({occurrence.case})")
    return Line(
        rule.id,
        "veto",
        words,
        f"{formula} − {bracketed(before)} = {plain(points)}",
        points,
        rule.seed,
        (Input("total_before", before),),
        occurrence.shard,
        occurrence.case,
        occurrence.cause,
        (rule.mark,),
    )


def _is_about(measure: str, dims: tuple[str, ...] | None, occurrence: Occurrence) -> bool:
    return occurrence.measure == measure and (dims is None or occurrence.dim in dims)
