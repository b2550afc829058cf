"""From a figure down to its cases, postings and events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

_FOREVER_MS = 2**62


@dataclass(frozen=True, slots=True)
class Allowed:
    """An actor whose postings booked in [from_ms, to_ms) belong to the subject."""

    actor: str
    from_ms: int = -_FOREVER_MS
    to_ms: int = _FOREVER_MS


@dataclass(frozen=True, slots=True)
class Selection:
    """The postings behind a figure. `at_from_ms` only spares the index what cannot match; `cutoff`: seq by shard, not included."""

    allowed: Sequence[Allowed]
    measures: Sequence[str]
    at_from_ms: int | None = None
    at_before_ms: int | None = None
    cutoff: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class CaseNet:
    """What one case brings to a measure: Σ n and Σ n·value over its postings in the selection."""

    shard: int
    case_id: str
    measure: str
    n: int
    value: int


@dataclass(frozen=True, slots=True)
class PostingLine:
    """One posting with its cause."""

    shard: int
    seq: int
    ordinal: int
    recorded_at: datetime
    case_id: str
    actor: str
    measure: str
    dim: str
    at_ms: int
    book_ms: int
    value: int
    n: int
    cause_source: str
    cause_id: str


async def cases_behind(
    connection: asyncpg.Connection, selection: Selection, *, after: tuple[int, str] | None, limit: int
) -> list[CaseNet]:
    """The first `limit` cases after a (shard, case) whose postings do not cancel out, each with its net by measure."""
    shard, case_id = after or (-1, "")
    rows = await connection.fetch(
        f"""WITH net AS (
                SELECT j.shard, j.case_id, j.measure, sum(j.n)::bigint AS n, sum(j.n * j.value)::bigint AS value {_SELECTED}
                    AND (j.shard, j.case_id) > ($9::int, $10::text)
                GROUP BY 1, 2, 3 HAVING sum(j.n) <> 0 OR sum(j.n * j.value) <> 0
            ), page AS (
                SELECT DISTINCT shard, case_id FROM net ORDER BY shard, case_id LIMIT $11
            )
            SELECT net.* FROM net JOIN page USING (shard, case_id) ORDER BY shard, case_id, measure""",  # noqa: S608 - constants of this module
        *_parameters(selection),
        shard,
        case_id,
        limit,
    )
    return [CaseNet(**row) for row in rows]


async def postings_of(
    connection: asyncpg.Connection, selection: Selection, cases: Sequence[tuple[int, str]]
) -> list[PostingLine]:
    """Every posting of these cases in the selection, in the order in which they were made."""
    rows = await connection.fetch(
        f"""SELECT {_LINE} {_SELECTED}
                AND (j.shard, j.case_id) IN (SELECT * FROM unnest($9::int[], $10::text[]))
            ORDER BY j.shard, j.case_id, j.seq, j.ordinal""",  # noqa: S608 - constants of this module
        *_parameters(selection),
        [shard for shard, _ in cases],
        [case_id for _, case_id in cases],
    )
    return [PostingLine(**row) for row in rows]


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One event of a case as the ledger holds it: the canonical JSON of the producer's attributes and data."""

    source: str
    id: str
    type: str
    time_ms: int
    appended_ms: int
    seq: int
    topic: str
    kafka_offset: int
    body: bytes


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case: its shard, the commit that last wrote it, and the encoded state and posted set."""

    shard: int
    case_id: str
    state: bytes
    posted: bytes
    last_seq: int
    core_version: int
    listed: int


async def find_case(connection: asyncpg.Connection, case_id: str) -> CaseRow | None:
    """The case of this id, in whichever shard it is."""
    row = await connection.fetchrow(
        """SELECT shard, case_id, state, posted, last_seq, core_version, listed FROM cases
           WHERE shard IN (SELECT shard FROM shard_head) AND case_id = $1""",
        case_id,
    )
    return None if row is None else CaseRow(**row)


async def events_of(connection: asyncpg.Connection, shard: int, case_id: str) -> list[RecordedEvent]:
    """The recorded events of a case by time."""
    rows = await connection.fetch(
        """SELECT source, id, type, time_ms, appended_ms, seq, topic, kafka_offset, body FROM ledger
           WHERE shard = $1 AND case_id = $2 ORDER BY time_ms, source, id""",
        shard,
        case_id,
    )
    return [RecordedEvent(**row) for row in rows]


async def bodies_before(
    connection: asyncpg.Connection,
    shard: int,
    case_ids: Sequence[str],
    *,
    before_ms: int,
    before_seq: int | None,
) -> dict[str, list[bytes]]:
    """The recorded events of cases with event time before an instant and, as of a cutoff, seq before it. In no particular order."""
    rows = await connection.fetch(
        """SELECT case_id, body FROM ledger
           WHERE shard = $1 AND case_id = ANY($2::text[]) AND time_ms < $3 AND ($4::bigint IS NULL OR seq < $4)""",
        shard,
        list(case_ids),
        before_ms,
        before_seq,
    )
    found: dict[str, list[bytes]] = {case_id: [] for case_id in case_ids}
    for row in rows:
        found[row["case_id"]].append(row["body"])
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """An item of a stock, and since when (epoch ms) it stands for the actor."""

    shard: int
    case_id: str
    actor: str
    since_ms: int


async def standing(
    connection: asyncpg.Connection,
    measure: str,
    stock: Mapping[str, int],
    *,
    until_ms: int,
    cutoff: Mapping[int, int] | None = None,
) -> list[Standing]:
    """The items behind each actor's stock at `until_ms`.

    A line of a stock is booked on the instant at which it nominally begins, also when a correction posted it later. The search walks
    back in growing steps until it has met as many standing items as the buckets count, so its cost follows the age of the oldest item,
    not the length of the history.
    """
    found: list[Standing] = []
    missing = {actor for actor, items in stock.items() if items > 0}
    for back_ms in (*(days * 86_400_000 for days in (1, 8, 64)), _FOREVER_MS // 2):
        if not missing:
            break
        selection = Selection([Allowed(actor) for actor in sorted(missing)], [measure], None, until_ms, cutoff)
        rows = await connection.fetch(_STANDING, *_parameters(selection), until_ms - back_ms)
        met = Counter(row["engineer"] for row in rows)
        done = {actor for actor in missing if met[actor] >= stock[actor]}
        found += [Standing(*row) for row in rows if row["engineer"] in done]
        missing -= done
    return found


_LINE = """j.shard, j.seq, j.ordinal, j.recorded_at, j.case_id, j.engineer AS actor, j.measure, j.dim, j.at_ms, j.book_ms, j.value,
    j.n, j.cause_source, j.cause_id"""
# $1 actors with their books $2 and $3, $4 measures, $5 and $6 at, $7 shards and $8 their cutoffs (none: no cut)
_SELECTED = """
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS a(engineer, from_ms, to_ms)
    JOIN journal j ON j.engineer = a.engineer AND j.book_ms >= a.from_ms AND j.book_ms < a.to_ms
    LEFT JOIN unnest($7::int[], $8::bigint[]) AS cut(shard, seq) ON cut.shard = j.shard
    WHERE j.measure = ANY($4::text[]) AND j.at_ms >= $5 AND j.at_ms < $6
        AND (cardinality($7::int[]) = 0 OR j.seq < coalesce(cut.seq, 0))"""


_STANDING = f"""
    SELECT shard, case_id, engineer, max(book_ms) FILTER (WHERE n > 0) AS since_ms FROM (
        SELECT j.shard, j.case_id, j.engineer, j.book_ms, sum(j.n) AS n {_SELECTED} AND j.at_ms >= $9
        GROUP BY 1, 2, 3, 4
    ) AS line GROUP BY shard, case_id, engineer HAVING sum(n) > 0"""  # noqa: S608 - constants of this module


def _parameters(selection: Selection) -> tuple[object, ...]:
    cutoff = selection.cutoff or {}
    return (
        [allowed.actor for allowed in selection.allowed],
        [allowed.from_ms for allowed in selection.allowed],
        [allowed.to_ms for allowed in selection.allowed],
        list(selection.measures),
        -_FOREVER_MS if selection.at_from_ms is None else selection.at_from_ms,
        _FOREVER_MS if selection.at_before_ms is None else selection.at_before_ms,
        list(cutoff),
        list(cutoff.values()),
    )
