"""Roster records as rows of text: one shape for CSV, XLSX, event and database.

Columns: record, id, name, post, branch, region, from, to, and optionally source, source_id. Dates are YYYY-MM-DD; an empty `to` is open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType

from services.core.roster import Branch, Person, PersonId, Record, Region, RegionEngineer, RegionRepresentative

COLUMNS = ("record", "id", "name", "post", "branch", "region", "from", "to", "source", "source_id")
KINDS = ("branch", "region", "person", "region_rep", "region_engineer", "person_id")


class RosterRowError(ValueError):
    """A row that is no roster record; the message names the column and the cure."""


def parse_row(fields: Mapping[str, str | None]) -> Record:
    """The record that a row of text states. Raises RosterRowError."""
    cells = {column: (value or "").strip() for column, value in fields.items()}
    build = _BUILDERS.get(cells.get("record", ""))
    if build is None:
        raise RosterRowError(f"record: {cells.get('record', '')!r} is none of {', '.join(KINDS)}")
    return build(cells)


def render_row(record: Record) -> dict[str, str]:
    """The row of text of a record, every column present; the inverse of parse_row."""
    cells = dict.fromkeys(COLUMNS, "")
    cells |= {"from": record.since.isoformat(), "to": record.until.isoformat() if record.until else ""}
    match record:
        case Branch():
            cells |= {"record": "branch", "id": record.id, "name": record.name, "branch": record.id}
        case Region():
            cells |= {
                "record": "region",
                "id": record.id,
                "name": record.name,
                "branch": record.branch,
                "region": record.id,
            }
        case Person():
            cells |= {
                "record": "person",
                "id": record.id,
                "name": record.name,
                "post": record.post,
                "branch": record.branch,
            }
        case RegionRepresentative():
            cells |= {"record": "region_rep", "id": record.person, "region": record.region}
        case RegionEngineer():
            cells |= {"record": "region_engineer", "id": record.person, "region": record.region}
        case PersonId():
            cells |= {
                "record": "person_id",
                "id": record.person,
                "source": record.source,
                "source_id": record.source_id,
            }
    return cells


def _need(cells: Mapping[str, str], column: str) -> str:
    value = cells.get(column, "")
    if not value:
        raise RosterRowError(f"{column}: missing in a {cells['record']} record")
    return value


def _day(cells: Mapping[str, str], column: str) -> date | None:
    text = cells.get(column, "")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RosterRowError(f"{column}: {text!r} is no date YYYY-MM-DD") from None


def _since(cells: Mapping[str, str]) -> date:
    day = _day(cells, "from")
    if day is None:
        raise RosterRowError("from: missing; every record needs its first day")
    return day


def _branch(cells: Mapping[str, str]) -> Branch:
    return Branch(_need(cells, "id"), _need(cells, "name"), _since(cells), _day(cells, "to"))


def _region(cells: Mapping[str, str]) -> Region:
    return Region(_need(cells, "id"), _need(cells, "name"), _need(cells, "branch"), _since(cells), _day(cells, "to"))


def _person(cells: Mapping[str, str]) -> Person:
    post, branch = _need(cells, "post"), _need(cells, "branch")
    return Person(_need(cells, "id"), _need(cells, "name"), post, branch, _since(cells), _day(cells, "to"))


def _region_rep(cells: Mapping[str, str]) -> RegionRepresentative:
    return RegionRepresentative(_need(cells, "id"), _need(cells, "region"), _since(cells), _day(cells, "to"))


def _region_engineer(cells: Mapping[str, str]) -> RegionEngineer:
    return RegionEngineer(_need(cells, "id"), _need(cells, "region"), _since(cells), _day(cells, "to"))


def _person_id(cells: Mapping[str, str]) -> PersonId:
    source, source_id = _need(cells, "source"), _need(cells, "source_id")
    return PersonId(_need(cells, "id"), source, source_id, _since(cells), _day(cells, "to"))


_BUILDERS: Mapping[str, Callable[[Mapping[str, str]], Record]] = MappingProxyType(
    {
        "branch": _branch,
        "region": _region,
        "person": _person,
        "region_rep": _region_rep,
        "region_engineer": _region_engineer,
        "person_id": _person_id,
    }
)
