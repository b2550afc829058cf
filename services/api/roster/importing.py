"""Import a roster: read, validate against what is there, tell the difference in words, then write all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg

from services.api.roster.reading import Line, read_roster
from services.core.roster import Record
from services.core.roster_check import Finding, Severity, examine
from services.core.roster_rows import RosterRowError, parse_row, render_row
from services.store import roster as store
from services.store.roster import RecordKey, StoredRoster, key_of


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a row; `line` is the line in the file, None for a record that stands in the roster already."""

    line: int | None
    severity: Severity
    message: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What an import changes. `changed` holds (before, after)."""

    added: Sequence[Record] = ()
    changed: Sequence[tuple[Record, Record]] = ()
    removed: Sequence[Record] = ()
    unchanged: int = 0

    def is_empty(self) -> bool:
        """True when the roster already says all of this."""
        return not (self.added or self.changed or self.removed)

    def in_words(self) -> list[str]:
        """One sentence a change."""
        words = [f"new {_describe(record)}" for record in self.added]
        words += [f"changed {_describe(before)}: {_changes(before, after)}" for before, after in self.changed]
        words += [f"removed {_describe(record)}" for record in self.removed]
        return words


@dataclass(frozen=True, slots=True)
class Plan:
    """A file set against the roster at `base_version`; it can be written when `errors` is empty."""

    base_version: int
    difference: Difference
    errors: Sequence[Remark] = ()
    warnings: Sequence[Remark] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """An import that was written, or would be (`dry_run`); `version` is the roster's version after it."""

    plan: Plan
    dry_run: bool
    version: int


@dataclass(slots=True)
class _Parsed:
    records: dict[RecordKey, tuple[int, Record]] = field(default_factory=dict)
    errors: list[Remark] = field(default_factory=list)


def plan_import(content: bytes, current: StoredRoster, *, complete: bool = False) -> Plan:
    """Set a file against the roster in force.

    `complete`: the file is the whole roster, so records that it does not name are removed; else they stay.
    Raises UnreadableRosterError when the file as a whole cannot be read.
    """
    parsed = _parse(read_roster(content))
    difference = _difference(current.records, parsed.records, complete=complete)
    if parsed.errors:  # what the unread rows would have said is missing from the rest: judging it would mislead
        return Plan(current.version, difference, tuple(parsed.errors))
    errors, warnings = _examined(current.records, parsed.records, complete=complete)
    return Plan(current.version, difference, tuple(errors), tuple(warnings))


async def import_roster(
    connection: asyncpg.Connection,
    content: bytes,
    *,
    author: str,
    note: str,
    dry_run: bool,
    complete: bool = False,
) -> Imported:
    """Plan against the newest version and, unless it is a dry run, write. Wrong rows forbid the whole import.

    The same file again changes nothing and makes no version. The transaction is the caller's. Raises UnreadableRosterError.
    """
    await store.lock(connection)
    current = await store.load(connection)
    assert current is not None  # noqa: S101 - the newest version always exists, version 0 when none was imported
    plan = plan_import(content, current, complete=complete)
    if dry_run or plan.errors or plan.difference.is_empty():
        return Imported(plan, dry_run, current.version)
    difference = plan.difference
    version = await store.append(
        connection,
        written=[*difference.added, *(after for _, after in difference.changed)],
        removed=difference.removed,
        author=author,
        note=note,
    )
    counts = {"added": len(difference.added), "changed": len(difference.changed), "removed": len(difference.removed)}
    await store.record_audit(connection, author, "roster.import", {"version": version, "note": note, **counts})
    return Imported(plan, dry_run, version)


def _parse(lines: Iterable[Line]) -> _Parsed:
    parsed = _Parsed()
    for line in lines:
        try:
            record = parse_row(line.cells)
        except RosterRowError as error:
            parsed.errors.append(Remark(line.number, Severity.ERROR, str(error)))
            continue
        key = key_of(record)
        if key in parsed.records:
            first = parsed.records[key][0]
            parsed.errors.append(Remark(line.number, Severity.ERROR, f"says the same record as line {first}"))
            continue
        parsed.records[key] = (line.number, record)
    return parsed


def _difference(
    before: Mapping[RecordKey, Record], rows: Mapping[RecordKey, tuple[int, Record]], *, complete: bool
) -> Difference:
    after = {key: record for key, (_, record) in rows.items()}
    changed = [(before[key], record) for key, record in after.items() if key in before and before[key] != record]
    return Difference(
        added=[record for key, record in after.items() if key not in before],
        changed=changed,
        removed=[record for key, record in before.items() if key not in after] if complete else [],
        unchanged=sum(1 for key in after if key in before) - len(changed),
    )


def _examined(
    before: Mapping[RecordKey, Record], rows: Mapping[RecordKey, tuple[int, Record]], *, complete: bool
) -> tuple[list[Remark], list[Remark]]:
    """Findings over the roster as it would be; a finding on a row of the file bears its line."""
    kept = [] if complete else [record for key, record in before.items() if key not in rows]
    numbered = [*rows.values(), *((None, record) for record in kept)]
    findings = examine([record for _, record in numbered])
    lines = [line for line, _ in numbered]
    remarks = [_remark(finding, lines) for finding in findings]
    return (
        [remark for remark in remarks if remark.severity is Severity.ERROR],
        [remark for remark in remarks if remark.severity is Severity.WARNING],
    )


def _remark(finding: Finding, lines: Sequence[int | None]) -> Remark:
    return Remark(lines[finding.row - 1], finding.severity, finding.message)


_NAMES = {"region_rep": "representative", "region_engineer": "engineer", "person_id": "source id"}


def _describe(record: Record) -> str:
    cells = render_row(record)
    kind = _NAMES.get(cells["record"], cells["record"])
    name = f" {cells['name']}" if cells["name"] else ""
    place = f" in {cells['region']}" if cells["record"] in {"region_rep", "region_engineer"} else ""
    source = f" = {cells['source']} {cells['source_id']}" if cells["record"] == "person_id" else ""
    return f"{kind} {cells['id']}{name}{place}{source} {_dates(cells)}"


def _dates(cells: Mapping[str, str]) -> str:
    return f"from {cells['from']}" + (f" to {cells['to']}" if cells["to"] else "")


def _changes(before: Record, after: Record) -> str:
    old, new = render_row(before), render_row(after)
    return ", ".join(
        f"{column} {old[column] or 'open'} → {new[column] or 'open'}" for column in old if old[column] != new[column]
    )
