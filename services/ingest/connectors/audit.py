"""Reading an incident audit CSV: one row = one update of one incident. Text in, typed updates and rejects out; no I/O."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

REQUIRED: Final = ("number", "incident_state", "opened_at", "sys_updated_at", "assigned_to", "assignment_group")
UNKNOWN: Final = frozenset({"", "?"})
_STAMP: Final = re.compile(r"(\d{1,2})[-/](\d{1,2})[-/](\d{4})[ T](\d{1,2}):(\d{2})(?::(\d{2}))?")
# The contract's limits, in characters: what is longer would be refused at the gateway.
_LABEL: Final = 64
_PERSON: Final = 128
_LONGEST: Final[Mapping[str, int]] = {
    "assigned_to": _PERSON,
    "opened_by": _PERSON,
    "sys_updated_by": _PERSON,
    "caller_id": _PERSON,
    "number": _PERSON,
}


class ConnectorError(Exception):
    """The export cannot be read."""


class HeaderError(ConnectorError):
    """The first line is not the header of an incident audit."""


class Phase(Enum):
    """What an incident's state means for the clock."""

    OPEN = "open"
    WAITING = "waiting"
    RESOLVED = "resolved"
    CLOSED = "closed"


_PHASES: Final[Mapping[str, Phase]] = {
    "new": Phase.OPEN,
    "active": Phase.OPEN,
    "in progress": Phase.OPEN,
    "on hold": Phase.WAITING,
    "resolved": Phase.RESOLVED,
    "closed": Phase.CLOSED,
}


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that says nothing readable: its first line in the file (1 = the header), why, and its cells as they came."""

    line: int
    reason: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """One readable row. `position` counts the rows of its incident from 0; None = the source gave no value."""

    position: int
    number: str
    state: str
    phase: Phase
    updated_at: datetime
    opened_at: datetime
    engineer: str | None
    queue: str | None
    revision: str
    updated_by: str | None
    opened_by: str | None
    customer: str | None
    channel: str | None
    priority: str | None
    category: str | None


@dataclass(frozen=True, slots=True)
class Audit:
    """A whole file, read: the updates in the file's order, the rejects, the header."""

    header: tuple[str, ...]
    updates: tuple[Update, ...]
    rejects: tuple[Reject, ...]


class _RowError(ValueError):
    """A row that cannot be read; the message is the reason."""


def read_audit(lines: Iterable[str], *, zone: ZoneInfo) -> Audit:
    """Read the lines of a CSV (a byte-order mark is allowed). Raises HeaderError if it is no incident audit.

    Times are day-month-year and local to `zone`. A row with an unreadable cell becomes a Reject; its neighbours go through.
    """
    reader = csv.reader(lines)
    header = _header(next(reader, []))
    seen: dict[str, int] = {}
    updates: list[Update] = []
    rejects: list[Reject] = []
    for line, cells in _numbered(reader):
        if not any(cell.strip() for cell in cells):
            continue
        row = {name: " ".join(cell.split()) for name, cell in zip(header, cells, strict=False)}
        number = row.get("number", "")
        # A row that cannot be read keeps its place, so that repairing it later moves no other row's position.
        position = seen.get(number, -1) + 1
        seen[number] = position
        try:
            _check_shape(cells, header)
            updates.append(_update(row, position=position, zone=zone))
        except _RowError as error:
            rejects.append(Reject(line, str(error), tuple(cells)))
    return Audit(header, tuple(updates), tuple(rejects))


def _numbered(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Each record with the number of its first line; a record may span lines (a quoted line break)."""
    while True:
        line = getattr(reader, "line_num", 0) + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ConnectorError(f"line {line}: this is no CSV ({error})") from error


def _header(cells: list[str]) -> tuple[str, ...]:
    names = tuple(cell.strip().removeprefix("\ufeff").strip('"').lower() for cell in cells)
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        found = ", ".join(names[:6]) or "nothing"
        raise HeaderError(
            f"the first line is not the header of an incident audit: {', '.join(missing)} missing (it begins with {found}). "
            "Export the incidents' audit as comma-separated values with a header line."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise HeaderError(f"the header names a column twice: {', '.join(twice)}")
    return names


def _check_shape(cells: list[str], header: tuple[str, ...]) -> None:
    if len(cells) != len(header):
        raise _RowError(f"{len(cells)} cells where the header has {len(header)}")
    for name, cell in zip(header, cells, strict=True):
        if any("\ud800" <= character <= "\udfff" for character in cell):
            raise _RowError(f"{name}: bytes that are no UTF-8 text")
        if any(character < " " and not character.isspace() for character in cell):
            raise _RowError(f"{name}: control characters")


def _update(row: Mapping[str, str], *, position: int, zone: ZoneInfo) -> Update:
    state = _needed(row, "incident_state")
    return Update(
        position=position,
        number=_needed(row, "number"),
        state=state,
        phase=_phase(state),
        updated_at=_instant(row, "sys_updated_at", zone),
        opened_at=_instant(row, "opened_at", zone),
        engineer=_name(row, "assigned_to"),
        queue=_name(row, "assignment_group"),
        revision=_name(row, "sys_mod_count") or "0",
        updated_by=_name(row, "sys_updated_by"),
        opened_by=_name(row, "opened_by"),
        customer=_name(row, "caller_id"),
        channel=_name(row, "contact_type"),
        priority=_name(row, "priority"),
        category=_name(row, "category"),
    )


def _name(row: Mapping[str, str], column: str) -> str | None:
    value = row.get(column, "")
    longest = _LONGEST.get(column, _LABEL)
    if len(value) > longest:
        raise _RowError(f"{column}: {len(value)} characters, more than {longest}")
    return None if value in UNKNOWN else value


def _needed(row: Mapping[str, str], column: str) -> str:
    value = _name(row, column)
    if value is None:
        raise _RowError(f"{column}: missing")
    return value


def _phase(state: str) -> Phase:
    key = state.casefold()
    phase = Phase.WAITING if key.startswith("awaiting ") else _PHASES.get(key)
    if phase is None:
        raise _RowError(f"incident_state: {state!r} is no state that this reader knows")
    return phase


def _instant(row: Mapping[str, str], column: str, zone: ZoneInfo) -> datetime:
    text = _needed(row, column)
    match = _STAMP.fullmatch(text)
    if match is None:
        raise _RowError(f"{column}: {text!r} is no day-month-year hour:minute")
    day, month, year, hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        # A fixed offset: instants of one zone would otherwise compare by their wall clocks, wrong when clocks change.
        return local.replace(tzinfo=timezone(local.utcoffset() or timedelta()))
    except ValueError as error:
        raise _RowError(f"{column}: {text!r} is no date ({error})") from None
