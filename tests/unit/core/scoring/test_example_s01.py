"""The worked month (tests/examples/s01): S01 and S02, settled and provisional, every figure, rank, line and amount of money."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import pytest

from services.core.kpi.definitions import Definitions
from services.core.kpi.walk import fold_case
from services.core.roster import Roster
from services.core.roster_rows import parse_row
from services.core.scoring.accounts import Accounts
from services.core.scoring.document import Holder, Scheme
from services.core.scoring.evaluate import population_of, score
from services.core.scoring.gathering import Gathering, Posting, Selection, View
from services.core.scoring.needs import needs_of
from services.core.scoring.period import Month
from services.core.scoring.result import ScoreSet, Status
from services.core.scoring.totals import Total
from services.core.scoring.trace import total_of
from services.schemes.loading import shipped_schemes
from tests.examples.loader import S01_EVENTS, S01_EXPECTED, S01_ROSTER, by_case, events
from tests.unit.core.scoring.structure import Organisation, differences, engineer

PERIOD = Month(2026, 10)
ZONE = "Asia/Shanghai"
BY_CASE = {"complaint": "judged", "inspection": "found"}


@cache
def expected() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(S01_EXPECTED.read_text(encoding="utf-8"))
    return loaded


@cache
def roster() -> Roster:
    with S01_ROSTER.open(encoding="utf-8", newline="") as file:
        return Roster.of([parse_row(row) for row in csv.DictReader(file)])


@cache
def postings() -> tuple[Posting, ...]:
    """What the fold of each case posts. The cause that the journal knows is here the event of the posting's instant."""
    found = []
    for case, history in by_case(events(S01_EVENTS)).items():
        causes = {
            event.time_ms: f"{event.source} {event.id}" for event in history if BY_CASE.get(event.family) == event.verb
        }
        posted = fold_case(history, Definitions(zone=ZONE)).posted
        found += [
            Posting(0, case, actor, measure, dim, at_ms, book_ms, value, n, causes.get(book_ms, ""))
            for (actor, measure, dim, at_ms, book_ms, value), n in posted.items()
        ]
    return tuple(found)


@dataclass(frozen=True)
class Scored:
    scores: ScoreSet
    totals: list[Total]
    prices: dict[str, dict[str, Fraction]]


def evaluate(scheme: Scheme, view: View, lines: tuple[Posting, ...]) -> Scored:
    gathering = Gathering(Selection.of(needs_of(scheme), PERIOD, ZONE, view))
    for posting in lines:
        gathering.add(posting)
    tables = expected()["parameters"] if scheme.parameters else {}
    prices = {name: {key: Fraction(points) for key, points in table.items()} for name, table in tables.items()}
    population = population_of(scheme, roster(), None, PERIOD)
    totals = gathering.totals()
    found = score(scheme, population, totals, gathering.occurrences(), roster(), period=PERIOD, parameters=prices)
    return Scored(found, totals, prices)


def s01(view: View, lines: tuple[Posting, ...]) -> dict[str, Any]:
    scheme = shipped_schemes()["s01"]
    done = evaluate(scheme, view, lines)
    accounts = Accounts(done.totals, roster(), done.prices)
    organisation = Organisation(scheme, accounts, done.scores, roster())
    return {
        "regions": {region: organisation.region(region) for region in roster().regions(None, PERIOD.last_day)},
        "branches": {branch: organisation.unit(branch, Holder.BRANCH) for branch in roster().branches(PERIOD.last_day)},
        "persons": {each.person: organisation.representative(each) for each in done.scores.people},
    }


def s02(view: View, lines: tuple[Posting, ...]) -> dict[str, Any]:
    schemes = shipped_schemes()
    representatives = evaluate(schemes["s01"], view, lines)
    accounts = Accounts(representatives.totals, roster(), representatives.prices)
    done = evaluate(schemes["s02"], view, lines)
    all_types = schemes["s01"].criteria[-1].indicator
    return {
        "persons": {
            each.person: engineer(each, done.scores, all_types, accounts, roster()) for each in done.scores.people
        }
    }


@pytest.mark.parametrize("view", list(View))
def test_s01_gives_every_figure_of_regions_branches_and_people(view: View) -> None:
    assert differences(expected()[view.value]["S01"], s01(view, postings())) == []


@pytest.mark.parametrize("view", list(View))
def test_s02_gives_every_figure_of_the_engineers(view: View) -> None:
    assert differences(expected()[view.value]["S02"], s02(view, postings())) == []


def test_exactly_the_listed_figures_change_from_provisional_to_settled() -> None:
    before = {"S01": s01(View.PROVISIONAL, postings()), "S02": s02(View.PROVISIONAL, postings())}
    after = {"S01": s01(View.SETTLED, postings()), "S02": s02(View.SETTLED, postings())}
    changed = {
        line.partition(":")[0].removeprefix(".").removesuffix(".fraction") for line in differences(before, after)
    }
    listed = {line.partition(":")[0] for line in expected()["provisional_to_settled"]}
    assert {path for path in changed if not path.endswith(".decimal")} == listed


@pytest.mark.parametrize("scheme", ["s01", "s02"])
def test_the_freeze_is_blocked_by_the_people_that_the_example_names(scheme: str) -> None:
    found = evaluate(shipped_schemes()[scheme], View.SETTLED, postings()).scores
    blocked = expected()["freeze"][scheme.upper()]["blocked_by"]
    assert [each.person for each in found.not_computable()] == blocked


@pytest.mark.parametrize("scheme", ["s01", "s02"])
@pytest.mark.parametrize("view", list(View))
def test_the_lines_of_each_statement_add_up(scheme: str, view: View) -> None:
    found = evaluate(shipped_schemes()[scheme], view, postings()).scores
    scored = [each for each in found.people if each.status is Status.SCORED]
    assert len(scored) >= 7
    assert all(each.total == total_of(each.lines) for each in scored)


def test_each_line_of_s02_says_that_it_is_a_reading_and_not_the_seed() -> None:
    found = evaluate(shipped_schemes()["s02"], View.SETTLED, postings()).scores
    assert all("reading, not seed" in line.words.en for each in found.people for line in each.lines)


def test_every_posting_is_somebodys() -> None:
    assert evaluate(shipped_schemes()["s01"], View.SETTLED, postings()).scores.unattributed == ()


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_postings_give_the_same_scores(seed: int) -> None:
    lines = list(postings())
    random.Random(seed).shuffle(lines)
    assert s01(View.SETTLED, tuple(lines)) == s01(View.SETTLED, postings())
