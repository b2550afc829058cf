"""The real incidents counted straight from the CSV: slow, and sharing nothing with the project. It reads cells and compares them."""

import csv
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

LOCAL = timezone(timedelta(hours=8))  # Shanghai has had no summer time since 1991
ENDED = {"Resolved", "Closed"}


@dataclass(frozen=True)
class Row:
    """A row as the test needs it."""

    at: datetime
    state: str
    engineer: str
    group: str
    opened: datetime
    opened_by: str
    updated_by: str

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def read_by_hand(file: Path) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        for cells in csv.DictReader(lines):
            found[cells["number"]].append(
                Row(
                    at=instant(cells["sys_updated_at"]),
                    state=cells["incident_state"],
                    engineer="" if cells["assigned_to"] == "?" else f"servicenow {cells['assigned_to']}",
                    group=cells["assignment_group"],
                    opened=instant(cells["opened_at"]),
                    opened_by=" ".join(cells["opened_by"].split()),
                    updated_by=cells["sys_updated_by"],
                )
            )
    return {number: sorted(rows, key=lambda row: row.at) for number, rows in found.items()}  # sorted is stable


def instant(text: str) -> datetime:
    return datetime.strptime(text, "%d-%m-%Y %H:%M").replace(tzinfo=LOCAL)


def resolution(rows: list[Row]) -> Row | None:
    """The row that began the ended stretch in which the incident now is, if that was a resolution."""
    began = None
    for row in rows:
        if not row.ended:
            began = None
        elif began is None:
            began = row
    return began if began is not None and began.state == "Resolved" else None


def owner_of(rows: list[Row]) -> tuple[str, bool]:
    """Owner and whether the incident counts as solved. A resolution that stood for seven days settles both for good."""
    owner, ended, resolved = "", False, None
    for row in rows:
        if ended and not row.ended:
            if resolved is not None and row.at - resolved > timedelta(days=7):
                return owner, True
            resolved, owner, ended = None, row.engineer or owner, False
        if ended:
            continue
        owner = row.engineer or owner
        if row.ended:
            ended = True
            if row.state == "Resolved":
                resolved, owner = row.at, row.engineer
    return owner, resolved is not None


def held_at(incidents: dict[str, list[Row]], moment: datetime) -> Counter[str]:
    """Open incidents by who holds them, "" = the queue: whom the latest row before the moment names."""
    held: Counter[str] = Counter()
    for rows in incidents.values():
        past = [row for row in rows if row.at < moment]
        if past and not past[-1].ended:
            held[past[-1].engineer] += 1
        elif not past and min(rows[0].opened, rows[0].at) < moment:
            held[""] += 1
    return held
