"""The invented organisation: its roster is one that the importer takes."""

import csv
import io
from datetime import date, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.roster import Roster
from services.core.roster_check import examine
from services.core.roster_rows import parse_row
from services.simulator.month import Month
from services.simulator.organisation import build

FIRST = date(2026, 10, 1)


def test_the_roster_is_read_back_as_it_was_written_without_complaint(small: Month) -> None:
    rows = list(csv.DictReader(io.StringIO(small.organisation.roster_csv())))
    records = [parse_row(row) for row in rows]
    assert records == list(small.organisation.roster())
    assert list(examine(records)) == []


@settings(max_examples=20, deadline=None)
@given(representatives=st.integers(1, 40), more=st.integers(0, 80), seed=st.integers(0, 10**6))
def test_everybody_has_one_name_one_id_and_one_region_a_day(representatives: int, more: int, seed: int) -> None:
    organisation = build(
        Random(seed), engineers=representatives + more, representatives=representatives, first_day=FIRST
    )
    people = (*organisation.engineers, *organisation.representatives)
    assert len({worker.id for worker in people}) == len({worker.name for worker in people}) == len(people)
    assert len({region.id for region in organisation.regions}) == representatives
    for day in (FIRST + timedelta(days=shift) for shift in (0, 15, 30)):
        placed = [worker for region in organisation.regions for worker in organisation.engineers_of(region.id, day)]
        assert sorted(worker.id for worker in placed) == sorted(
            worker.id for worker in organisation.engineers if worker.since <= day
        )


def test_the_ticket_system_s_numbers_lead_to_the_people(small: Month) -> None:
    roster = Roster.of(small.organisation.roster())
    for worker in small.organisation.engineers:
        assert roster.person_of(f"desk {worker.desk_id}", FIRST) == worker.id
        assert roster.person_of(f"crm {worker.id}", FIRST) == worker.id


@settings(max_examples=20, deadline=None)
@given(representatives=st.integers(1, 30), each=st.integers(1, 6), seed=st.integers(0, 10**6))
def test_no_team_is_ever_without_an_engineer(representatives: int, each: int, seed: int) -> None:
    organisation = build(
        Random(seed), engineers=representatives * each, representatives=representatives, first_day=FIRST
    )
    for day in (FIRST + timedelta(days=shift) for shift in range(-45, 31)):
        for region in organisation.regions:
            assert organisation.engineers_of(region.id, day)


def test_somebody_begins_on_the_last_day_and_is_too_new_to_be_scored() -> None:
    organisation = build(Random(1), engineers=12, representatives=4, first_day=FIRST)
    assert [worker.since for worker in organisation.engineers if worker.since > FIRST] == [date(2026, 10, 31)]
