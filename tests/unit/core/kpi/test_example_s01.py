"""The month worked by hand in the design (examples/s01), to the digit, as far as the core computes it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from services.core.kpi.contribution import PostingKey
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event
from services.core.kpi.indicators import INDICATORS, figure
from services.core.kpi.localday import day_of, local_days
from services.core.kpi.reading import Total, flow, settled_stock, stock
from tests.examples.loader import S01_EVENTS, S01_EXPECTED, event_of, events, milliseconds, rows_as_cloudevents
from tests.unit.core.kpi.figures import World

START, END = "2026-10-01T00:00:00+08:00", "2026-11-01T00:00:00+08:00"
START_MS, END_MS = milliseconds(START), milliseconds(END)
VIEWS = ("settled", "provisional")
ZONE = local_days("Asia/Shanghai")
EXPECTED: dict[str, Any] = json.loads(S01_EXPECTED.read_text(encoding="utf-8"))


def _shuffled(seed: int) -> list[Event]:
    rows = [event_of(document) for document in rows_as_cloudevents(S01_EVENTS)]
    rows += rows[::3]
    random.Random(seed).shuffle(rows)
    return rows


ARRIVALS: dict[str, Callable[[], list[Event]]] = {
    "as listed": lambda: events(S01_EVENTS),
    "backwards": lambda: events(S01_EVENTS)[::-1],
    "shuffled with repetitions, seed 1": lambda: _shuffled(1),
    "shuffled with repetitions, seed 2": lambda: _shuffled(2),
}


@pytest.fixture(scope="module", params=list(ARRIVALS))
def world(request: pytest.FixtureRequest) -> World:
    return World.of(ARRIVALS[request.param]())


def _before(view: str) -> int | None:
    return END_MS if view == "provisional" else None


def _id(engineer: str) -> str:
    return engineer.partition(" ")[2]


def _bucket(measure: str) -> str | None:
    family, _, name = measure.rpartition(".")
    if measure == "dispatch.stale_30":
        return "open30"
    return name.replace("day_", "d") if family == "dispatch.completed" else None


def _scored(net: list[tuple[PostingKey, int]], view: str) -> list[tuple[str, str, int]]:
    """(bucket, engineer credited, book day) of each item that scores in the period."""
    day_end = ZONE.day(END_MS) - 1
    found = []
    for (engineer, measure, _dim, at, book, _value), n in net:
        bucket = _bucket(measure)
        if bucket is None or (view == "provisional" and at >= END_MS):
            continue
        if bucket == "open30":
            if book < END_MS:
                found.append((bucket, _id(engineer), day_end, n))
        elif START_MS <= book < END_MS:
            found.append((bucket, _id(engineer), ZONE.day(book), n))
    sums: dict[tuple[str, str, int], int] = {}
    for *key, n in found:
        sums[tuple(key)] = sums.get(tuple(key), 0) + n  # type: ignore[index,arg-type]
    return [key for key, n in sums.items() for _ in range(n)]


@pytest.mark.parametrize("view", VIEWS)
def test_every_order_scores_in_its_bucket_for_its_engineer_on_its_book_day(world: World, view: str) -> None:
    scored = {
        case: _scored(list(folded.posted.items()), view)
        for case, folded in world.cases.items()
        if _scored(list(folded.posted.items()), view)
    }
    expected = {
        order["unit"]: [(order["bucket"], order["credited"], day_of(order["book"]))]
        for order in EXPECTED[view]["orders"]
    }
    assert scored == expected


def test_day_k_limit_and_completer_are_those_worked_by_hand(world: World) -> None:
    for order in EXPECTED["settled"]["orders"]:
        state = world.cases[order["unit"]].state.dispatch
        assert state is not None
        assert state.accepted_ms == milliseconds(order["accepted"])
        assert state.order_type == order["type"]
        if order["bucket"] == "open30":
            assert state.limits[2] == milliseconds(order["limit"])
            continue
        assert state.completed is not None
        assert state.completed[0] == milliseconds(order["completed"])
        assert _id(state.completer) == order["completer"]
        if order["limit"] is not None:
            assert state.limits[0] == milliseconds(order["limit"])
            assert order["k"] > 7
        else:
            assert state.completed[1] == order["k"]


def test_what_is_impossible_or_has_no_target_is_listed_and_nothing_else(world: World) -> None:
    listed = EXPECTED["settled"]["listed"]
    entries = [entry for folded in world.cases.values() for entry in folded.state.impossible]
    assert sorted((e.unit, e.verb, e.source, e.id, e.why) for e in entries) == sorted(
        (e["unit"], e["verb"], e["source"], e["id"], e["why"]) for e in listed["impossible"]
    )
    corrections = [entry for folded in world.cases.values() for entry in folded.state.corrections]
    assert [(e.source, e.id, e.target, e.why) for e in corrections] == [
        (e["source"], e["id"], e["target"], "correction target unknown") for e in listed["correction_target_unknown"]
    ]


def test_a_cancelled_order_is_counted_apart(world: World) -> None:
    [cancelled] = EXPECTED["settled"]["listed"]["cancelled"]
    totals = flow(world.net, START_MS, END_MS)
    key = f"crm {cancelled['engineer']}"
    assert totals[key, "dispatch.cancelled", ""].n == 1
    assert totals[key, "dispatch.cancelled_after_day_7", ""].n == 1
    assert sum(total.n for (_, measure, _), total in totals.items() if measure == "dispatch.cancelled") == 1


def test_a_complaint_is_pending_until_it_is_judged(world: World) -> None:
    pending = EXPECTED["settled"]["listed"]["complaints_pending_at_period_end"]
    at_end = stock(world.net, END_MS)
    assert sum(total.n for (_, measure, _), total in at_end.items() if measure == "complaint.pending") == len(pending)


@pytest.mark.parametrize("at", list(EXPECTED["gauges"]))
def test_gauges_of_every_engineer(world: World, at: str) -> None:
    gauge = EXPECTED["gauges"][at]
    totals = stock(world.net, milliseconds(gauge["at"]))
    for engineer, expected in gauge["engineers"].items():
        held = {
            name: totals.get((f"crm {engineer}", f"dispatch.{name}", ""), Total()).n
            for name in ("open", "overdue_7", "overdue_30")
        }
        assert held == {name: expected[name] for name in held}, engineer
        by_measure = {f"dispatch.{name}": Total(n, n) for name, n in held.items()}
        for rate in ("overdue_7_rate", "overdue_30_rate"):
            value = figure(INDICATORS[f"dispatch.{rate}"], by_measure).value
            want = expected[rate]
            assert value == (None if want is None else Fraction(want["fraction"])), (engineer, rate)


@pytest.mark.parametrize("at", list(EXPECTED["gauges"]))
def test_the_orders_behind_a_gauge_have_the_holder_and_the_age_worked_by_hand(at: str) -> None:
    gauge = EXPECTED["gauges"][at]
    at_ms = milliseconds(gauge["at"])
    past = World.of(event for event in events(S01_EVENTS) if event.time_ms < at_ms)
    found = {}
    for case, folded in past.cases.items():
        order = folded.state.dispatch
        if order is not None and order.status == "open":
            found[case] = (_id(order.holder), at_ms > order.limits[1], at_ms > order.limits[2])
    assert found == {o["unit"]: (o["holder"], o["overdue7"], o["overdue30"]) for o in gauge["orders"]}


@pytest.mark.parametrize("view", VIEWS)
def test_workload_counts_distinct_orders_by_who_did_the_work(world: World, view: str) -> None:
    totals = flow(world.net, START_MS, END_MS, _before(view))
    for person, expected in EXPECTED[view]["S01"]["persons"].items():
        acts = ("accepted", "dispatched", "reported", "followed_up")
        counted = {act: totals.get((f"crm {person}", f"workload.{act}", ""), Total()).n for act in acts}
        assert counted == {act: expected["workload"][act] for act in acts}, person


@pytest.mark.parametrize("view", VIEWS)
def test_visits_and_own_surveys_of_every_engineer(world: World, view: str) -> None:
    totals = flow(world.net, START_MS, END_MS, _before(view))
    for engineer, expected in EXPECTED[view]["S02"]["persons"].items():
        mine = dict.fromkeys(("dispatch.visited", "survey.answered", "survey.satisfied"), 0)
        for (actor, measure, _dim), total in totals.items():
            if actor == f"crm {engineer}" and measure in mine:
                mine[measure] += total.n
        assert mine["dispatch.visited"] == expected["visits"], engineer
        answers = expected["satisfaction"]
        assert (mine["survey.satisfied"], mine["survey.answered"]) == (answers["satisfied"], answers["answered"]), (
            engineer
        )


@pytest.mark.parametrize("view", VIEWS)
def test_on_time_score_of_every_engineer(world: World, view: str) -> None:
    for engineer, expected in EXPECTED[view]["S02"]["persons"].items():
        totals = world.period(START, END, [f"crm {engineer}"], provisional=view == "provisional")
        series = figure(INDICATORS["dispatch.on_time_score"], totals)
        wanted = expected["completion_all_types"]
        assert series.denominator == wanted["due"], engineer
        assert series.value == (None if wanted["series"] is None else Fraction(wanted["series"]["fraction"])), engineer
        for k in range(1, 8):
            rate = figure(INDICATORS[f"dispatch.day_{k}_rate"], totals)
            assert (rate.numerator, rate.denominator) == (wanted[f"d{k}"], wanted["due"])


@pytest.mark.parametrize("view", VIEWS)
def test_headquarters_satisfaction_attendance_and_complaints(world: World, view: str) -> None:
    totals = flow(world.net, START_MS, END_MS, _before(view))
    million = 1_000_000
    for region, expected in EXPECTED[view]["S01"]["regions"].items():
        for part in ("numerator", "denominator"):
            total = totals[f"hq {region}", f"measure.hq_satisfaction.{part}", ""]
            assert total == Total(1, expected["satisfaction"][part] * million), region
    for person, expected in EXPECTED[view]["S01"]["persons"].items():
        days = totals.get((f"hr {person}", "attendance.present", ""), Total()).value
        assert Fraction(days, million) == Fraction(expected["attendance_days"]["fraction"]), person
    assert totals["hr KF05", "attendance.leave", ""].value == 18 * million
    upheld = {key: total.n for key, total in totals.items() if key[1] == "complaint.upheld"}
    assert upheld == {
        ("hq KF02", "complaint.upheld", "general"): 1,
        ("crm KF07", "complaint.upheld", "internal"): 1,
        ("hq KF08", "complaint.upheld", "media"): 1,
    }


def test_problems_count_for_the_representative_who_found_them_and_findings_for_the_person_at_fault(
    world: World,
) -> None:
    totals = flow(world.net, START_MS, END_MS)
    findings = {
        (key[0], key[1].removeprefix("finding."), key[2]): total.n
        for key, total in totals.items()
        if key[1].startswith("finding.")
    }
    assert findings == {
        ("crm KF01", "engineer_problem", "attitude"): 1,
        ("crm KF02", "engineer_problem", "attitude"): 1,
        ("crm KF03", "engineer_problem", "misdiagnosis"): 1,
        ("crm KF06", "engineer_problem", "missed_appointment"): 1,
        ("crm KF07", "engineer_problem", "attitude"): 1,
        ("hq KF01", "registered_after_visit", ""): 1,
        ("hq GC04", "false_completion", ""): 1,
    }


def test_a_withdrawal_after_the_period_leaves_its_gauge_and_restates_its_score(world: World) -> None:
    """PG-15 stood completed on 31 October: not open in the gauge at the end, but open in the settled state of that day (open points 4)."""
    net = list(world.cases["PG-15"].posted.items())
    assert stock(net, END_MS).get(("crm GC04", "dispatch.open", "")) is None
    assert settled_stock(net, END_MS)["crm GC04", "dispatch.open", ""].n == 1


def test_the_month_is_the_same_with_definitions_spelled_out() -> None:
    definitions = Definitions(zone="Asia/Shanghai", version=7)
    assert World.of(events(S01_EVENTS), definitions).net == World.of(events(S01_EVENTS)).net
