"""Snapshots: written once, sealed once, read for ever. Only sealed ones are visible; what a broken-off freeze left is not there.

The database refuses rows for a sealed snapshot, and the application's role cannot update, delete or truncate any.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.core.scoring.canonical import IndicatorRow, LineRow, PersonRow
from services.core.scoring.evidence import Evidence

COPY_ROWS = 5_000


class SealRefused(Exception):  # noqa: N818 - the database's word for it
    """What stands in the tables is not what was evaluated, or the seal came too late: the snapshot stays invisible."""


class SealBrokenError(RuntimeError):
    """Rows were added to the snapshot while it was being sealed, which no part of this system does: the seal is rolled back."""


@dataclass(frozen=True, slots=True)
class Header:
    """A snapshot's identity and what it is a function of. `cutoff`: shard -> first seq not included."""

    snapshot_id: UUID
    period: str
    scheme: str
    scheme_version: int
    cohort: str
    view: str
    revision: int
    created_by: str
    cutoff: Mapping[int, int]
    roster_version: int
    definition_version: int
    core_version: int
    parameters: Mapping[str, Any]
    idempotency_key: str | None

    def hashed(self) -> dict[str, Any]:
        """The part that the content hash covers: everything that determines the figures, nothing about who asked when."""
        return {
            "period": self.period,
            "scheme": self.scheme,
            "scheme_version": self.scheme_version,
            "cohort": self.cohort,
            "view": self.view,
            "revision": self.revision,
            "cutoff": {str(shard): seq for shard, seq in sorted(self.cutoff.items())},
            "roster_version": self.roster_version,
            "definition_version": self.definition_version,
            "core_version": self.core_version,
            "parameters": self.parameters,
        }


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A sealed snapshot. `counts`: section -> {rows, sha256}, and what else the seal states."""

    header: Header
    created_at: datetime
    sealed_at: datetime
    content_hash: bytes
    counts: Mapping[str, Any]


async def insert(connection: asyncpg.Connection, header: Header) -> None:
    """Begin a snapshot; it is invisible until it is sealed."""
    await connection.execute(
        """INSERT INTO snapshot (snapshot_id, period, scheme, scheme_version, cohort, view, revision, created_by, cutoff,
                                 roster_version, definition_version, core_version, parameters, idempotency_key)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10, $11, $12, $13::text::jsonb, $14)""",
        header.snapshot_id,
        header.period,
        header.scheme,
        header.scheme_version,
        header.cohort,
        header.view,
        header.revision,
        header.created_by,
        json.dumps({str(shard): seq for shard, seq in sorted(header.cutoff.items())}),
        header.roster_version,
        header.definition_version,
        header.core_version,
        json.dumps(header.parameters, ensure_ascii=False),
        header.idempotency_key,
    )


async def insert_people(pool: asyncpg.Pool, snapshot_id: UUID, rows: Iterable[PersonRow]) -> None:
    """COPY people in pages, each in its own short transaction."""
    columns = ("snapshot_id", "person", "status", "reason", "total", "rank", "money", "body")
    records = [
        (snapshot_id, row.person, row.status, row.reason, row.total, row.rank, row.money, _json(row.body))
        for row in rows
    ]
    await _copy(pool, "snapshot_person", columns, records)


async def insert_lines(pool: asyncpg.Pool, snapshot_id: UUID, rows: Iterable[LineRow]) -> None:
    """COPY statement lines."""
    columns = ("snapshot_id", "person", "line_no", "criterion", "rule", "points", "body")
    records = [
        (snapshot_id, row.person, row.line_no, row.criterion, row.rule, row.points, _json(row.body)) for row in rows
    ]
    await _copy(pool, "snapshot_line", columns, records)


async def insert_indicators(pool: asyncpg.Pool, snapshot_id: UUID, rows: Iterable[IndicatorRow]) -> None:
    """COPY indicators."""
    columns = ("snapshot_id", "person", "indicator", "numerator", "denominator", "value", "body")
    records = [
        (snapshot_id, row.person, row.indicator, row.numerator, row.denominator, row.value, _json(row.body))
        for row in rows
    ]
    await _copy(pool, "snapshot_indicator", columns, records)


async def insert_evidence(pool: asyncpg.Pool, snapshot_id: UUID, rows: Iterable[Evidence]) -> None:
    """COPY evidence."""
    columns = ("snapshot_id", "person", "measure", "dim", "shard", "case_id", "n", "value")
    records = [(snapshot_id, row.person, row.measure, row.dim, row.shard, row.case, row.n, row.value) for row in rows]
    await _copy(pool, "snapshot_evidence", columns, records)


async def _copy(pool: asyncpg.Pool, table: str, columns: Sequence[str], records: Sequence[tuple[object, ...]]) -> None:
    for start in range(0, len(records), COPY_ROWS):
        async with pool.acquire() as connection:
            await connection.copy_records_to_table(
                table, records=records[start : start + COPY_ROWS], columns=list(columns)
            )


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False)


SECTION_TABLES = {
    "people": "snapshot_person",
    "lines": "snapshot_line",
    "indicators": "snapshot_indicator",
    "evidence": "snapshot_evidence",
}


async def seal(
    connection: asyncpg.Connection, header: Header, content_hash: bytes, counts: Mapping[str, Any]
) -> Snapshot:
    """Make the snapshot visible and closed for ever, in the caller's transaction; returns it. Raises SealRefused, SealBrokenError.

    The row counts are taken from the tables, and nobody else may have frozen the same thing in between. They are taken once more
    behind the seal, whose lock waits for whoever was still adding rows and keeps out everybody after.
    """
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 2))", f"kaohe.seal {header.period} {header.scheme}"
    )
    if unlike := await _unlike(connection, header.snapshot_id, counts):
        raise SealRefused(unlike)
    existing = await standing(connection, header.period, header.scheme, header.view, header.cohort)
    if existing is not None:
        raise SealRefused(f"snapshot {existing.header.snapshot_id} was sealed first")
    await connection.execute(
        "INSERT INTO snapshot_seal (snapshot_id, content_hash, counts) VALUES ($1, $2, $3::text::jsonb)",
        header.snapshot_id,
        content_hash,
        json.dumps(counts, ensure_ascii=False),
    )
    if unlike := await _unlike(connection, header.snapshot_id, counts):
        raise SealBrokenError(unlike)
    sealed = await get(connection, header.snapshot_id)
    if sealed is None:
        raise SealRefused("the seal is not there")
    return sealed


async def _unlike(connection: asyncpg.Connection, snapshot_id: UUID, counts: Mapping[str, Any]) -> str | None:
    """The first table that does not hold as many rows as were evaluated, in words."""
    for section, table in SECTION_TABLES.items():
        found: int = await connection.fetchval(
            f"SELECT count(*) FROM {table} WHERE snapshot_id = $1",  # noqa: S608 - a name of ours
            snapshot_id,
        )
        if found != counts[section]["rows"]:
            return f"{table} holds {found} rows, {counts[section]['rows']} were evaluated"
    return None


_SEALED = """
SELECT s.snapshot_id, s.period, s.scheme, s.scheme_version, s.cohort, s.view, s.revision, s.created_at, s.created_by,
       s.cutoff::text AS cutoff, s.roster_version, s.definition_version, s.core_version, s.parameters::text AS parameters,
       s.idempotency_key, x.sealed_at, x.content_hash, x.counts::text AS counts
FROM snapshot s JOIN snapshot_seal x USING (snapshot_id)"""


async def get(connection: asyncpg.Connection, snapshot_id: UUID) -> Snapshot | None:
    """A sealed snapshot."""
    row = await connection.fetchrow(f"{_SEALED} WHERE s.snapshot_id = $1", snapshot_id)
    return _snapshot(row) if row else None


async def of_period(connection: asyncpg.Connection, period: str) -> list[Snapshot]:
    """The sealed snapshots of a period, in order of their seal."""
    rows = await connection.fetch(f"{_SEALED} WHERE s.period = $1 ORDER BY x.sealed_at, s.snapshot_id", period)
    return [_snapshot(row) for row in rows]


async def standing(connection: asyncpg.Connection, period: str, scheme: str, view: str, cohort: str) -> Snapshot | None:
    """The sealed snapshot that already covers the cohort; the cohort "all" overlaps with every branch."""
    row = await connection.fetchrow(
        f"""{_SEALED} WHERE s.period = $1 AND s.scheme = $2 AND s.view = $3
            AND (s.cohort = $4 OR s.cohort = 'all' OR $4 = 'all') ORDER BY x.sealed_at DESC LIMIT 1""",
        period,
        scheme,
        view,
        cohort,
    )
    return _snapshot(row) if row else None


def _snapshot(row: asyncpg.Record) -> Snapshot:
    header = Header(
        snapshot_id=row["snapshot_id"],
        period=row["period"],
        scheme=row["scheme"],
        scheme_version=row["scheme_version"],
        cohort=row["cohort"],
        view=row["view"],
        revision=row["revision"],
        created_by=row["created_by"],
        cutoff={int(shard): seq for shard, seq in json.loads(row["cutoff"]).items()},
        roster_version=row["roster_version"],
        definition_version=row["definition_version"],
        core_version=row["core_version"],
        parameters=json.loads(row["parameters"]),
        idempotency_key=row["idempotency_key"],
    )
    return Snapshot(header, row["created_at"], row["sealed_at"], row["content_hash"], json.loads(row["counts"]))


async def people(connection: asyncpg.Connection, snapshot_id: UUID, person: str | None = None) -> list[PersonRow]:
    """The people of a snapshot (or one of them), in order of person."""
    rows = await connection.fetch(
        """SELECT person, status, reason, total, rank, money, body::text AS body FROM snapshot_person
           WHERE snapshot_id = $1 AND ($2::text IS NULL OR person = $2) ORDER BY person COLLATE "C" """,
        snapshot_id,
        person,
    )
    return [
        PersonRow(
            row["person"],
            row["status"],
            row["reason"],
            row["total"],
            row["rank"],
            row["money"],
            json.loads(row["body"]),
        )
        for row in rows
    ]


async def lines(connection: asyncpg.Connection, snapshot_id: UUID, person: str | None = None) -> list[LineRow]:
    """The statement lines of a snapshot (or of one person), in order of person and number."""
    rows = await connection.fetch(
        """SELECT person, line_no, criterion, rule, points, body::text AS body FROM snapshot_line
           WHERE snapshot_id = $1 AND ($2::text IS NULL OR person = $2) ORDER BY person COLLATE "C", line_no""",
        snapshot_id,
        person,
    )
    return [
        LineRow(row["person"], row["line_no"], row["criterion"], row["rule"], row["points"], json.loads(row["body"]))
        for row in rows
    ]


async def indicators(
    connection: asyncpg.Connection, snapshot_id: UUID, person: str | None = None
) -> list[IndicatorRow]:
    """The indicators of a snapshot (or of one person), in order of person and id."""
    rows = await connection.fetch(
        """SELECT person, indicator, numerator, denominator, value, body::text AS body FROM snapshot_indicator
           WHERE snapshot_id = $1 AND ($2::text IS NULL OR person = $2)
           ORDER BY person COLLATE "C", indicator COLLATE "C" """,
        snapshot_id,
        person,
    )
    return [
        IndicatorRow(
            row["person"],
            row["indicator"],
            row["numerator"],
            row["denominator"],
            row["value"],
            json.loads(row["body"]),
        )
        for row in rows
    ]


async def evidence_of(connection: asyncpg.Connection, snapshot_id: UUID, person: str) -> list[Evidence]:
    """One person's evidence in order of measure, dimension and case."""
    rows = await connection.fetch(
        """SELECT person, measure, dim, shard, case_id, n, value FROM snapshot_evidence
           WHERE snapshot_id = $1 AND person = $2 ORDER BY measure COLLATE "C", dim COLLATE "C", case_id COLLATE "C", shard""",
        snapshot_id,
        person,
    )
    return [_evidence(row) for row in rows]


async def all_evidence(connection: asyncpg.Connection, snapshot_id: UUID) -> AsyncIterator[Evidence]:
    """Every evidence row in the order of the seal's hash: shard, person, measure, dimension, case.

    A cursor inside the caller's transaction: rows arrive in pages.
    """
    query = """SELECT person, measure, dim, shard, case_id, n, value FROM snapshot_evidence WHERE snapshot_id = $1
               ORDER BY shard, person COLLATE "C", measure COLLATE "C", dim COLLATE "C", case_id COLLATE "C" """
    async for row in connection.cursor(query, snapshot_id, prefetch=COPY_ROWS):
        yield _evidence(row)


def _evidence(row: asyncpg.Record) -> Evidence:
    return Evidence(row["person"], row["measure"], row["dim"], row["shard"], row["case_id"], row["n"], row["value"])
