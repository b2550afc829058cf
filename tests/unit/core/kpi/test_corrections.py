"""Amendments and withdrawals: what they change, when, and what has no effect and is listed."""

from __future__ import annotations

import pytest

from services.core.kpi.corrections import change, effective
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import (
    AttendanceFacts,
    ComplaintFacts,
    CorrectionFacts,
    DispatchFacts,
    Event,
    MeasureFacts,
    Scalar,
    SurveyFacts,
    TicketFacts,
)
from services.core.kpi.walk import advance
from tests.unit.core.kpi.build import amended, event, fold, ms, net, withdrawn

ACCEPTED = event("dispatch.accepted", "11-02 09:00", "E1")
DONE = event("dispatch.completed", "11-04 10:00", "E1")


def _why(*events: Event) -> list[str]:
    return [entry.why for entry in fold(*events).state.corrections]


def _done(*events: Event) -> dict[tuple[str, str, int], int]:
    return net(fold(ACCEPTED, DONE, *events), "dispatch.completed")


def test_amendments_apply_in_the_order_of_their_own_time_source_and_id_whatever_their_sequence() -> None:
    first = amended(DONE, "11-09 09:00", engineer="E2", id_="b")
    second = amended(DONE, "11-09 09:00", engineer="E3", id_="c")
    assert list(_done(second, first)) == [("crm E3", "dispatch.completed.day_3", DONE.time_ms)]
    third = amended(DONE, "11-10 09:00", engineer="E1", id_="a")
    assert list(_done(third, second, first)) == [("crm E1", "dispatch.completed.day_3", DONE.time_ms)]


def test_an_amended_time_moves_the_event_and_counts_from_the_amendment_on() -> None:
    folded = fold(ACCEPTED, DONE, amended(DONE, "11-10 09:00", time="2026-11-03T10:00:00+08:00"))
    assert folded.posted["crm E1", "dispatch.completed.day_3", "", DONE.time_ms, DONE.time_ms, 1] == 1
    at = ms("11-10 09:00")
    assert folded.posted["crm E1", "dispatch.completed.day_3", "", at, DONE.time_ms, 1] == -1
    assert folded.posted["crm E1", "dispatch.completed.day_2", "", at, ms("11-03 10:00"), 1] == 1


def test_a_withdrawal_beats_every_amendment_before_and_after_it() -> None:
    for at in ("11-05 09:00", "11-07 09:00"):
        assert _done(amended(DONE, at, engineer="E2"), withdrawn(DONE, "11-06 09:00")) == {}


def test_a_withdrawn_amendment_or_withdrawal_has_no_effect() -> None:
    amendment, withdrawal = amended(DONE, "11-05 09:00", engineer="E2"), withdrawn(DONE, "11-05 09:00")
    plain = _done()
    assert _done(amendment, withdrawn(amendment, "11-06 09:00")) == plain
    again = withdrawn(withdrawal, "11-06 09:00")
    assert _done(withdrawal, again) == plain
    assert _done(withdrawal, again, withdrawn(again, "11-07 09:00")) == {}


def test_a_long_chain_of_withdrawals_is_decided_without_recursion() -> None:
    chain = [withdrawn(DONE, "11-05 09:00")]
    for _ in range(3000):
        chain.append(withdrawn(chain[-1], "11-05 09:00"))
    assert len(effective([DONE, *chain]).events) == 0
    assert len(effective([DONE, *chain, withdrawn(chain[-1], "11-06 09:00")]).events) == 1


def test_a_correction_before_its_target_in_time_corrects_it_all_the_same() -> None:
    early = withdrawn(DONE, "11-03 09:00")
    assert _done(early) == {}
    assert fold(ACCEPTED, early).state.corrections[0].why == "correction target unknown"
    assert fold(ACCEPTED, early, DONE).state.corrections == ()


def test_what_cannot_be_corrected_is_listed_with_its_target() -> None:
    amendment = amended(DONE, "11-05 09:00", engineer="E2")
    assert _why(ACCEPTED, DONE, amendment, amended(amendment, "11-06 09:00", engineer="E3")) == [
        "amendment of a correction"
    ]
    [entry] = fold(ACCEPTED, withdrawn("nobody", "11-06 09:00")).state.listed
    assert (entry.why, entry.target, entry.unit) == ("correction target unknown", "nobody", "U-1")
    itself = event("event.withdrawn", "11-05 09:00", id_="self", facts=CorrectionFacts("self"))
    assert _why(ACCEPTED, itself) == ["correction of itself"]


def test_a_cycle_of_withdrawals_has_no_effect_and_is_listed() -> None:
    one = event("event.withdrawn", "11-05 09:00", id_="one", facts=CorrectionFacts("two"))
    two = event("event.withdrawn", "11-05 10:00", id_="two", facts=CorrectionFacts("one"))
    outside = event("event.withdrawn", "11-05 11:00", id_="three", facts=CorrectionFacts("one"))
    assert _why(ACCEPTED, DONE, one, two) == ["correction cycle"] * 2
    assert _why(ACCEPTED, DONE, one, two, outside) == ["correction cycle"] * 2


def test_a_correction_reaches_its_own_source_only_unless_the_system_made_it() -> None:
    assert _done(withdrawn(DONE, "11-05 09:00", source="hq")) == _done()
    assert _done(withdrawn(DONE, "11-05 09:00", source="hq", target_source="crm")) == _done()
    assert _done(withdrawn(DONE, "11-05 09:00", source="kaohe", target_source="crm")) == {}


def test_an_unreadable_change_is_listed_and_the_others_of_the_amendment_apply() -> None:
    amendment = amended(DONE, "11-05 09:00", time="yesterday", engineer="E2", colour="red")
    assert list(_done(amendment)) == [("crm E2", "dispatch.completed.day_3", DONE.time_ms)]
    assert _why(ACCEPTED, DONE, amendment) == ["unreadable change of time"]


def test_null_takes_a_field_back() -> None:
    typed = event("dispatch.accepted", "11-02 09:00", "E1", facts=DispatchFacts(order_type="上门维修"))
    changed = change(typed, "order_type", None)
    assert changed is not None
    assert changed.facts == DispatchFacts()
    assert change(event("ticket.replied", "11-02 09:00", facts=TicketFacts(public=False)), "public", None) is not None
    assert change(typed, "engineer", None) is not None


@pytest.mark.parametrize(
    ("facts", "name", "value", "kept"),
    [
        (AttendanceFacts(), "days", 0.5, "0.5"),
        (AttendanceFacts(), "days", "1e3", None),
        (AttendanceFacts(), "to_day", "2026-02-30", None),
        (MeasureFacts(), "numerator", 91, "91"),
        (MeasureFacts(), "month", "2026-13", None),
        (ComplaintFacts(), "upheld", "yes", None),
        (ComplaintFacts(), "upheld", True, True),
        (SurveyFacts(), "score", 4, "4"),
        (SurveyFacts(), "label", 4, None),
        (SurveyFacts(), "valid", 0, None),
    ],
)
def test_amended_values_are_read_as_the_contract_writes_them(
    facts: AttendanceFacts | MeasureFacts | ComplaintFacts | SurveyFacts, name: str, value: Scalar, kept: Scalar
) -> None:
    before = event("measure.recorded", "11-02 09:00", facts=facts)
    after = change(before, name, value)
    assert (None if after is None else getattr(after.facts, name)) == kept


def test_later_events_of_a_corrected_case_are_steps_again() -> None:
    folded = fold(ACCEPTED, DONE, withdrawn(DONE, "11-05 09:00"))
    assert advance(folded.state, event("dispatch.completed", "11-06 09:00", "E1"), Definitions()) is not None
    named = event("dispatch.completed", "11-06 09:00", "E1", id_=DONE.id)
    assert advance(folded.state, named, Definitions()) is None
