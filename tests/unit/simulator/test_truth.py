"""The simulator as an oracle: disturbances change the way events come, corrections restore the truth, so settled figures are the truth's."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from random import Random

import pytest

from schemas.codec import interpret
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event as CoreEvent
from services.core.kpi.walk import Posted, fold_case
from services.simulator.disturbances import Rates
from services.simulator.month import Month, simulate
from services.simulator.occurrence import Event
from services.store.mapping import event_from_decoded

Settled = Counter[tuple[str, str, str, int, int]]


def core_event(event: Event) -> CoreEvent:
    attributes = dict(event)
    data = attributes.pop("data")
    return event_from_decoded(interpret(attributes, data))


def fold(events: Iterable[Event]) -> dict[str, Posted]:
    cases = defaultdict(list)
    for event in events:
        cases[event["partitionkey"]].append(core_event(event))
    return {case: fold_case(found, Definitions()).posted for case, found in cases.items()}


def settled(cases: dict[str, Posted]) -> Settled:
    """Σ over the instants at which lines came to stand: what remains when everything is known."""
    sums: Settled = Counter()
    for posted in cases.values():
        for (engineer, measure, dim, _at, book, value), n in posted.items():
            sums[engineer, measure, dim, book, value] += n
    return Counter({key: n for key, n in sums.items() if n})


@pytest.fixture(scope="module")
def disturbed(small: Month) -> Month:
    """Much is corrected, so that the law is not met by luck."""
    return simulate(replace(small.plan, rates=replace(Rates(), amended=0.08, withdrawn=0.08, duplicates=0.2)))


def test_corrections_restore_the_truth(disturbed: Month) -> None:
    sent = [arrival.event for arrival in disturbed.arrivals]
    assert sum(event["type"].startswith("kaohe.event.") for event in sent) > 100
    assert settled(fold(sent)) == settled(fold(disturbed.truth))


def test_without_corrections_the_figures_would_be_wrong(disturbed: Month) -> None:
    """The control: the law above can fail."""
    sent = [arrival.event for arrival in disturbed.arrivals if not arrival.event["type"].startswith("kaohe.event.")]
    assert settled(fold(sent)) != settled(fold(disturbed.truth))


def test_duplicates_and_disorder_change_nothing(disturbed: Month) -> None:
    sent = [arrival.event for arrival in disturbed.arrivals]
    once = list({(event["source"], event["id"]): event for event in sent}.values())
    Random(3).shuffle(once)
    assert fold(once) == fold(sent)


def test_the_month_gives_every_kind_of_figure(small: Month) -> None:
    measures = {key[1] for posted in fold(small.truth).values() for key in posted}
    assert measures >= {
        "dispatch.accepted",
        "dispatch.open",
        "dispatch.overdue_7",
        "dispatch.completed.day_1",
        "dispatch.completed.later",
        "dispatch.stale_30",
        "dispatch.visited",
        "dispatch.cancelled",
        "ticket.intake",
        "ticket.first_response",
        "ticket.engineer_response",
        "ticket.unanswered",
        "ticket.resolved",
        "ticket.owned_resolved",
        "followup.due",
        "followup.timely",
        "followup.satisfied",
        "survey.answered",
        "complaint.pending",
        "complaint.upheld",
        "workload.accepted",
        "workload.dispatched",
        "workload.reported",
        "workload.followed_up",
        "attendance.present",
        "attendance.leave",
        "measure.hq_satisfaction.numerator",
        "measure.workload.denominator",
        "finding.engineer_problem",
    }


def test_nothing_is_impossible_but_visits_before_their_order(small: Month) -> None:
    cases = defaultdict(list)
    for event in small.truth:
        cases[event["partitionkey"]].append(core_event(event))
    why = Counter(
        (entry.family, entry.verb) for found in cases.values() for entry in fold_case(found, Definitions()).state.listed
    )
    assert set(why) <= {("dispatch", "arrived")}, why
