"""A simulated month: the same seed gives the same bytes, every event follows the contract, disturbances do what they say."""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import interpret
from services.simulator.disturbances import Rates
from services.simulator.month import Month, Plan, previous_month, simulate
from services.simulator.occurrence import Event


def bytes_of(month: Month) -> bytes:
    return b"\n".join(orjson.dumps(arrival.event) for arrival in month.arrivals)


def identity(event: Event) -> tuple[str, str]:
    return event["source"], event["id"]


def time_of(event: Event) -> datetime:
    return datetime.fromisoformat(event["time"])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(small: Month) -> None:
    assert bytes_of(simulate(small.plan)) == bytes_of(small)
    assert simulate(small.plan).organisation.roster_csv() == small.organisation.roster_csv()
    assert bytes_of(simulate(replace(small.plan, seed=12))) != bytes_of(small)


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 10**9),
    month=st.sampled_from(["2024-02", "2026-01", "2026-10", "2026-12"]),
    engineers=st.integers(2, 12),
    conflicts=st.sampled_from([0.0, 0.05]),
)
def test_every_event_follows_the_contract(seed: int, month: str, engineers: int, conflicts: float) -> None:
    rates = replace(Rates(), unknown_engineers=0.1, amended=0.05, withdrawn=0.05, conflicts=conflicts)
    made = simulate(Plan(month, seed=seed, engineers=engineers, representatives=2, scale=0.3, rates=rates))
    for arrival in made.arrivals:
        attributes = dict(arrival.event)
        data = attributes.pop("data")
        decoded = interpret(attributes, data)
        assert decoded.partitionkey == arrival.event["subject"]


def test_the_default_month_has_the_size_of_a_real_branch_s() -> None:
    month = simulate(Plan("2026-10"))
    assert 15_000 <= len(month.arrivals) <= 25_000
    assert len(month.organisation.engineers) == 60
    assert len(month.organisation.representatives) == 8


def test_every_family_of_the_house_is_there(small: Month) -> None:
    families = {event["type"].split(".")[1] for event in small.truth}
    assert families >= {"ticket", "dispatch", "followup", "survey", "complaint", "inspection", "attendance", "measure"}


def test_events_arrive_in_order_of_arrival_and_not_before_they_happen(small: Month) -> None:
    arrivals = [arrival.at for arrival in small.arrivals]
    assert arrivals == sorted(arrivals)
    for arrival in small.arrivals:
        assert arrival.at >= min(time_of(arrival.event), small.plan.last)


def test_duplicates_repeat_an_event_to_the_byte(small: Month) -> None:
    copies = defaultdict(list)
    for arrival in small.arrivals:
        copies[identity(arrival.event)].append(orjson.dumps(arrival.event))
    assert any(len(found) > 1 for found in copies.values())
    assert all(len(set(found)) == 1 for found in copies.values())
    assert len(copies) == small.identities


def test_conflicts_come_only_when_asked_for() -> None:
    plan = Plan("2026-10", engineers=8, representatives=4, rates=replace(Rates(), conflicts=0.1))
    contents = defaultdict(set)
    for arrival in simulate(plan).arrivals:
        contents[identity(arrival.event)].add(orjson.dumps(arrival.event))
    assert any(len(found) > 1 for found in contents.values())


def test_a_clean_stream_is_the_truth_in_order(small: Month) -> None:
    clean = simulate(replace(small.plan, rates=replace(Rates.none(), unknown_engineers=0.0)))
    assert [arrival.event for arrival in clean.arrivals] != []
    assert sorted(map(identity, clean.truth)) == sorted(identity(arrival.event) for arrival in clean.arrivals)


def test_some_events_are_late_some_out_of_order(small: Month) -> None:
    delays = [
        arrival.at - time_of(arrival.event) for arrival in small.arrivals if time_of(arrival.event) > small.plan.start
    ]
    assert sum(delay > timedelta(hours=1) for delay in delays) > 0.01 * len(delays)
    times = [time_of(arrival.event) for arrival in small.arrivals]
    assert sum(later < earlier for earlier, later in pairwise(times)) > 0.02 * len(times)


def test_corrections_name_an_event_of_their_source_that_is_in_the_stream(small: Month) -> None:
    sent = {identity(arrival.event) for arrival in small.arrivals}
    corrections = [arrival.event for arrival in small.arrivals if arrival.event["type"].startswith("kaohe.event.")]
    assert {event["type"] for event in corrections} == {"kaohe.event.amended.v1", "kaohe.event.withdrawn.v1"}
    for event in corrections:
        assert (event["source"], event["data"]["target"]) in sent


def test_unknown_engineers_are_in_no_roster() -> None:
    plan = Plan("2026-10", engineers=16, representatives=8, rates=replace(Rates(), unknown_engineers=0.2))
    month = simulate(plan)
    roster = month.organisation.roster_csv()
    named = {event["data"].get("engineer") for event in month.truth if event["source"] == "crm"} - {None}
    strangers = {name for name in named if f",{name}," not in roster}
    assert strangers
    assert all(name.startswith("TMP") for name in strangers)


def test_a_run_that_stops_early_is_the_beginning_of_the_run_that_does_not(small: Month) -> None:
    """So that a month can be simulated up to today, and again tomorrow, without contradicting itself."""
    noon = small.plan.start + timedelta(days=17, hours=12)
    until_noon = simulate(replace(small.plan, until=noon))
    whole = {identity(arrival.event): arrival.event for arrival in small.arrivals}
    assert 0 < len(until_noon.arrivals) < len(small.arrivals)
    for arrival in until_noon.arrivals:
        assert time_of(arrival.event) < noon
        assert arrival.at <= noon
        assert whole[identity(arrival.event)] == arrival.event


def test_runs_with_other_options_share_no_identity(small: Month) -> None:
    other = simulate(replace(small.plan, scale=0.5))
    mine = {identity(arrival.event) for arrival in small.arrivals}
    units = {arrival.event["subject"] for arrival in small.arrivals if arrival.event["subject"].startswith("PG")}
    assert mine.isdisjoint(identity(arrival.event) for arrival in other.arrivals)
    assert units.isdisjoint(arrival.event["subject"] for arrival in other.arrivals)


def test_orders_are_carried_over_into_the_month(small: Month) -> None:
    early = [
        event
        for event in small.truth
        if event["type"] == "kaohe.dispatch.accepted.v1" and time_of(event) < small.plan.start
    ]
    assert len(early) >= len(small.organisation.regions)


def test_headquarters_measures_every_region_and_attendance_covers_everybody(small: Month) -> None:
    measured = {event["subject"] for event in small.truth if event["data"].get("measure") == "hq_satisfaction"}
    assert measured == {region.id for region in small.organisation.regions}
    everybody = {worker.id for worker in (*small.organisation.engineers, *small.organisation.representatives)}
    attended: Counter[str] = Counter()
    for event in small.truth:
        if event["type"] == "kaohe.attendance.recorded.v1":
            attended[event["subject"]] += 1
    assert set(attended) == everybody


def test_scale_scales() -> None:
    volume = [
        len(simulate(Plan("2026-10", engineers=16, representatives=4, scale=scale)).truth) for scale in (0.5, 2.0)
    ]
    assert 2.5 < volume[1] / volume[0] < 5


@pytest.mark.parametrize(
    ("engineers", "representatives", "scale"), [(0, 0, 1.0), (3, 4, 1.0), (4, 4, 0.0), (4, 4, -1.0)]
)
def test_an_impossible_organisation_is_refused(engineers: int, representatives: int, scale: float) -> None:
    with pytest.raises(ValueError, match=r"organisation|scale"):
        simulate(Plan("2026-10", engineers=engineers, representatives=representatives, scale=scale))


def test_the_month_keeps_to_its_zone() -> None:
    plan = Plan("2026-03", engineers=4, representatives=2, zone=ZoneInfo("Europe/Berlin"), rates=Rates.none())
    offsets = {event["time"][-6:] for event in simulate(plan).truth if time_of(event) >= plan.start}
    assert offsets == {"+01:00", "+02:00"}


def test_the_month_before_a_day() -> None:
    assert previous_month(datetime(2026, 11, 22, tzinfo=ZoneInfo("UTC")).date()) == "2026-10"
    assert previous_month(datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")).date()) == "2025-12"
