"""Evaluating a scheme for a population: the one pure entry of the scoring core.

Two passes, because only scored people are ranked (definitions 29): figures first, then places among those whose score can be
computed. Somebody who turns out not computable leaves every ranking, and the rest is placed again.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from services.core.scoring.accounts import Accounts
from services.core.scoring.composition import renormalised
from services.core.scoring.document import Absent, RankProportional
from services.core.scoring.exact import plain
from services.core.scoring.figures import Figure, Subject, figure
from services.core.scoring.newcomer import is_first_month
from services.core.scoring.occurrences import by_person, deduction_lines, veto_lines
from services.core.scoring.pricing import lines_of
from services.core.scoring.ranking import Place, places
from services.core.scoring.rankpay import money_for
from services.core.scoring.result import Item, PersonScore, ScoreSet, Status
from services.core.scoring.trace import Line, total_of
from services.core.scoring.words import Words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.core.roster import Roster
    from services.core.scoring.document import Criterion, Scheme
    from services.core.scoring.period import Month
    from services.core.scoring.totals import Occurrence, Total


class ParameterMissingError(ValueError):
    """A table that the scheme requires was not supplied."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What is known of a person before anybody is placed."""

    person: str
    branch: str
    newcomer: bool
    regions: tuple[str, ...]
    figures: tuple[Figure, ...]
    not_appraised: Words | None


def population_of(scheme: Scheme, roster: Roster, branch: str | None, period: Month) -> tuple[str, ...]:
    """Who holds the scheme's post in the branch (None: every branch) on the last day of the period (`last_day`)."""
    return roster.persons(scheme.post, branch, period.last_day)


def score(
    scheme: Scheme,
    population: Sequence[str],
    totals: Iterable[Total],
    occurrences: Iterable[Occurrence],
    roster: Roster,
    *,
    period: Month,
    parameters: Mapping[str, Mapping[str, Fraction]],
) -> ScoreSet:
    """The scores of the population; the order of any input changes nothing.

    `parameters` = points tables by parameter id. Raises ParameterMissingError, PriceMissingError (a dimension without points).
    """
    for parameter in scheme.parameters:
        if parameter.id not in parameters:
            raise ParameterMissingError(f"{scheme.id} needs the parameter {parameter.id!r} ({parameter.words.en})")
    accounts = Accounts(totals, roster, parameters)
    candidates = [_candidate(scheme, person, accounts, roster, period) for person in sorted(set(population))]
    appraised = [candidate for candidate in candidates if candidate.not_appraised is None]
    rankings = _settle(scheme, appraised)
    involved = by_person(occurrences, roster)
    scores = [_compose(scheme, candidate, rankings, involved.get(candidate.person, ())) for candidate in candidates]
    return ScoreSet(scheme, period, tuple(_placed(scheme, scores)), tuple(accounts.unattributed))


def _candidate(scheme: Scheme, person: str, accounts: Accounts, roster: Roster, period: Month) -> _Candidate:
    day = period.last_day
    figures = tuple(figure(criterion.indicator, accounts, Subject(person), period) for criterion in scheme.criteria)
    return _Candidate(
        person,
        roster.branch_of(person, day) or "",
        is_first_month(roster.entry_of(person, day), period, scheme.first_month),
        roster.regions_of_rep_between(person, period.first_day, period.end_day),
        figures,
        _absence(scheme, person, accounts, period),
    )


def _absence(scheme: Scheme, person: str, accounts: Accounts, period: Month) -> Words | None:
    """Not appraised: 0 days attended and leave recorded (definitions 29, open point 10)."""
    if scheme.absence is None:
        return None
    days = accounts.amount(scheme.absence.days, person, period)
    leave = accounts.amount(scheme.absence.leave, person, period)
    if days != 0 or leave <= 0:
        return None
    return Words(
        f"整月休假(出勤 {plain(days)} 天,休假 {plain(leave)} 天)",
        f"on leave for the whole month ({plain(days)} days attended, {plain(leave)} days of leave)",
    )


@dataclass(frozen=True, slots=True)
class _Ranking:
    """The places by one criterion and the number ranked in each branch."""

    places: Mapping[str, Place]
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Rankings:
    """The ranking of each criterion, and why some could not be placed."""

    of: tuple[_Ranking, ...]
    not_computable: Mapping[str, Words]


def _settle(scheme: Scheme, appraised: Sequence[_Candidate]) -> _Rankings:
    """Rank again without those who turn out not computable, until nobody does."""
    remaining = list(appraised)
    reasons: dict[str, Words] = {}
    while True:
        ranked = tuple(_ranking(criterion, index, remaining) for index, criterion in enumerate(scheme.criteria))
        blocked = {
            candidate.person: _reason(missing)
            for candidate in remaining
            if (missing := _missing(scheme, candidate, ranked))
        }
        if not blocked:
            return _Rankings(ranked, reasons)
        reasons |= blocked
        remaining = [candidate for candidate in remaining if candidate.person not in blocked]


def _ranking(criterion: Criterion, index: int, candidates: Sequence[_Candidate]) -> _Ranking:
    """Places within each branch; a newcomer with a default stays out of the item's ranking."""
    if not isinstance(criterion.rule, RankProportional):
        return _Ranking({}, {})
    values: dict[str, dict[str, Fraction]] = defaultdict(dict)
    for candidate in candidates:
        value = candidate.figures[index].value
        if value is not None and not (candidate.newcomer and criterion.newcomer is not None):
            values[candidate.branch][candidate.person] = value
    found: dict[str, Place] = {}
    for group in values.values():
        found |= places(group, criterion.rule.direction)
    return _Ranking(found, {branch: len(group) for branch, group in values.items()})


def _item_lines(scheme: Scheme, candidate: _Candidate, ranked: Sequence[_Ranking]) -> list[tuple[Line, ...] | None]:
    return [
        lines_of(criterion, value, ranked[index].places.get(candidate.person), newcomer=candidate.newcomer)
        for index, (criterion, value) in enumerate(zip(scheme.criteria, candidate.figures, strict=True))
    ]


def _missing(scheme: Scheme, candidate: _Candidate, ranked: Sequence[_Ranking]) -> list[tuple[Criterion, Figure]]:
    """The undefined items that keep the score from being computed."""
    priced = _item_lines(scheme, candidate, ranked)
    undefined = [
        (criterion, value)
        for criterion, value, lines in zip(scheme.criteria, candidate.figures, priced, strict=True)
        if lines is None
    ]
    blocking = [(criterion, value) for criterion, value in undefined if criterion.absent is Absent.BLOCK]
    return undefined if len(undefined) == len(scheme.criteria) else blocking


def _compose(
    scheme: Scheme, candidate: _Candidate, rankings: _Rankings, occurrences: Sequence[Occurrence]
) -> PersonScore:
    if candidate.not_appraised is not None:
        return _unscored(candidate, Status.NOT_APPRAISED, candidate.not_appraised, (), ())
    priced = _item_lines(scheme, candidate, rankings.of)
    items = tuple(_items(scheme, candidate, rankings, priced))
    item_lines = tuple(line for lines in priced if lines is not None for line in lines)
    reason = rankings.not_computable.get(candidate.person)
    if reason is not None:
        return _unscored(candidate, Status.NOT_COMPUTABLE, reason, items, item_lines)
    present = [criterion for criterion, lines in zip(scheme.criteria, priced, strict=True) if lines is not None]
    earned = (*item_lines, *renormalised(scheme.criteria, present, item_lines))
    deductions = deduction_lines(scheme.deductions, occurrences)
    vetoes = veto_lines(scheme.vetoes, occurrences, (*earned, *deductions))
    lines = (*earned, *deductions, *vetoes)
    return PersonScore(
        candidate.person,
        candidate.branch,
        Status.SCORED,
        None,
        candidate.newcomer,
        candidate.regions,
        items,
        lines,
        subtotal=total_of(earned),
        deducted=total_of(deductions),
        before_veto=total_of(earned) + total_of(deductions),
        veto=vetoes[0].marks[0] if vetoes else None,
        total=total_of(lines),
        place=None,
        money=None,
    )


def _items(
    scheme: Scheme, candidate: _Candidate, rankings: _Rankings, priced: Sequence[tuple[Line, ...] | None]
) -> Iterable[Item]:
    for index, (criterion, lines) in enumerate(zip(scheme.criteria, priced, strict=True)):
        ranking = rankings.of[index]
        yield Item(
            criterion.id,
            candidate.figures[index],
            ranking.places.get(candidate.person),
            ranking.sizes.get(candidate.branch),
            None if lines is None else total_of(lines),
            newcomer_default=candidate.newcomer and criterion.newcomer is not None,
        )


def _reason(missing: Sequence[tuple[Criterion, Figure]]) -> Words:
    said = [(criterion.label, value.undefined or _RANKING_UNDEFINED) for criterion, value in missing]
    return Words(
        ";".join(f"{label}:{words.zh}" for label, words in said),
        "; ".join(f"{label}: {words.en}" for label, words in said),
    )


_RANKING_UNDEFINED = Words("仅一人参加排名", "a ranking of one is undefined")


def _unscored(
    candidate: _Candidate, status: Status, reason: Words, items: tuple[Item, ...], lines: tuple[Line, ...]
) -> PersonScore:
    return PersonScore(
        candidate.person,
        candidate.branch,
        status,
        reason,
        candidate.newcomer,
        candidate.regions,
        items,
        lines,
        subtotal=None,
        deducted=None,
        before_veto=None,
        veto=None,
        total=None,
        place=None,
        money=None,
    )


def _placed(scheme: Scheme, scores: Sequence[PersonScore]) -> Iterable[PersonScore]:
    """Places by total within each branch, and the money that they propose."""
    if not scheme.ranked:
        return scores
    totals: dict[str, dict[str, Fraction]] = defaultdict(dict)
    for each in scores:
        if each.total is not None:
            totals[each.branch][each.person] = each.total
    found: dict[str, Place] = {}
    for group in totals.values():
        found |= places(group)
    return [_with_place(scheme, each, found.get(each.person)) for each in scores]


def _with_place(scheme: Scheme, each: PersonScore, place: Place | None) -> PersonScore:
    if place is None:
        return each
    money = money_for(scheme.pay, place, newcomer=each.newcomer) if scheme.pay is not None else None
    return replace(each, place=place, money=money)
