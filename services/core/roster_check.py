"""What is wrong with a set of roster records, in words, by row.

An *error* makes a lookup ambiguous or points nowhere; an importer refuses the set. A *warning* is legal but often a slip: a gap in
somebody's service, a region left without a representative, an assignment that outlives the person.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from services.core.roster import (
    KNOWN_POSTS,
    Branch,
    Person,
    PersonId,
    Record,
    Region,
    RegionEngineer,
    RegionRepresentative,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Severity(StrEnum):
    """Errors forbid the import, warnings are shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark on one row; `row` counts the given records from 1."""

    row: int
    severity: Severity
    message: str


_Key: TypeAlias = tuple[str, ...]
_Numbered: TypeAlias = tuple[int, Record]


def examine(records: Sequence[Record]) -> list[Finding]:
    """Every finding, by row: unknown or untimely references, overlaps, gaps, empty spans, unknown posts."""
    numbered = list(enumerate(records, start=1))
    known = _Known(records)
    findings = [finding for row, record in numbered for finding in _own_findings(row, record)]
    findings += [finding for row, record in numbered for finding in known.references(row, record)]
    findings += _neighbours(numbered)
    return sorted(findings, key=lambda finding: (finding.row, finding.severity, finding.message))


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that forbid an import."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]


def _own_findings(row: int, record: Record) -> Iterator[Finding]:
    if record.until is not None and record.until <= record.since:
        yield Finding(
            row, Severity.ERROR, f"to {record.until} is not after from {record.since}: the record holds on no day"
        )
    if isinstance(record, Person) and record.post not in KNOWN_POSTS:
        yield Finding(
            row, Severity.WARNING, f"post {record.post!r} has no scheme; known posts: {', '.join(KNOWN_POSTS)}"
        )
    if isinstance(record, PersonId) and (not record.source or any(ch.isspace() for ch in record.source)):
        yield Finding(row, Severity.ERROR, f"source {record.source!r} must be one word: it is the CloudEvents source")


class _Known:
    """The spans of every branch, region and person, to judge references."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._spans: dict[tuple[str, str], list[tuple[date, date]]] = defaultdict(list)
        for record in records:
            if isinstance(record, Branch | Region | Person):
                self._spans[_kind(record), record.id].append(_span(record))

    def references(self, row: int, record: Record) -> Iterator[Finding]:
        """Findings on what the record points at."""
        for kind, target in _targets(record):
            spans = self._spans.get((kind, target))
            if spans is None:
                yield Finding(row, Severity.ERROR, f"{_what(record)} names the {kind} {target!r}, which has no record")
            elif not _covered(_span(record), spans):
                yield Finding(
                    row,
                    Severity.WARNING,
                    f"{_what(record)} holds {_dates(record)}, the {kind} {target!r} not on all of these days",
                )


def _targets(record: Record) -> Iterator[tuple[str, str]]:
    match record:
        case Region() | Person():
            yield "branch", record.branch
        case RegionRepresentative() | RegionEngineer():
            yield "person", record.person
            yield "region", record.region
        case PersonId():
            yield "person", record.person
        case Branch():
            return


def _neighbours(numbered: Iterable[_Numbered]) -> Iterator[Finding]:
    groups: dict[_Key, list[_Numbered]] = defaultdict(list)
    for row, record in numbered:
        groups[_key(record)].append((row, record))
    for group in groups.values():
        ordered = sorted(group, key=lambda item: _span(item[1]))
        reached_row, reached = ordered[0][0], _span(ordered[0][1])[1]
        for row, record in ordered[1:]:
            start, end = _span(record)
            if start < reached:
                yield Finding(
                    row, Severity.ERROR, f"{_what(record)} {_dates(record)} overlaps row {reached_row}: {_rule(record)}"
                )
            elif start > reached:
                yield Finding(row, Severity.WARNING, f"{_what(record)}: nothing is recorded from {reached} to {start}")
            if end > reached:
                reached_row, reached = row, end


def _key(record: Record) -> _Key:
    """Within one key, records must not overlap."""
    match record:
        case Branch() | Region() | Person():
            return (_kind(record), record.id)
        case RegionRepresentative():
            return ("region_rep", record.region)
        case RegionEngineer():
            return ("region_engineer", record.person)
        case PersonId():
            return ("person_id", record.source, record.source_id)


def _rule(record: Record) -> str:
    match record:
        case RegionRepresentative():
            return "a region has one representative at a time"
        case RegionEngineer():
            return "an engineer works in one region at a time"
        case PersonId():
            return "an id of a source is one person at a time"
        case Branch() | Region() | Person():
            return "one record of it at a time"


def _what(record: Record) -> str:
    match record:
        case Branch() | Region() | Person():
            return f"{_kind(record)} {record.id!r}"
        case RegionRepresentative():
            return f"{record.person!r} in charge of {record.region!r}"
        case RegionEngineer():
            return f"{record.person!r} working in {record.region!r}"
        case PersonId():
            return f"id {record.source_id!r} of source {record.source!r}"


def _kind(record: Branch | Region | Person) -> str:
    return type(record).__name__.lower()


def _span(record: Record) -> tuple[date, date]:
    return record.since, record.until or date.max


def _dates(record: Record) -> str:
    return f"from {record.since} to {record.until or 'open'}"


def _covered(span: tuple[date, date], by: Iterable[tuple[date, date]]) -> bool:
    start, end = span
    for since, until in sorted(by):
        if since <= start < until:
            start = until
    return start >= end
