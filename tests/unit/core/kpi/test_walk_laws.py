"""The laws of the walk, over random histories of one case."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.kpi.case import INITIAL, CaseState
from services.core.kpi.contribution import Posted
from services.core.kpi.corrections import effective
from services.core.kpi.definitions import Definitions
from services.core.kpi.dispatch import DAY_MEASURES
from services.core.kpi.event import CORRECTION, CorrectionFacts, Event
from services.core.kpi.measures import STOCK_MEASURES, measure_of
from services.core.kpi.walk import advance, apply, difference, fold_case, standing_of
from tests.unit.core.kpi.histories import DAY_MS, corrected, histories, plain

D = Definitions()
examples = settings(max_examples=250, deadline=None)
few = settings(max_examples=120, deadline=None)


def before(posted: Posted, at_ms: int) -> Posted:
    return {key: n for key, n in posted.items() if key[3] < at_ms}


def settled(posted: Posted) -> Counter[tuple[str, str, str, int, int]]:
    """Net items by everything but the instant from which they count."""
    sums: Counter[tuple[str, str, str, int, int]] = Counter()
    for (engineer, measure, dim, _at, book, value), n in posted.items():
        sums[engineer, measure, dim, book, value] += n
    return Counter({key: n for key, n in sums.items() if n})


@given(histories, st.randoms(use_true_random=False))
@examples
def test_order_repetition_and_splitting_of_the_input_change_nothing(
    history: list[Event], chance: random.Random
) -> None:
    again = [*history, *chance.sample(history, chance.randint(0, len(history)))]
    chance.shuffle(again)
    cut = chance.randint(0, len(again))
    assert fold_case(iter(again[cut:] + again[:cut]), D) == fold_case(history, D)


@given(histories)
@examples
def test_steps_in_order_give_the_fold_at_every_prefix(history: list[Event]) -> None:
    ordered = sorted(history, key=Event.order)
    state = INITIAL
    posted: Posted = {}
    for index, event in enumerate(ordered):
        step = advance(state, event, D)
        whole = fold_case(ordered[: index + 1], D)
        if step is None:
            assert any(one.family == CORRECTION for one in ordered), "only corrections call for a refold"
            state, posted = whole.state, whole.posted
        else:
            keys = [(c.engineer, c.measure, c.dim, c.at_ms, c.book_ms, c.value) for c in step.contributions]
            assert len(keys) == len(set(keys))
            assert all(c.n and c.at_ms >= event.time_ms for c in step.contributions)
            state, posted = step.state, apply(posted, step.contributions)
        assert (state, posted) == (whole.state, whole.posted)


@given(plain)
@few
def test_an_event_that_comes_in_order_never_needs_the_ledger(history: list[Event]) -> None:
    state = INITIAL
    for event in sorted(history, key=Event.order):
        step = advance(state, event, D)
        assert step is not None
        assert advance(step.state, event, D) is None, "the same again is known already"
        state = step.state


@given(histories, st.randoms(use_true_random=False))
@few
def test_any_arrival_posts_the_same_in_the_end(history: list[Event], chance: random.Random) -> None:
    """As a worker does it: one step where it can, else the fold of the ledger against what was posted."""
    arriving = list(history)
    chance.shuffle(arriving)
    state = INITIAL
    posted: Posted = {}
    ledger: list[Event] = []
    for event in arriving:
        ledger.append(event)
        step = advance(state, event, D)
        if step is not None:
            state, posted = step.state, apply(posted, step.contributions)
        else:
            whole = fold_case(ledger, D)
            state, posted = whole.state, apply(posted, difference(whole.posted, posted))
    assert (state, posted) == (fold_case(history, D).state, fold_case(history, D).posted)


@given(histories)
@few
def test_what_counts_before_an_instant_depends_only_on_the_events_before_it(history: list[Event]) -> None:
    whole = fold_case(history, D).posted
    instants = {event.time_ms + after for event in history for after in (0, 1, 7 * DAY_MS, 30 * DAY_MS + 1)}
    for at in instants:
        assert before(whole, at) == before(fold_case([e for e in history if e.time_ms < at], D).posted, at)


@given(histories)
@examples
def test_the_settled_view_is_the_standing_of_the_corrected_events(history: list[Event]) -> None:
    _, standing = standing_of(history, D)
    folded = fold_case(history, D)
    assert settled(folded.posted) == settled(standing)
    counting = effective(history).events
    assert folded.state.last == max(event.order() for event in (*history, *counting))
    assert settled(fold_case(counting, D).posted) == settled(standing)


@given(histories)
@examples
def test_no_stock_is_ever_negative_and_a_unit_is_open_once_at_most(history: list[Event]) -> None:
    posted = fold_case(history, D).posted
    for at in sorted({key[3] for key in posted}):
        for instant in (at, at + 1):
            held: Counter[tuple[str, str, str]] = Counter()
            for (engineer, measure, dim, begins, _book, _value), n in posted.items():
                if measure in STOCK_MEASURES and begins < instant:
                    held[engineer, measure, dim] += n
            assert all(n >= 0 for n in held.values())
            for measure in STOCK_MEASURES - {"complaint.pending"}:
                assert sum(n for key, n in held.items() if key[1] == measure) <= 1


@given(histories)
@examples
def test_a_completed_order_scores_once_and_any_other_order_not_at_all(history: list[Event]) -> None:
    folded = fold_case(history, D)
    order = folded.state.dispatch
    scored = [key for key, n in settled(folded.posted).items() if key[1] in DAY_MEASURES for _ in range(n)]
    assert len(scored) == (1 if order is not None and order.status == "done" else 0)


@given(histories)
@few
def test_an_event_withdrawn_and_its_withdrawal_withdrawn_again_settles_as_if_nothing_had_happened(
    history: list[Event],
) -> None:
    last = max(event.time_ms for event in history)
    victim = history[len(history) // 2]
    off = _withdrawal("w1", victim, last + 1)
    on = Event(off.source, "w2", CORRECTION, "withdrawn", "PG-1", last + 2, None, None, None, CorrectionFacts("w1"))
    without = [event for event in history if event is not victim]
    if victim.family != CORRECTION:
        assert settled(fold_case([*history, off], D).posted) == settled(standing_of(without, D)[1])
    assert settled(fold_case([*history, off, on], D).posted) == settled(fold_case(history, D).posted)


def _withdrawal(id_: str, victim: Event, at: int) -> Event:
    return Event(victim.source, id_, CORRECTION, "withdrawn", "PG-1", at, None, None, None, CorrectionFacts(victim.id))


@given(histories)
@few
def test_contributions_taken_back_leave_what_was(history: list[Event]) -> None:
    ordered = sorted(history, key=Event.order)
    small, whole = fold_case(ordered[:-1], D).posted, fold_case(ordered, D).posted
    assert apply(small, difference(whole, small)) == whole
    assert apply(whole, difference(small, whole)) == small
    assert difference(whole, whole) == []


@given(histories)
@few
def test_the_state_survives_its_storage(history: list[Event]) -> None:
    state = fold_case(history, D).state
    assert msgspec.json.decode(msgspec.json.encode(state), type=CaseState) == state


@given(histories)
@few
def test_every_measure_posted_is_registered(history: list[Event]) -> None:
    for _engineer, measure, dim, _at, _book, value in fold_case(history, D).posted:
        known = measure_of(measure)
        assert known is not None, measure
        assert not dim or known.dim, f"{measure} has no dimension"
        assert value == 1 or known.unit != "count"


@given(corrected)
@few
def test_every_correction_has_an_effect_or_is_listed_or_withdrawn(history: list[Event]) -> None:
    state = fold_case(history, D).state
    known = {event.identity() for event in history}
    unknown = [e for e in state.corrections if e.why == "correction target unknown"]
    assert all((e.source, e.target) not in known for e in unknown)
    assert {(e.source, e.id) for e in state.corrections} <= known
