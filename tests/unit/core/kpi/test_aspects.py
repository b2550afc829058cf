"""The edges of each aspect that no worked example reaches."""

from __future__ import annotations

import pytest

from services.core.kpi.case import INITIAL
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import (
    AttendanceFacts,
    ComplaintFacts,
    DispatchFacts,
    Event,
    FollowupFacts,
    InspectionFacts,
    MeasureFacts,
    OtherFacts,
    SurveyFacts,
    TicketFacts,
)
from services.core.kpi.matured import pending
from services.core.kpi.quick import quick
from services.core.kpi.response import waiting
from services.core.kpi.walk import advance
from tests.unit.core.kpi.build import event, fold, ms, net

ACCEPTED = event("dispatch.accepted", "11-02 09:00", "E1", by="C1", facts=DispatchFacts(order_type="上门维修"))
DONE = event("dispatch.completed", "11-03 10:00", "E1")
LIMIT = ms("11-05 10:00")


def _why(*events: Event) -> list[str]:
    return [entry.why for entry in fold(*events).state.listed]


# Dispatch


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("dispatch.accepted", "accepted twice"),
        ("dispatch.completed", "completed while not open"),
        ("dispatch.cancelled", "cancelled while not open"),
        ("dispatch.dispatched", "dispatched while not open"),
        ("dispatch.arrived", "arrived while not open"),
        ("dispatch.rescheduled", "rescheduled while not open"),
    ],
)
def test_what_cannot_happen_to_a_completed_order_is_listed_and_changes_nothing(what: str, why: str) -> None:
    late = event(what, "11-04 09:00", "E2", by="C1")
    assert _why(ACCEPTED, DONE, late) == [why]
    assert fold(ACCEPTED, DONE, late).posted == fold(ACCEPTED, DONE).posted


def test_a_cancelled_order_stays_cancelled() -> None:
    cancelled = event("dispatch.cancelled", "11-03 09:00")
    assert _why(ACCEPTED, cancelled, event("dispatch.reopened", "11-04 09:00")) == ["reopened while not done"]
    assert _why(ACCEPTED, cancelled, event("dispatch.reported", "11-04 09:00", by="C1")) == ["reported after cancelled"]
    assert _why(ACCEPTED, event("dispatch.reopened", "11-04 09:00")) == ["reopened while not done"]


def test_a_report_needs_no_completion_and_leaves_the_order_open() -> None:
    folded = fold(ACCEPTED, event("dispatch.reported", "11-03 09:00", "E1", by="C1"))
    assert folded.state.dispatch is not None
    assert folded.state.dispatch.status == "open"
    assert net(folded, "workload.reported") == {("crm C1", "workload.reported", ms("11-03 09:00")): 1}


def test_a_visit_without_an_engineer_is_the_holders() -> None:
    assert list(net(fold(ACCEPTED, event("dispatch.arrived", "11-03 09:00")), "dispatch.visited")) == [
        ("crm E1", "dispatch.visited", ms("11-03 09:00"))
    ]


@pytest.mark.parametrize("agreed", [None, "soon", "2026-02-30", "2026-11-03", "2026-10-01", "9999-12-31"])
def test_an_agreed_day_that_takes_nothing_out_or_everything_is_no_fault(agreed: str | None) -> None:
    wish = event("dispatch.rescheduled", "11-02 10:00", "E1", facts=DispatchFacts(reason="customer", agreed=agreed))
    order = fold(ACCEPTED, wish).state.dispatch
    assert order is not None
    assert bool(order.out) == (agreed == "9999-12-31")


def test_only_the_reasons_of_the_definitions_take_days_out() -> None:
    wish = event("dispatch.rescheduled", "11-02 10:00", "E1", facts=DispatchFacts(reason="parts", agreed="2026-11-09"))
    assert fold(ACCEPTED, wish).posted == fold(ACCEPTED).posted
    generous = fold(ACCEPTED, wish, definitions=Definitions(customer_reasons=("customer", "parts")))
    assert generous.state.dispatch is not None
    assert generous.state.dispatch.limits[1] == ACCEPTED.time_ms + (7 + 6) * 86_400_000


def test_a_stale_order_completed_and_reopened_is_stale_again_for_who_held_it_when_30_days_ran_out() -> None:
    done = event("dispatch.completed", "12-10 09:00", "E2")
    again = event("dispatch.reopened", "12-11 09:00")
    folded = fold(ACCEPTED, done, again)
    limit = ACCEPTED.time_ms + 30 * 86_400_000
    assert net(folded, "dispatch.stale_30") == {
        ("crm E1", "dispatch.stale_30", limit): 1,
        ("crm E1", "dispatch.stale_30", done.time_ms): -1,
        ("crm E1", "dispatch.stale_30", again.time_ms): 1,
    }
    assert net(folded, "dispatch.crossed_30") == {("crm E1", "dispatch.crossed_30", limit): 1}
    assert ("crm E2", "dispatch.overdue_30", again.time_ms) in net(folded, "dispatch.overdue_30")


def test_an_order_is_pending_until_day_7_is_over_and_its_days_out_do_not_count() -> None:
    definitions = Definitions()
    wish = event("dispatch.rescheduled", "11-03 10:00", facts=DispatchFacts(reason="customer", agreed="2026-11-06"))
    state = fold(ACCEPTED, wish).state
    found = pending(state, ms("11-06 00:00"), definitions)
    assert found is not None
    assert (found.engineer, found.order_type, found.k) == ("crm E1", "上门维修", 3)
    last = pending(state, ms("11-10 23:59:59.999"), definitions)
    assert last is not None
    assert last.k == 7
    assert pending(state, ms("11-11 00:00"), definitions) is None
    assert pending(fold(ACCEPTED, DONE).state, ms("11-04 00:00"), definitions) is None


# Follow-ups


def _followups(*events: Event) -> dict[tuple[str, str, int], int]:
    return net(fold(ACCEPTED, DONE, *events), "followup.")


def _call(at: str, *, target: str | None = None, satisfied: bool | None = None) -> Event:
    return event("followup.done", at, by="C9", facts=FollowupFacts(target=target, satisfied=satisfied))


def test_a_follow_up_is_due_from_its_limit_on_by_whoever_accepted() -> None:
    assert _followups() == {("crm C1", "followup.due", LIMIT): 1}
    assert fold(ACCEPTED, DONE).posted["crm C1", "followup.due", "", LIMIT, LIMIT, 1] == 1


def test_a_late_follow_up_stays_in_the_period_of_its_limit() -> None:
    late = _call("12-01 09:00", satisfied=True)
    assert _followups(late) == {
        ("crm C1", "followup.due", LIMIT): 1,
        ("crm C1", "followup.reached", LIMIT): 1,
        ("crm C1", "followup.satisfied", LIMIT): 1,
    }
    assert fold(ACCEPTED, DONE, late).posted["crm C1", "followup.reached", "", late.time_ms, LIMIT, 1] == 1


def test_a_reopen_up_to_the_limit_takes_the_obligation_back_and_after_it_leaves_it_missed() -> None:
    assert _followups(event("dispatch.reopened", "11-05 10:00")) == {}
    missed = _followups(event("dispatch.reopened", "11-05 10:00:00.001"))
    assert missed == {("crm C1", "followup.due", LIMIT): 1}
    again = event("dispatch.completed", "11-08 10:00", "E1")
    both = _followups(event("dispatch.reopened", "11-06 10:00"), again, _call("11-09 10:00"))
    assert sum(n for (_, measure, _), n in both.items() if measure == "followup.due") == 2
    assert sum(n for (_, measure, _), n in both.items() if measure == "followup.reached") == 1


def test_an_attempt_or_a_call_to_the_dealer_meets_nothing_and_a_second_call_adds_nothing() -> None:
    attempt = event("followup.attempted", "11-04 09:00", by="C1")
    assert _followups(attempt, _call("11-04 10:00", target="dealer")) == _followups()
    once = _followups(_call("11-04 10:00"))
    assert _followups(_call("11-04 10:00"), _call("11-04 11:00", satisfied=True)) == once


# Tickets

OPENED = event("ticket.opened", "11-02 09:00", facts=TicketFacts(queue="Q1"))
ASSIGNED = event("ticket.assigned", "11-02 09:10", "E1", by="C1")


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ((ASSIGNED,), "before opened"),
        ((OPENED, event("ticket.opened", "11-02 10:00")), "opened twice"),
        ((OPENED, event("ticket.reopened", "11-02 10:00")), "reopened while open"),
        ((OPENED, ASSIGNED, event("ticket.closed", "11-02 10:00"), event("ticket.closed", "11-02 11:00")), "closed twice"),
        ((OPENED, ASSIGNED, event("ticket.closed", "11-02 10:00"), event("ticket.resolved", "11-02 11:00")), "resolved while not open"),
        ((OPENED, event("ticket.closed", "11-02 09:05"), ASSIGNED), "assigned after closing"),
        ((OPENED, event("ticket.closed", "11-02 09:05"), event("ticket.accepted", "11-02 10:00", "E1")), "accepted while not open"),
    ],
)  # fmt: skip
def test_what_cannot_happen_to_a_ticket_is_listed(events: tuple[Event, ...], why: str) -> None:
    assert _why(*events) == [why]


def test_an_intake_that_never_was_stays_where_the_ticket_first_ended_until_somebody_is_assigned() -> None:
    history = [OPENED, event("ticket.resolved", "11-02 10:00"), event("ticket.reopened", "11-03 10:00")]
    history.append(event("ticket.closed", "11-04 10:00"))
    assert net(fold(*history), "ticket.intake") == {("", "ticket.intake", ms("11-02 10:00")): 1}
    late = event("ticket.assigned", "11-05 10:00", "E1")
    assert net(fold(*history, late), "ticket.intake") == {("crm E1", "ticket.intake", late.time_ms): 1}


def test_sent_back_to_the_queue_nobody_waits_for_the_engineer_any_more() -> None:
    back = event("ticket.assigned", "11-02 09:30")
    folded = fold(OPENED, ASSIGNED, back)
    clock = waiting(folded.state, ms("11-02 10:00"))
    assert clock is not None
    assert (clock.engineer, clock.customer_ms, clock.engineer_ms) == ("", 3_600_000, None)
    assert net(folded, "ticket.owned") == {("crm E1", "ticket.owned", OPENED.time_ms): 1}
    assert waiting(fold(OPENED, ASSIGNED, event("ticket.resolved", "11-02 09:30")).state, ms("11-02 10:00")) is None


def test_an_answer_by_somebody_else_answers_the_customer_and_not_for_the_holder() -> None:
    folded = fold(OPENED, ASSIGNED, event("ticket.replied", "11-02 09:20", "E2"))
    assert [key[:2] for key in net(folded, "ticket.first_response")] == [("crm E2", "ticket.first_response")]
    assert net(folded, "ticket.engineer_response") == {}
    clock = waiting(folded.state, ms("11-02 09:40"))
    assert clock is not None
    assert (clock.customer_ms, clock.engineer_ms) == (None, 1_800_000)


def test_taking_a_ticket_in_is_work_once_for_whoever_did_it() -> None:
    clerk = event("ticket.opened", "11-02 09:00", by="C1")
    assert list(net(fold(clerk, ASSIGNED), "workload.")) == [("crm C1", "workload.accepted", clerk.time_ms)]
    taken = event("ticket.accepted", "11-02 09:05", by="C2")
    assert list(net(fold(OPENED, taken, ASSIGNED), "workload.")) == [("crm C2", "workload.accepted", taken.time_ms)]


# Workload


def test_an_act_counts_once_for_each_person_and_month() -> None:
    calls = [
        event("dispatch.dispatched", "11-02 10:00", "E2", by="C1"),
        event("dispatch.dispatched", "11-03 10:00", "E3", by="C1"),
        event("dispatch.dispatched", "11-04 10:00", "E2", by="C2"),
        event("dispatch.dispatched", "12-01 00:00", "E3", by="C1"),
    ]
    assert list(net(fold(ACCEPTED, *calls), "workload.dispatched")) == [
        ("crm C1", "workload.dispatched", calls[0].time_ms),
        ("crm C2", "workload.dispatched", calls[2].time_ms),
        ("crm C1", "workload.dispatched", calls[3].time_ms),
    ]


# Surveys


def _answer(at: str, facts: SurveyFacts, engineer: str | None = None) -> Event:
    return event("survey.answered", at, engineer, facts=facts)


def test_an_invalid_answer_does_not_replace_a_valid_one_and_each_survey_counts() -> None:
    good = _answer("11-03 11:00", SurveyFacts(survey="A", label="满意"))
    bad = _answer("11-03 12:00", SurveyFacts(survey="A", label="不满意", valid=False))
    other = _answer("11-03 13:00", SurveyFacts(survey="B", label="不满意"))
    assert net(fold(ACCEPTED, DONE, good, bad, other), "survey.") == {
        ("crm E1", "survey.answered", good.time_ms): 1,
        ("crm E1", "survey.satisfied", good.time_ms): 1,
        ("crm E1", "survey.answered", other.time_ms): 1,
    }


def test_without_a_completion_the_event_says_who_was_rated() -> None:
    named = _answer("11-03 11:00", SurveyFacts(scale="0-10", score=9), "E7")
    nobody = _answer("11-03 11:00", SurveyFacts(scale="0-10", score=9))
    for history, engineer in (((named,), "crm E7"), ((nobody,), ""), ((ACCEPTED, named), "crm E7")):
        assert [key[0] for key in net(fold(*history), "survey.answered")] == [engineer]


@pytest.mark.parametrize(
    ("facts", "satisfied"),
    [
        (SurveyFacts(scale="1-5", score=4), True),
        (SurveyFacts(scale="1-5", score="4.0"), True),
        (SurveyFacts(scale="1-5", score=3.5), False),
        (SurveyFacts(scale="0-10", score=5), False),
        (SurveyFacts(score=5), False),
        (SurveyFacts(label="满意"), True),
        (SurveyFacts(label="一般"), False),
        (SurveyFacts(), False),
    ],
)
def test_satisfied_is_a_declared_label_or_score(facts: SurveyFacts, satisfied: bool) -> None:
    assert bool(net(fold(_answer("11-03 11:00", facts)), "survey.satisfied")) == satisfied


def test_an_answer_repeated_in_the_same_instant_posts_nothing_new() -> None:
    first, second = (_answer("11-03 11:00", SurveyFacts(label="满意")) for _ in range(2))
    step = advance(fold(first).state, second, Definitions())
    assert step is not None
    assert step.contributions == []


# Complaints, findings, attendance, measures


def test_each_complaint_of_a_unit_is_pending_and_judged_by_itself() -> None:
    one = event("complaint.registered", "11-03 09:00", facts=ComplaintFacts(complaint="1", complaint_class="general"))
    two = event("complaint.registered", "11-03 10:00", facts=ComplaintFacts(complaint="2"))
    judged = event("complaint.judged", "11-04 09:00", facts=ComplaintFacts(complaint="1", upheld=True, person="E5"))
    folded = fold(one, two, judged)
    assert folded.posted["crm E5", "complaint.upheld", "general", judged.time_ms, judged.time_ms, 1] == 1
    assert sum(net(folded, "complaint.pending").values()) == 1
    again = event("complaint.registered", "11-05 09:00", facts=ComplaintFacts(complaint="1"))
    assert _why(one, two, judged, again) == ["registered after judgement"]
    assert _why(one, again) == ["registered twice"]


def test_a_judgement_repeated_in_the_same_instant_posts_nothing_new() -> None:
    facts = ComplaintFacts(upheld=True, person="E1")
    first, second = (event("complaint.judged", "11-03 11:00", facts=facts) for _ in range(2))
    step = advance(fold(first).state, second, Definitions())
    assert step is not None
    assert step.contributions == []


def test_a_judgement_that_no_longer_upholds_takes_the_complaint_back() -> None:
    upheld = event("complaint.judged", "11-04 09:00", "E1", facts=ComplaintFacts(upheld=True))
    cleared = event("complaint.judged", "12-04 09:00", facts=ComplaintFacts(upheld=False))
    assert list(net(fold(upheld), "complaint.upheld")) == [("crm E1", "complaint.upheld", upheld.time_ms)]
    assert net(fold(upheld, cleared), "complaint.upheld") == {}


def test_findings_count_as_many_as_were_found_and_need_a_kind() -> None:
    found = event("inspection.found", "11-04 09:00", "E1", by="C1", facts=InspectionFacts(kind="five_s", count=3))
    assert net(fold(found), "finding.") == {("crm E1", "finding.five_s", found.time_ms): 3}
    unsigned = event("inspection.found", "11-04 09:00", "E1", facts=InspectionFacts(kind="engineer_problem"))
    assert list(net(fold(unsigned), "finding.")) == [("", "finding.engineer_problem", unsigned.time_ms)]
    assert _why(event("inspection.found", "11-04 09:00", "E1")) == ["found without kind"]
    assert fold(event("inspection.found", "11-04 09:00", facts=InspectionFacts(kind="x", count=0))).posted == {}


def test_attendance_is_the_persons_on_the_last_instant_of_its_last_day() -> None:
    row = event(
        "attendance.recorded",
        "11-30 18:00",
        facts=AttendanceFacts(from_day="2026-11-01", to_day="2026-11-30", days="17.5", leave="1"),
    )
    end = ms("12-01 00:00") - 1
    assert fold(row).posted == {
        ("crm U-1", "attendance.present", "", row.time_ms, end, 17_500_000): 1,
        ("crm U-1", "attendance.leave", "", row.time_ms, end, 1_000_000): 1,
    }
    assert _why(event("attendance.recorded", "11-30 18:00")) == ["recorded without a day"]
    absent = AttendanceFacts(to_day="2026-11-30", days="1", kind="absent")
    assert fold(event("attendance.recorded", "11-30 18:00", facts=absent)).posted == {}


def test_a_later_figure_of_the_same_unit_measure_and_month_replaces_the_earlier_one() -> None:
    first = event("measure.recorded", "12-01 09:00", facts=MeasureFacts(measure="m", month="2026-11", value="1.5"))
    second = event(
        "measure.recorded", "12-02 09:00", source="hq", facts=MeasureFacts(measure="m", month="2026-11", value="2")
    )
    other = event("measure.recorded", "12-02 09:00", facts=MeasureFacts(measure="m", month="2026-10", value="3"))
    end = ms("12-01 00:00") - 1
    assert net(fold(first, second, other), "measure.m.value") == {
        ("hq U-1", "measure.m.value", end): 1,
        ("crm U-1", "measure.m.value", ms("11-01 00:00") - 1): 1,
    }
    assert _why(event("measure.recorded", "12-01 09:00", facts=MeasureFacts(measure="m"))) == [
        "recorded without measure and month"
    ]


# All


def test_families_and_verbs_that_this_release_does_not_know_take_their_place_and_do_nothing() -> None:
    unknown = [
        Event("crm", "1", "rating", "given", "U-1", ms("11-03 09:00"), None, "E1", None, OtherFacts()),
        event("dispatch.parts_ordered", "11-03 09:00", "E2"),
        event("ticket.paused", "11-03 09:00", "E2"),
        event("call.offered", "11-03 09:00"),
    ]
    folded = fold(ACCEPTED, *unknown)
    assert folded.posted == fold(ACCEPTED).posted
    assert folded.state.listed == ()
    assert folded.state.last == max(one.order() for one in unknown)


def test_facts_of_another_family_are_no_fault() -> None:
    for family in (
        "dispatch",
        "ticket",
        "followup",
        "survey",
        "complaint",
        "inspection",
        "attendance",
        "measure",
        "event",
    ):
        verb = {"dispatch": "accepted", "ticket": "opened", "event": "withdrawn"}.get(family, "recorded")
        odd = Event("crm", "1", family, verb, "U-1", 0, None, None, None, OtherFacts())
        assert fold(odd).posted == {}


def test_nothing_happened_to_an_empty_case() -> None:
    assert fold().state == INITIAL
    assert fold().posted == {}


def test_a_quick_constructor_is_refused_where_it_would_skip_something() -> None:
    with pytest.raises(TypeError, match="__post_init__"):
        quick(Definitions)
