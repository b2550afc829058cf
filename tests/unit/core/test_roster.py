"""The dated roster answers by local day and says in words what is wrong with its records."""

from __future__ import annotations

import csv
import random
import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.roster import (
    FIELD_ENGINEER,
    REPRESENTATIVE,
    Branch,
    Person,
    PersonId,
    Record,
    Region,
    RegionEngineer,
    RegionRepresentative,
    Roster,
)
from services.core.roster_check import Severity, errors, examine
from services.core.roster_rows import RosterRowError, parse_row, render_row

START = date(2020, 1, 1)
DAY = date(2026, 10, 15)


def organisation() -> list[Record]:
    return [
        Branch("SZ", "苏州", START),
        Region("SZ-A", "姑苏", "SZ", START),
        Region("SZ-C", "新区", "SZ", START),
        Person("KF01", "王敏", REPRESENTATIVE, "SZ", date(2021, 3, 1)),
        Person("GC02", "林涛", FIELD_ENGINEER, "SZ", date(2022, 1, 1)),
        RegionRepresentative("KF01", "SZ-A", date(2026, 1, 1)),
        RegionEngineer("GC02", "SZ-A", date(2026, 1, 1), date(2026, 10, 15)),
        RegionEngineer("GC02", "SZ-C", date(2026, 10, 15)),
    ]


def messages(records: list[Record]) -> list[str]:
    return [finding.message for finding in errors(examine(records))]


def test_a_move_changes_the_region_from_its_first_day_and_not_before() -> None:
    roster = Roster.of(organisation())
    assert roster.region_of("GC02", date(2026, 10, 14)) == "SZ-A"
    assert roster.region_of("GC02", date(2026, 10, 15)) == "SZ-C"
    assert roster.region_of("GC02", date(2025, 12, 31)) is None


def test_an_id_without_rows_of_its_own_is_the_person_of_that_id_at_every_source() -> None:
    roster = Roster.of(organisation())
    assert roster.person_of("crm GC02", DAY) == "GC02"
    assert roster.person_of("hq GC02", DAY) == "GC02"
    assert roster.person_of("crm GC99", DAY) is None
    assert roster.person_of("", DAY) is None


def test_an_id_with_rows_is_explained_by_these_alone_and_only_on_their_days() -> None:
    rows = [PersonId("KF01", "crm", "GC02", date(2026, 1, 1), date(2026, 6, 1))]
    roster = Roster.of([*organisation(), *rows])
    assert roster.person_of("crm GC02", date(2026, 5, 31)) == "KF01"
    assert roster.person_of("crm GC02", date(2026, 6, 1)) is None
    assert roster.person_of("hq GC02", date(2026, 5, 31)) == "GC02"


def test_a_source_id_with_spaces_is_one_id() -> None:
    roster = Roster.of([*organisation(), PersonId("GC02", "servicenow", "Resolver 23", START)])
    assert roster.person_of("servicenow Resolver 23", DAY) == "GC02"


def test_somebody_who_left_keeps_the_name_but_no_post_branch_or_region() -> None:
    left = date(2026, 10, 1)
    gone: list[Record] = [
        Person("GC03", "何军", FIELD_ENGINEER, "SZ", START, left),
        RegionEngineer("GC03", "SZ-A", START, left),
    ]
    roster = Roster.of([*organisation(), *gone])
    assert roster.person_of("crm GC03", DAY) == "GC03"
    assert roster.name_of("GC03", DAY) == "何军"
    assert roster.branch_of("GC03", DAY) is None
    assert roster.region_of("GC03", DAY) is None
    assert "GC03" not in roster.persons(FIELD_ENGINEER, "SZ", DAY)


def test_the_population_of_a_post_is_that_of_the_branch_on_the_day_in_order_of_id() -> None:
    moved: list[Record] = [
        Branch("WX", "无锡", START),
        Person("GC01", "陈刚", FIELD_ENGINEER, "SZ", START, date(2026, 10, 10)),
        Person("GC01", "陈刚", FIELD_ENGINEER, "WX", date(2026, 10, 10)),
    ]
    roster = Roster.of([*moved, *organisation()])
    assert roster.persons(FIELD_ENGINEER, "SZ", date(2026, 10, 9)) == ("GC01", "GC02")
    assert roster.persons(FIELD_ENGINEER, "SZ", date(2026, 10, 10)) == ("GC02",)
    assert roster.persons(None, None, DAY) == ("GC01", "GC02", "KF01")


def test_entry_is_the_first_day_of_unbroken_service() -> None:
    people: list[Record] = [
        Person("P", "甲", REPRESENTATIVE, "SZ", date(2019, 1, 1), date(2019, 7, 1)),
        Person("P", "甲", FIELD_ENGINEER, "SZ", date(2024, 2, 1), date(2025, 1, 1)),
        Person("P", "甲", REPRESENTATIVE, "SZ", date(2025, 1, 1)),
    ]
    roster = Roster.of([Branch("SZ", "苏州", START), *people])
    assert roster.entry_of("P", DAY) == date(2024, 2, 1)
    assert roster.entry_of("P", date(2019, 3, 1)) == date(2019, 1, 1)
    assert roster.entry_of("P", date(2020, 3, 1)) is None


def test_a_region_covered_by_somebody_else_for_a_month_returns_afterwards() -> None:
    cover = [
        RegionRepresentative("KF05", "SZ-C", date(2026, 1, 1), date(2026, 10, 1)),
        RegionRepresentative("KF01", "SZ-C", date(2026, 10, 1), date(2026, 11, 1)),
        RegionRepresentative("KF05", "SZ-C", date(2026, 11, 1)),
    ]
    roster = Roster.of([*organisation(), *cover])
    assert roster.regions_of_rep("KF01", DAY) == ("SZ-A", "SZ-C")
    assert roster.regions_of_rep("KF05", DAY) == ()
    assert roster.regions_of_rep("KF05", date(2026, 11, 1)) == ("SZ-C",)
    assert roster.regions_of_rep_between("KF05", date(2026, 10, 1), date(2026, 11, 1)) == ()
    assert roster.regions_of_rep_between("KF05", date(2026, 9, 30), date(2026, 11, 1)) == ("SZ-C",)


def test_a_sound_roster_has_no_errors() -> None:
    assert messages(organisation()) == []


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (RegionRepresentative("GC02", "SZ-A", date(2026, 5, 1)), "a region has one representative at a time"),
        (RegionEngineer("GC02", "SZ-A", date(2026, 10, 20)), "an engineer works in one region at a time"),
        (Person("GC02", "林涛", FIELD_ENGINEER, "SZ", DAY), "one record of it at a time"),
        (RegionEngineer("GC77", "SZ-A", DAY), "the person 'GC77', which has no record"),
        (RegionEngineer("KF01", "SZ-Z", DAY), "the region 'SZ-Z', which has no record"),
        (Person("GC05", "马超", FIELD_ENGINEER, "NJ", DAY), "the branch 'NJ', which has no record"),
        (PersonId("KF77", "crm", "77", DAY), "the person 'KF77', which has no record"),
        (PersonId("KF01", "c rm", "77", DAY), "must be one word"),
        (Region("SZ-X", "某区", "SZ", DAY, DAY), "holds on no day"),
    ],
)
def test_each_contradiction_is_an_error_in_words_on_its_row(row: Record, says: str) -> None:
    records = [*organisation(), row]
    found = errors(examine(records))
    assert [finding.row for finding in found] == [len(records)]
    assert says in found[0].message


def test_gaps_and_assignments_that_outlive_the_person_are_warnings() -> None:
    gap: list[Record] = [
        Person("GC09", "许强", FIELD_ENGINEER, "SZ", START, date(2021, 1, 1)),
        Person("GC09", "许强", FIELD_ENGINEER, "SZ", date(2021, 2, 1)),
        RegionEngineer("GC09", "SZ-A", START),
    ]
    found = examine([*organisation(), *gap])
    assert {finding.severity for finding in found} == {Severity.WARNING}
    assert any("nothing is recorded from 2021-01-01 to 2021-02-01" in finding.message for finding in found)
    assert any("not on all of these days" in finding.message for finding in found)


def test_the_example_roster_reads_without_error_and_writes_itself_back(example_roster: list[dict[str, str]]) -> None:
    records = [parse_row(row) for row in example_roster]
    assert errors(examine(records)) == []
    assert [parse_row(render_row(record)) for record in records] == records


@pytest.fixture
def example_roster(request: pytest.FixtureRequest) -> list[dict[str, str]]:
    path = request.config.rootpath / "tests" / "examples" / "s01" / "roster.csv"
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"record": "team", "id": "X"}, "record: 'team' is none of branch, region"),
        ({"record": "branch", "id": "SZ", "from": "2026-01-01"}, "name: missing in a branch record"),
        ({"record": "branch", "id": "SZ", "name": "苏州"}, "from: missing"),
        ({"record": "branch", "id": "SZ", "name": "苏州", "from": "1.1.2026"}, "from: '1.1.2026' is no date"),
        ({"record": "person_id", "id": "KF01", "from": "2026-01-01"}, "source: missing"),
    ],
)
def test_an_unreadable_row_names_the_column(row: dict[str, str], says: str) -> None:
    with pytest.raises(RosterRowError, match=says):
        parse_row(row)


@given(seed=st.integers(0, 2**32))
def test_the_order_of_the_records_changes_no_answer(seed: int) -> None:
    records = organisation()
    shuffled = random.Random(seed).sample(records, len(records))
    one, other = Roster.of(records), Roster.of(shuffled)
    assert one.region_of("GC02", DAY) == other.region_of("GC02", DAY)
    assert one.persons(None, None, DAY) == other.persons(None, None, DAY)
    assert one.regions("SZ", DAY) == other.regions("SZ", DAY) == ("SZ-A", "SZ-C")
    assert {finding.message for finding in examine(records)} == {finding.message for finding in examine(shuffled)}


def test_ten_thousand_people_are_looked_up_within_a_second() -> None:
    regions: list[Record] = [Region(f"R{n}", f"区{n}", "SZ", START) for n in range(500)]
    people: list[Record] = [Person(f"P{n}", f"人{n}", FIELD_ENGINEER, "SZ", START) for n in range(10_000)]
    works: list[Record] = [RegionEngineer(f"P{n}", f"R{n % 500}", START) for n in range(10_000)]
    roster = Roster.of([Branch("SZ", "苏州", START), *regions, *people, *works])
    begun = time.perf_counter()
    found = [roster.region_of(roster.person_of(f"crm P{n}", DAY) or "", DAY) for n in range(10_000)]
    assert len(roster.persons(FIELD_ENGINEER, "SZ", DAY)) == len(found) == 10_000
    assert None not in found
    assert time.perf_counter() - begun < 1
