"""Case rows: the folded state, and the net postings made for it so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import msgspec

from services.core.kpi.case import CaseState
from services.core.kpi.walk import Posted

_Line = tuple[str, str, str, int, int, int, int]
_state_encoder = msgspec.json.Encoder()
_state_decoder = msgspec.json.Decoder(CaseState)
_posted_decoder = msgspec.json.Decoder(list[_Line])


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case as the last commit left it. `core_version` tells which release made the postings."""

    state: CaseState
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
    return _state_encoder.encode(state)


def decode_state(stored: bytes) -> CaseState:
    """Return the state that encode_state wrote. Raises msgspec.ValidationError for another shape."""
    return _state_decoder.decode(stored)


def encode_posted(posted: Posted) -> bytes:
    """Return JSON: [[engineer, measure, dim, at_ms, book_ms, value, n], …]."""
    return _state_encoder.encode([(*key, n) for key, n in posted.items()])


def decode_posted(stored: bytes) -> Posted:
    """Return the net postings that encode_posted wrote."""
    return {line[:6]: line[6] for line in _posted_decoder.decode(stored)}


async def load(connection: asyncpg.Connection, shard: int, case_ids: Sequence[str]) -> dict[str, StoredCase]:
    """Return the stored cases among those asked for."""
    rows = await connection.fetch(
        "SELECT case_id, state, posted, core_version FROM cases WHERE shard = $1 AND case_id = ANY($2::text[])",
        shard,
        case_ids,
    )
    return {
        row["case_id"]: StoredCase(decode_state(row["state"]), decode_posted(row["posted"]), row["core_version"])
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
