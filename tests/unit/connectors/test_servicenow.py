"""The ServiceNow connector: which change of an incident is which event, and what happens to rows that say nothing."""

import io
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.ingest.connectors.audit import Audit, ConnectorError, HeaderError, read_audit
from services.ingest.connectors.servicenow import translate, verbs

SHANGHAI = ZoneInfo("Asia/Shanghai")
HEADER = "number,incident_state,sys_mod_count,opened_by,opened_at,sys_updated_by,sys_updated_at,contact_type,category,priority,assignment_group,assigned_to,resolved_by,resolved_at,closed_at,reopen_count"


def row(
    state: str,
    minute: int,
    *,
    to: str = "?",
    group: str = "G1",
    number: str = "INC1",
    revision: int | str = 0,
    opened: str = "01-03-2026 08:00",
    updated: str | None = None,
) -> str:
    at = updated if updated is not None else f"01-03-2026 09:{minute:02d}"
    # The repeated final values are there to be ignored.
    return f"{number},{state},{revision},Clerk  7,{opened},Updater 3,{at},Phone,Printer,3 - Moderate,{group},{to},Nobody 9,09-09-2026 09:09,10-09-2026 10:10,7"


def audit(*rows: str, header: str = HEADER) -> Audit:
    return read_audit(io.StringIO("\n".join((header, *rows)) + "\n", newline=""), zone=SHANGHAI)


def events(*rows: str) -> list[dict[str, Any]]:
    read = audit(*rows)
    assert read.rejects == ()
    return list(translate(read).events)


def told(*rows: str) -> list[str]:
    """verb, and @engineer where the event names one."""
    return [
        event["type"].split(".")[2] + (f"@{event['data']['engineer']}" if "engineer" in event["data"] else "")
        for event in events(*rows)
    ]


def test_an_incident_opens_once_at_opened_at_whatever_number_of_rows_it_has() -> None:
    opened = [event for event in events(row("New", 1), row("New", 2)) if event["type"] == "kaohe.ticket.opened.v1"]
    assert [event["time"] for event in opened] == ["2026-03-01T08:00:00+08:00"]
    assert opened[0]["data"] == {
        "queue": "G1",
        "channel": "Phone",
        "priority": "3 - Moderate",
        "ticket_type": "Printer",
        "performed_by": "Clerk 7",
    }


def test_a_life_is_told_in_its_verbs() -> None:
    assert told(
        row("New", 1),
        row("Active", 2, to="Ann", revision=1),
        row("Awaiting User Info", 3, to="Ann", revision=2),
        row("Active", 4, to="Ann", revision=3),
        row("Active", 5, to="Bob", revision=4),
        row("Resolved", 6, to="Bob", revision=5),
        row("Active", 7, to="Bob", revision=6),
        row("Resolved", 8, to="Bob", revision=7),
        row("Closed", 9, to="Bob", revision=8),
    ) == [
        "opened",
        "assigned@Ann",
        "paused",
        "resumed",
        "assigned@Bob",
        "resolved@Bob",
        "reopened@Bob",
        "resolved@Bob",
        "closed",
    ]


def test_a_row_that_changes_nothing_is_no_event() -> None:
    assert told(row("Active", 1, to="Ann"), row("Active", 2, to="Ann", revision=1)) == ["opened", "assigned@Ann"]


def test_handing_back_to_the_queue_is_an_assignment_to_nobody() -> None:
    assert told(row("Active", 1, to="Ann"), row("Active", 2, to="?", group="G2", revision=1)) == [
        "opened",
        "assigned@Ann",
        "assigned",
    ]
    assert events(row("Active", 1, to="Ann"), row("Active", 2, group="G2", revision=1))[-1]["data"] == {
        "queue": "G2",
        "performed_by": "Updater 3",
    }


def test_who_resolves_gets_the_incident_first_and_a_question_mark_is_nobody() -> None:
    assert told(row("New", 1), row("Resolved", 2, to="Ann", revision=1)) == ["opened", "assigned@Ann", "resolved@Ann"]
    assert told(row("New", 1), row("Resolved", 2, revision=1)) == ["opened", "resolved"]


def test_waiting_for_something_else_ends_one_pause_and_begins_another() -> None:
    found = events(row("Awaiting User Info", 1), row("Awaiting Vendor", 2, revision=1))
    assert [(event["type"].split(".")[2], event["data"].get("reason")) for event in found] == [
        ("opened", None),
        ("paused", "Awaiting User Info"),
        ("resumed", None),
        ("paused", "Awaiting Vendor"),
    ]


def test_reopening_into_waiting_is_a_reopening_and_a_pause() -> None:
    assert told(row("Resolved", 1, to="Ann"), row("Awaiting Problem", 2, to="Ann", revision=1))[-2:] == [
        "reopened@Ann",
        "paused",
    ]


def test_an_incident_closed_without_resolution_is_closed_only() -> None:
    assert told(row("New", 1), row("Closed", 2, revision=1)) == ["opened", "closed"]


def test_updates_of_one_minute_keep_the_order_of_the_file() -> None:
    found = events(row("Active", 5, to="Ann"), row("Active", 5, to="Bob"), row("Active", 5, to="Ann"))
    assert [event["data"].get("engineer") for event in found] == [None, "Ann", "Bob", "Ann"]
    sequences = [int(event["sequence"]) for event in found]
    assert sequences == sorted(set(sequences))


def test_rows_are_read_in_the_order_of_their_time() -> None:
    assert told(row("Active", 9, to="Bob"), row("New", 2, to="Ann")) == ["opened", "assigned@Ann", "assigned@Bob"]


def test_incidents_that_interleave_in_the_file_are_told_apart() -> None:
    found = events(row("Active", 1, to="Ann"), row("Active", 2, to="Bob", number="INC2"), row("Closed", 3, to="Ann"))
    assert [(event["subject"], event["partitionkey"]) for event in found if "assigned" in event["type"]] == [
        ("INC1", "INC1"),
        ("INC2", "INC2"),
    ]


def test_an_update_before_opened_at_shows_that_the_incident_existed() -> None:
    """Five real incidents carry an opened_at that was set after their first update."""
    read = audit(row("Active", 30, to="Ann", opened="01-03-2026 09:45"))
    translation = translate(read)
    assert [event["time"] for event in translation.events] == ["2026-03-01T09:30:00+08:00"] * 2
    assert translation.opened_early == 1


def test_the_same_file_gives_the_same_events_and_a_longer_export_repeats_them() -> None:
    rows = [row("New", 1), row("Active", 2, to="Ann", revision=1), row("Resolved", 3, to="Ann", revision=2)]
    assert events(*rows) == events(*rows)
    longer = events(*rows, row("Closed", 4, to="Ann", revision=3))
    assert longer[:-1] == events(*rows)
    assert len({event["id"] for event in longer}) == len(longer)


def test_the_future_in_repeated_columns_is_not_read() -> None:
    """resolved_by, resolved_at, closed_at and reopen_count of the first row are final values."""
    assert told(row("New", 1)) == ["opened"]
    assert all("Nobody" not in str(event) and "09-09" not in str(event) for event in events(row("New", 1)))


def test_repairing_a_row_moves_no_other_rows_place() -> None:
    broken = translate(audit(row("New", 1), row("Active", 2, updated="yesterday"), row("Resolved", 3, revision=2)))
    fixed = translate(audit(row("New", 1), row("Active", 2, revision=1), row("Resolved", 3, revision=2)))
    assert broken.events == fixed.events


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("Active", 1, updated="31-02-2026 09:00"), "sys_updated_at: '31-02-2026 09:00' is no date"),
        (row("Active", 1, updated="2026-03-01 09:00"), "sys_updated_at: '2026-03-01 09:00' is no day-month-year"),
        (row("Active", 1, updated=""), "sys_updated_at: missing"),
        (row("Active", 1, opened="?"), "opened_at: missing"),
        (row("Active", 1, number=""), "number: missing"),
        (row("-100", 1), "incident_state: '-100' is no state"),
        (row("Active", 1) + ",extra", "17 cells where the header has 16"),
        (row("Active", 1, to="A\x00"), "assigned_to: control characters"),
        (row("Active", 1, to="A\udcff"), "assigned_to: bytes that are no UTF-8"),
        (row("Active", 1, to="x" * 300), "assigned_to: 300 characters, more than 128"),
        (row("Active", 1, group="x" * 65), "assignment_group: 65 characters, more than 64"),
    ],
)
def test_a_row_that_cannot_be_read_is_kept_with_its_line_and_reason_and_its_neighbours_count(
    bad: str, reason: str
) -> None:
    read = audit(row("New", 1, number="INC8"), bad, row("New", 1, number="INC9"))
    assert [update.number for update in read.updates] == ["INC8", "INC9"]
    assert [reject.line for reject in read.rejects] == [3]
    assert reason in read.rejects[0].reason
    assert len(read.rejects[0].cells) >= 16


def test_lines_are_counted_as_an_editor_counts_them_though_a_cell_spans_two() -> None:
    read = audit(row("New", 1, group='"G\n1"'), row("nonsense", 2))
    assert [reject.line for reject in read.rejects] == [4]


def test_a_byte_order_mark_blank_lines_and_another_letter_case_of_the_header_do_no_harm() -> None:
    read = audit(row("New", 1), "", row("New", 2), header="\ufeff" + HEADER.upper())
    assert len(read.updates) == 2
    assert read.rejects == ()


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("", "nothing"),
        ("id;name", "id;name"),
        (HEADER.replace("number", "nummer"), "number missing"),
        (HEADER + ",number", "a column twice: number"),
    ],
)
def test_a_wrong_header_is_one_clear_error(header: str, says: str) -> None:
    with pytest.raises(HeaderError, match=says):
        audit(row("New", 1), header=header)


def test_a_file_that_is_no_csv_is_one_clear_error() -> None:
    with pytest.raises(ConnectorError, match="line 2"):
        audit('"' + "x" * 200_000 + '",1')


def test_times_are_local_to_the_zone_and_survive_a_change_of_clocks() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    lines = [
        HEADER + "\n",
        row("New", 1, opened="25-10-2026 01:30", updated="25-10-2026 01:30") + "\n",
        row("Active", 1, opened="25-10-2026 01:30", updated="25-10-2026 03:10", to="Ann") + "\n",
    ]
    times = [event["time"] for event in translate(read_audit(lines, zone=berlin)).events]
    assert times == ["2026-10-25T01:30:00+02:00", "2026-10-25T03:10:00+01:00"]


def test_verbs_are_counted_in_the_order_of_a_life() -> None:
    assert list(verbs(events(row("Resolved", 1, to="Ann"), row("Closed", 2, to="Ann")))) == [
        "opened",
        "assigned",
        "resolved",
        "closed",
    ]
