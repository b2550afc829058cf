"""The real audit of 890 incidents: its figures through connector, contract and fold equal those counted straight from the CSV.

The slow computation (`by_hand`) shares nothing with the project. The file is not part of the project; it is
looked for in KAOHE_REAL_DATA (default: ../shared/data beside the repository). Where it is missing, CI fails and other runs say so (conftest).
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schemas.codec import interpret
from services.core.kpi.contribution import PostingKey
from services.core.kpi.definitions import Definitions
from services.core.kpi.walk import fold_case
from services.ingest.connectors.audit import Audit, read_audit
from services.ingest.connectors.servicenow import Event, translate
from services.store.mapping import event_from_decoded
from tests.integration.connectors.by_hand import ENDED, LOCAL, Row, held_at, owner_of, read_by_hand, resolution

INSTANTS = [datetime(2016, 3, day, 12, tzinfo=LOCAL) for day in (1, 2, 4, 8, 15, 24, 31)] + [
    datetime(2016, 4, 20, tzinfo=LOCAL),
    datetime(2016, 6, 1, tzinfo=LOCAL),
]


@dataclass(frozen=True)
class Real:
    """The file: counted by hand, and through the project."""

    incidents: dict[str, list[Row]]
    audit: Audit
    events: tuple[Event, ...]
    posted: Counter[PostingKey]


def fold(events: tuple[Event, ...]) -> Counter[PostingKey]:
    cases = defaultdict(list)
    for event in events:
        attributes = dict(event)
        data = attributes.pop("data")
        cases[event["partitionkey"]].append(event_from_decoded(interpret(attributes, data)))
    total: Counter[PostingKey] = Counter()
    for case in cases.values():
        for key, n in fold_case(case, Definitions()).posted.items():
            total[key] += n
    return total


@pytest.fixture(scope="module")
def real(incidents_file: Path) -> Real:
    with incidents_file.open(encoding="utf-8-sig", newline="") as lines:
        audit = read_audit(lines, zone=ZoneInfo("Asia/Shanghai"))
    events = translate(audit).events
    return Real(read_by_hand(incidents_file), audit, events, fold(events))


def by_engineer(real: Real, measure: str, *, before: datetime | None = None) -> dict[str, int]:
    """Net items of a measure by engineer; `before`: only what stands at that instant."""
    sums: Counter[str] = Counter()
    limit = None if before is None else int(before.timestamp() * 1000)
    for (engineer, name, _dim, at, _book, _value), n in real.posted.items():
        if name == measure and (limit is None or at < limit):
            sums[engineer] += n
    return {engineer: n for engineer, n in sums.items() if n}


def test_every_row_is_read_and_every_incident_opens_once(real: Real) -> None:
    assert real.audit.rejects == ()
    assert len(real.audit.updates) == sum(map(len, real.incidents.values())) == 5998
    opened = Counter(event["subject"] for event in real.events if event["type"] == "kaohe.ticket.opened.v1")
    assert opened == Counter(dict.fromkeys(real.incidents, 1))


def test_the_events_count_what_changed_from_row_to_row(real: Real) -> None:
    expected: Counter[str] = Counter()
    for rows in real.incidents.values():
        state, holder, group = "New", "", rows[0].group
        for row in rows:
            waited, waits = state.startswith("Awaiting"), row.state.startswith("Awaiting")
            expected["assigned"] += (row.engineer, row.group) != (holder, group)
            expected["paused"] += waits and row.state != state
            expected["resumed"] += waited and row.state != state and not row.ended
            expected["resolved"] += row.state == "Resolved" and state not in ENDED
            expected["reopened"] += state in ENDED and not row.ended
            expected["closed"] += row.state == "Closed" and state != "Closed"
            state, holder, group = row.state, row.engineer, row.group
    told = Counter(event["type"].split(".")[2] for event in real.events)
    del told["opened"]
    assert told == expected


def test_resolved_incidents_stand_with_who_held_them_at_the_last_resolution(real: Real) -> None:
    resolvers = Counter(row.engineer for rows in real.incidents.values() if (row := resolution(rows)))
    assert by_engineer(real, "ticket.resolved") == resolvers
    assert resolvers[""] > 0, "resolutions by nobody are unattributed, not dropped"


def test_resolutions_are_booked_when_they_happened(real: Real) -> None:
    expected = Counter(int(row.at.timestamp() * 1000) for rows in real.incidents.values() if (row := resolution(rows)))
    booked: Counter[int] = Counter()
    for (_, measure, _, _, book, _), n in real.posted.items():
        if measure == "ticket.resolved":
            booked[book] += n
    assert +booked == expected


def test_a_reopen_takes_the_first_resolution_back(real: Real) -> None:
    resolutions = sum(event["type"] == "kaohe.ticket.resolved.v1" for event in real.events)
    reopened = sum(event["type"] == "kaohe.ticket.reopened.v1" for event in real.events)
    undone = sum(-n for (_, measure, *_), n in real.posted.items() if measure == "ticket.resolved" and n < 0)
    assert undone == reopened > 0
    assert sum(by_engineer(real, "ticket.resolved").values()) == resolutions - reopened


@pytest.mark.parametrize("moment", INSTANTS, ids=lambda moment: f"{moment:%m-%d}")
def test_open_incidents_at_an_instant_are_held_by_whom_their_latest_row_names(real: Real, moment: datetime) -> None:
    held = held_at(real.incidents, moment)
    assert by_engineer(real, "ticket.open", before=moment) == held
    del held[""]
    assert by_engineer(real, "ticket.unanswered", before=moment) == held, "the file tells of no answers"


def test_the_intake_is_the_first_engineer_s(real: Real) -> None:
    first = Counter(next((row.engineer for row in rows if row.engineer), "") for rows in real.incidents.values())
    assert by_engineer(real, "ticket.intake") == first


def test_every_incident_has_one_owner_its_resolver_or_who_held_it_last(real: Real) -> None:
    owners: Counter[str] = Counter()
    solved: Counter[str] = Counter()
    for rows in real.incidents.values():
        owner, stands = owner_of(rows)
        owners[owner] += 1
        solved[owner] += stands
    assert by_engineer(real, "ticket.owned") == owners
    assert by_engineer(real, "ticket.owned_resolved") == +solved


def test_taking_an_incident_is_the_work_of_who_opened_it_else_of_who_first_assigned_it(real: Real) -> None:
    clerks: Counter[str] = Counter()
    for rows in real.incidents.values():
        clerk = rows[0].opened_by
        if clerk == "?":
            clerk = next((row.updated_by for row in rows if row.engineer), "")
        if clerk:
            clerks[f"servicenow {clerk}"] += 1
    assert by_engineer(real, "workload.accepted") == clerks


def test_no_answer_is_invented(real: Real) -> None:
    assert by_engineer(real, "ticket.first_response") == {}
    assert by_engineer(real, "ticket.engineer_response") == {}


def test_in_any_order_and_twice_the_events_give_the_same_figures(real: Real) -> None:
    assert fold(tuple(reversed(real.events)) + real.events) == real.posted
