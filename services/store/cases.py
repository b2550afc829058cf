"""Case rows: the folded state, and the net postings made for it so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import msgspec

from services.core.kpi.case import CaseState
from services.core.kpi.version import CORE_VERSION
from services.core.kpi.walk import Posted

# Engineers once, instants relative to the first: the row is rewritten with every event of the case, and goes to the log each time.
_Line = tuple[int, str, str, int, int, int, int]
_Packed = tuple[list[str], int, list[_Line]]
_encoder = msgspec.json.Encoder()
_state_decoder = msgspec.json.Decoder(CaseState)
_posted_decoder = msgspec.json.Decoder(_Packed)


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case as the last commit left it. `core_version` tells which release made the postings.

    `state` is None where another release wrote it: its shape may be another one, and the case is refolded anyway.
    """

    state: CaseState | None
    posted: Posted
    core_version: int


@dataclass(frozen=True, slots=True)
class CaseWrite:
    """A case as this commit leaves it; `listed` counts its visible conditions (impossible events and the like)."""

    case_id: str
    state: CaseState
    posted: Posted
    listed: int


def encode_state(state: CaseState) -> bytes:
    """Return the state as JSON."""
    return _encoder.encode(state)


def decode_state(stored: bytes) -> CaseState:
    """Return the state that encode_state wrote. Raises msgspec.ValidationError for another shape."""
    return _state_decoder.decode(stored)


def encode_posted(posted: Posted) -> bytes:
    """Return JSON: [[engineer, …], base_ms, [[engineer's index, measure, dim, at_ms - base, book_ms - base, value, n], …]]."""
    engineers: dict[str, int] = {}
    base = next(iter(posted))[3] if posted else 0
    lines = [
        (engineers.setdefault(engineer, len(engineers)), measure, dim, at_ms - base, book_ms - base, value, n)
        for (engineer, measure, dim, at_ms, book_ms, value), n in posted.items()
    ]
    return _encoder.encode((list(engineers), base, lines))


def decode_posted(stored: bytes) -> Posted:
    """Return the net postings that encode_posted wrote."""
    engineers, base, lines = _posted_decoder.decode(stored)
    return {
        (engineers[index], measure, dim, at + base, book + base, value): n
        for index, measure, dim, at, book, value, n in lines
    }


async def load(connection: asyncpg.Connection, shard: int, case_ids: Sequence[str]) -> dict[str, StoredCase]:
    """Return the stored cases among those asked for."""
    rows = await connection.fetch(
        "SELECT case_id, state, posted, core_version FROM cases WHERE shard = $1 AND case_id = ANY($2::text[])",
        shard,
        case_ids,
    )
    return {
        row["case_id"]: StoredCase(
            decode_state(row["state"]) if row["core_version"] == CORE_VERSION else None,
            decode_posted(row["posted"]),
            row["core_version"],
        )
        for row in rows
    }


async def insert(
    connection: asyncpg.Connection, shard: int, seq: int, core_version: int, cases: Sequence[CaseWrite]
) -> None:
    """COPY cases that the shard has not seen before."""
    if not cases:
        return
    await connection.copy_records_to_table(
        "cases",
        records=[
            (shard, case.case_id, encode_state(case.state), encode_posted(case.posted), seq, core_version, case.listed)
            for case in cases
        ],
        columns=("shard", "case_id", "state", "posted", "last_seq", "core_version", "listed"),
    )


async def update(
    connection: asyncpg.Connection, shard: int, seq: int, core_version: int, cases: Sequence[CaseWrite]
) -> None:
    """Write back cases that the shard has seen before."""
    if not cases:
        return
    await connection.execute(
        """UPDATE cases c SET state = w.state, posted = w.posted, listed = w.listed, last_seq = $2, core_version = $3
           FROM unnest($4::text[], $5::bytea[], $6::bytea[], $7::int[]) AS w(case_id, state, posted, listed)
           WHERE c.shard = $1 AND c.case_id = w.case_id""",
        shard,
        seq,
        core_version,
        [case.case_id for case in cases],
        [encode_state(case.state) for case in cases],
        [encode_posted(case.posted) for case in cases],
        [case.listed for case in cases],
    )
