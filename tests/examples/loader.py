"""Read the worked examples: rows of events.csv as CloudEvents in JSON form, and as events of the core.

A row: unit, family, verb, time, source, id, engineer, performed_by, extra (`key=value;…`), with a `scenario` before it in the indicators' file.
The words of the rows that the contract writes otherwise are translated here: type, class, from, to, workload, days of a workload, yes and no.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.core.kpi.event import CORRECTION, FACTS, CorrectionFacts, Event, Facts, OtherFacts

HERE = Path(__file__).parent
S01_EVENTS = HERE / "s01" / "events.csv"
S01_ROSTER = HERE / "s01" / "roster.csv"
S01_EXPECTED = HERE / "s01" / "expected.json"
INDICATOR_EVENTS = HERE / "indicators" / "events.csv"
INDICATOR_EXPECTED = HERE / "indicators" / "expected.json"

JSON = dict[str, Any]

_RENAMED = {
    "type": "order_type",
    "class": "complaint_class",
    "from": "from_day",
    "to": "to_day",
    "workload": "numerator",
    "window_from": "window_start",
    "window_to": "window_end",
}
_BOOLEANS = {"public", "valid", "upheld", "satisfied"}
_NUMBERS = {"late", "count", "score"}


def rows_as_cloudevents(path: Path, scenario: str | None = None) -> list[JSON]:
    """The rows as CloudEvents in JSON form, in arrival order, repetitions and conflicts included. The unit is subject and partitionkey.

    `scenario` picks one world of a file that has several; each must be run alone.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return [_cloudevent(row) for row in csv.DictReader(file) if scenario in (None, row.get("scenario"))]


def events(path: Path, scenario: str | None = None) -> list[Event]:
    """The rows as the ledger would hand them out: of each identity the one that arrived first, in arrival order."""
    first: dict[tuple[str, str], Event] = {}
    for document in rows_as_cloudevents(path, scenario):
        event = event_of(document)
        first.setdefault(event.identity(), event)
    return list(first.values())


def by_case(all_events: Iterable[Event]) -> dict[str, list[Event]]:
    """The events of each case, in the order given."""
    cases: dict[str, list[Event]] = {}
    for event in all_events:
        cases.setdefault(event.case, []).append(event)
    return cases


def milliseconds(text: str) -> int:
    """Epoch milliseconds of an ISO instant with offset; what is below a millisecond is cut off."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def event_of(document: JSON) -> Event:
    """A CloudEvent in JSON form as an event of the core."""
    _, family, verb, _ = document["type"].split(".")
    sequence = document.get("sequence")
    return Event(
        source=document["source"],
        id=document["id"],
        family=family,
        verb=verb,
        case=document["partitionkey"],
        time_ms=milliseconds(document["time"]),
        sequence=None if sequence is None else int(sequence),
        engineer=document["data"].get("engineer"),
        performed_by=document["data"].get("performed_by"),
        facts=_facts(family, document["data"]),
    )


def _facts(family: str, data: JSON) -> Facts:
    if family == CORRECTION:
        return CorrectionFacts(data["target"], data.get("target_source"), tuple(data.get("changes", {}).items()))
    known = FACTS.get(family, OtherFacts)
    names = {field.name for field in fields(known)}
    return known(**{name: value for name, value in data.items() if name in names})


def _cloudevent(row: dict[str, str]) -> JSON:
    extra = dict(_extra(row))
    document: JSON = {
        "specversion": "1.0",
        "id": row["id"],
        "source": row["source"],
        "type": f"kaohe.{row['family']}.{row['verb']}.v1",
        "time": row["time"],
        "partitionkey": row["unit"],
        "datacontenttype": "application/json",
    }
    if row["family"] != CORRECTION:
        document["subject"] = row["unit"]
    if "sequence" in extra:
        document["sequence"] = extra.pop("sequence")
    people = {name: row[name] for name in ("engineer", "performed_by") if row[name]}
    if row["family"] == CORRECTION:
        target = extra.pop("target")
        document["data"] = {**people, "target": target, **({"changes": extra} if row["verb"] == "amended" else {})}
    else:
        document["data"] = {**people, **extra}
    return document


def _extra(row: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for pair in filter(None, row["extra"].split(";")):
        key, _, text = pair.partition("=")
        # Opening balances of workload are written as "workload ÷ days".
        name = "denominator" if (row["family"], key) == ("measure", "days") else _RENAMED.get(key, key)
        if name in _BOOLEANS:
            yield name, text == "yes"
        elif name in _NUMBERS:
            yield name, int(text)
        else:
            yield name, text
