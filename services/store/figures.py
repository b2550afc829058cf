"""Sums of postings by actor, measure and stretch of book days: from buckets, with the edges from the journal.

Exact, whatever the layout of the buckets is at the moment.
Every function reads; the caller holds one REPEATABLE READ transaction over all of them, so that buckets, journal and heads agree.
A figure as of a cutoff is the current sum less the postings made at or above it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from services.store.spans import AtLimit, Edge, Span, is_day_booked

Cutoff = Mapping[int, int]
"""For each shard the first seq that is NOT included."""


@dataclass(frozen=True, slots=True)
class Stretches:
    """Runs of local days over which the roster says the same: stretch i begins at `days[i]` = `starts_ms[i]`."""

    days: Sequence[date]
    starts_ms: Sequence[int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which postings: actors, measures, and the cutoff if the past is asked for."""

    actors: Sequence[str]
    measures: Sequence[str]
    cutoff: Cutoff | None = None

    def only(self, measures: Sequence[str]) -> Wanted:
        """The same for fewer measures."""
        return Wanted(self.actors, measures, self.cutoff)


@dataclass(frozen=True, slots=True)
class Sum:
    """Σ n and Σ n·value of an actor's postings of a measure, booked in one stretch of days."""

    actor: str
    measure: str
    stretch: int
    n: int
    value: int


@dataclass(frozen=True, slots=True)
class Sample:
    """`n` items of one value (or of one histogram bin, where `is_bin`)."""

    actor: str
    measure: str
    stretch: int
    value: int
    n: int
    is_bin: bool


@dataclass(frozen=True, slots=True)
class Heads:
    """The state that a transaction sees: last seq by shard, and when it began (UTC)."""

    seqs: Mapping[int, int]
    roster_version: int
    seen_at: datetime


async def heads(connection: asyncpg.Connection) -> Heads:
    """What the transaction sees: its shards, their seqs and the roster's version."""
    rows = await connection.fetch("SELECT shard, seq FROM shard_head ORDER BY shard")
    row = await connection.fetchrow(
        "SELECT coalesce((SELECT max(version) FROM roster_version), 0) AS version, clock_timestamp() AS seen_at"
    )
    assert row is not None  # noqa: S101 - a query without FROM has one row
    return Heads({r["shard"]: r["seq"] for r in rows}, row["version"], row["seen_at"])


async def flows(connection: asyncpg.Connection, wanted: Wanted, spans: SpanPair, stretches: Stretches) -> list[Sum]:
    """Sums of postings whose book lies in the window. Rows of one key may come several times: add them up."""
    found: list[Sum] = []
    for span, measures in spans.split(wanted.measures):
        found += await _flows(connection, wanted.only(measures), span, stretches)
    return found


@dataclass(frozen=True, slots=True)
class SpanPair:
    """A window as a span for ordinary measures and one for those booked on the last millisecond of a day."""

    ordinary: Span
    day_booked: Span

    def split(self, measures: Sequence[str]) -> list[tuple[Span, list[str]]]:
        """Each span with the measures it serves, none without measures."""
        booked = [measure for measure in measures if is_day_booked(measure)]
        rest = [measure for measure in measures if not is_day_booked(measure)]
        return [(span, names) for span, names in ((self.ordinary, rest), (self.day_booked, booked)) if names]


async def _flows(connection: asyncpg.Connection, wanted: Wanted, span: Span, stretches: Stretches) -> list[Sum]:
    found: list[Sum] = []
    if span.whole_from < span.whole_to:
        rows = await connection.fetch(
            _BUCKETS,
            wanted.actors,
            wanted.measures,
            span.whole_from,
            span.whole_to,
            *_limits(span.limit),
            stretches.days,
        )
        found += [_sum(row) for row in _settled_layout(rows)]
        if span.limit is not None:
            found += await _journal_sums(
                connection, wanted, stretches, (span.whole_from_ms, span.whole_to_ms), _today(span.limit, rows)
            )
    if span.edge is not None:
        found += await _edge_sums(connection, wanted, span, span.edge, stretches)
    if wanted.cutoff is not None:
        rows = await connection.fetch(
            _SINCE, *_cut(wanted.cutoff), wanted.actors, wanted.measures, span.from_ms, span.to_ms,
            _before(span.limit), stretches.starts_ms,
        )  # fmt: skip
        found += [Sum(r["engineer"], r["measure"], r["stretch"] - 1, -r["n"], -r["value"]) for r in rows]
    return found


async def stocks(
    connection: asyncpg.Connection,
    wanted: Wanted,
    limit: AtLimit | None,
    *,
    book_before: tuple[date, int] | None = None,
) -> list[Sum]:
    """Stock by actor and measure (stretch 0): Σ at < limit, or of those booked before a local midnight (date, epoch ms)."""
    day, book_ms = book_before or (date.max, _FOREVER_MS)
    everything = Stretches([date.min], [-_FOREVER_MS])
    rows = await connection.fetch(
        _BUCKETS, wanted.actors, wanted.measures, date.min, day, *_limits(limit), everything.days
    )
    found = [_sum(row) for row in _settled_layout(rows)]
    if limit is not None:
        found += await _journal_sums(connection, wanted, everything, (-_FOREVER_MS, book_ms), _today(limit, rows))
    if wanted.cutoff is not None:
        later = await connection.fetch(
            _SINCE, *_cut(wanted.cutoff), wanted.actors, wanted.measures, -_FOREVER_MS, book_ms, _before(limit),
            everything.starts_ms,
        )  # fmt: skip
        found += [Sum(r["engineer"], r["measure"], 0, -r["n"], -r["value"]) for r in later]
    return found


async def histogram(connection: asyncpg.Connection, wanted: Wanted, span: Span, stretches: Stretches) -> list[Sample]:
    """Counts by bin for whole days, by value for the edges: what an approximate quantile needs. Rows may repeat a key."""
    found: list[Sample] = []
    if span.whole_from < span.whole_to:
        rows = await connection.fetch(
            _BINS, wanted.actors, wanted.measures, span.whole_from, span.whole_to, *_limits(span.limit), stretches.days
        )
        found += [
            Sample(r["engineer"], r["measure"], r["stretch"] - 1, r["bin"], r["n"], is_bin=True)
            for r in _settled_layout(rows)
        ]
        if span.limit is not None:
            found += await _journal_samples(
                connection, wanted, stretches, (span.whole_from_ms, span.whole_to_ms), _today(span.limit, rows)
            )
    if span.edge is not None:
        found += await _edge_samples(connection, wanted, span, span.edge, stretches)
    if wanted.cutoff is not None:
        later = await connection.fetch(
            _SAMPLES_SINCE, *_cut(wanted.cutoff), wanted.actors, wanted.measures, span.from_ms, span.to_ms,
            _before(span.limit), stretches.starts_ms,
        )  # fmt: skip
        found += [_sample(r, sign=-1) for r in later]
    return found


async def samples(connection: asyncpg.Connection, wanted: Wanted, span: Span, stretches: Stretches) -> list[Sample]:
    """Exact values of the window from the journal alone, for a nearest-rank quantile. Rows may repeat a key."""
    rows = await connection.fetch(
        _SAMPLES_IN_BOOK, wanted.actors, wanted.measures, span.from_ms, span.to_ms, _before(span.limit), stretches.starts_ms,
        *_cut(wanted.cutoff or {}),
    )  # fmt: skip
    return [_sample(row) for row in rows]


async def _journal_sums(
    connection: asyncpg.Connection,
    wanted: Wanted,
    stretches: Stretches,
    book_ms: tuple[int, int],
    at_ms: tuple[int, int],
) -> list[Sum]:
    if at_ms[0] >= at_ms[1]:
        return []
    rows = await connection.fetch(_JOURNAL, wanted.actors, wanted.measures, *at_ms, *book_ms, stretches.starts_ms)
    return [_sum(row) for row in rows]


async def _journal_samples(
    connection: asyncpg.Connection,
    wanted: Wanted,
    stretches: Stretches,
    book_ms: tuple[int, int],
    at_ms: tuple[int, int],
) -> list[Sample]:
    if at_ms[0] >= at_ms[1]:
        return []
    rows = await connection.fetch(_SAMPLES, wanted.actors, wanted.measures, *at_ms, *book_ms, stretches.starts_ms)
    return [_sample(row) for row in rows]


async def _edge_sums(
    connection: asyncpg.Connection, wanted: Wanted, span: Span, edge: Edge, stretches: Stretches
) -> list[Sum]:
    """The edge day: postings that act on the day itself by the journal's index; later ones where the buckets say there are any."""
    book = (edge.from_ms, edge.to_ms)
    before = min(edge.to_ms, _before(span.limit))
    found = await _journal_sums(connection, wanted, stretches, book, (edge.from_ms, before))
    rows = await connection.fetch(
        _LATE_SUMS,
        wanted.actors,
        wanted.measures,
        edge.day,
        edge.to_ms,
        _before(span.limit),
        *book,
        stretches.starts_ms,
    )
    return found + [_sum(row) for row in rows]


async def _edge_samples(
    connection: asyncpg.Connection, wanted: Wanted, span: Span, edge: Edge, stretches: Stretches
) -> list[Sample]:
    book = (edge.from_ms, edge.to_ms)
    before = min(edge.to_ms, _before(span.limit))
    found = await _journal_samples(connection, wanted, stretches, book, (edge.from_ms, before))
    rows = await connection.fetch(
        _LATE_SAMPLES,
        wanted.actors,
        wanted.measures,
        edge.day,
        edge.to_ms,
        _before(span.limit),
        *book,
        stretches.starts_ms,
    )
    return found + [_sample(row) for row in rows]


_FOREVER_MS = 2**62
_PAST, _HOUR_TODAY, _DAY_TODAY = 0, 1, 2


def _limits(limit: AtLimit | None) -> tuple[int, int]:
    """(instant, begin of its local day); without a limit everything is in the past."""
    return (_FOREVER_MS, _FOREVER_MS) if limit is None else (limit.before_ms, limit.day_ms)


def _before(limit: AtLimit | None) -> int:
    return _FOREVER_MS if limit is None else limit.before_ms


def _cut(cutoff: Cutoff) -> tuple[list[int], list[int]]:
    return list(cutoff), list(cutoff.values())


def _settled_layout(rows: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    """The bucket rows that can be used: hours of the limit's day only while nothing of that day lies in a day slot."""
    mixed = any(row["part"] == _DAY_TODAY for row in rows)
    return [row for row in rows if row["part"] == _PAST or (row["part"] == _HOUR_TODAY and not mixed)]


def _today(limit: AtLimit, rows: Sequence[asyncpg.Record]) -> tuple[int, int]:
    """The stretch of `at` that the journal has to tell: the begun hour, or the whole day so far where a day slot hides the hours."""
    mixed = any(row["part"] == _DAY_TODAY for row in rows)
    return (limit.day_ms if mixed else limit.hour_ms, limit.before_ms)


def _sum(row: asyncpg.Record) -> Sum:
    return Sum(row["engineer"], row["measure"], row["stretch"] - 1, int(row["n"]), int(row["value"]))


def _sample(row: asyncpg.Record, sign: int = 1) -> Sample:
    return Sample(row["engineer"], row["measure"], row["stretch"] - 1, row["value"], sign * int(row["n"]), is_bin=False)


_SHARDS = "(SELECT shard FROM shard_head)"

# $1 actors, $2 measures, $3 and $4 book days, $5 limit on at, $6 begin of the limit's day, $7 first days of the stretches
_FROM_BUCKETS = f"""
    FROM bucket WHERE shard IN {_SHARDS} AND engineer = ANY($1::text[]) AND measure = ANY($2::text[])
        AND book >= $3 AND book < $4
        AND (slot_ms < $6 OR (slot_ms < $5 AND (hours > 1 OR slot_ms + 3600000 <= $5)))"""
_BUCKET_KEYS = f"""engineer, measure, width_bucket(book, $7::date[]) AS stretch,
    CASE WHEN slot_ms < $6 THEN {_PAST} WHEN hours = 1 THEN {_HOUR_TODAY} ELSE {_DAY_TODAY} END AS part"""
_BUCKETS = f"""SELECT {_BUCKET_KEYS}, sum(n)::bigint AS n, sum(value)::bigint AS value
    {_FROM_BUCKETS} GROUP BY 1, 2, 3, 4"""
_BINS = f"""SELECT {_BUCKET_KEYS}, bin, sum(n)::bigint AS n
    {_FROM_BUCKETS} GROUP BY 1, 2, 3, 4, 5"""

# $1 actors, $2 measures, $3 and $4 at, $5 and $6 book, $7 starts of the stretches
_FROM_JOURNAL = """
    FROM journal j WHERE j.engineer = ANY($1::text[]) AND j.measure = ANY($2::text[]) AND j.at_ms >= $3 AND j.at_ms < $4
        AND j.book_ms >= $5 AND j.book_ms < $6"""
_STRETCH = "j.engineer, j.measure, width_bucket(j.book_ms, ${}::bigint[]) AS stretch"
_SUMS = "sum(j.n)::bigint AS n, sum(j.n * j.value)::bigint AS value"
_COUNTS = "j.value, sum(j.n)::bigint AS n"
_JOURNAL = f"SELECT {_STRETCH.format(7)}, {_SUMS} {_FROM_JOURNAL} GROUP BY 1, 2, 3"
_SAMPLES = f"SELECT {_STRETCH.format(7)}, {_COUNTS} {_FROM_JOURNAL} GROUP BY 1, 2, 3, 4"

# $1 actors, $2 measures, $3 the edge day, $4 its end, $5 limit on at, $6 and $7 book, $8 starts of the stretches.
# Slots may overlap (a day beside its hours; two hours are added for days of more than 24): each posting is taken once.
_LATE = f"""
    WITH late AS (
        SELECT DISTINCT engineer, measure, slot_ms, hours FROM bucket
        WHERE shard IN {_SHARDS} AND engineer = ANY($1::text[]) AND measure = ANY($2::text[]) AND book = $3
            AND slot_ms >= $4 AND slot_ms < $5
    ), j AS (
        SELECT DISTINCT j.shard, j.seq, j.ordinal, j.engineer, j.measure, j.book_ms, j.value, j.n
        FROM late JOIN journal j ON j.engineer = late.engineer AND j.measure = late.measure
            AND j.at_ms >= late.slot_ms AND j.at_ms < least(late.slot_ms + (late.hours + 2) * 3600000::bigint, $5)
        WHERE j.book_ms >= $6 AND j.book_ms < $7
    )"""  # noqa: S608 - constants of this module
_LATE_SUMS = f"{_LATE} SELECT {_STRETCH.format(8)}, {_SUMS} FROM j GROUP BY 1, 2, 3"  # noqa: S608 - constants of this module
_LATE_SAMPLES = f"{_LATE} SELECT {_STRETCH.format(8)}, {_COUNTS} FROM j GROUP BY 1, 2, 3, 4"  # noqa: S608 - constants of this module

# $1 shards and $2 their cutoffs (a shard without one had no posting then), $3 actors, $4 measures, $5 and $6 book, $7 limit on at
_FROM_SINCE = """
    FROM shard_head h LEFT JOIN unnest($1::int[], $2::bigint[]) AS cut(shard, seq) ON cut.shard = h.shard
    JOIN journal j ON j.shard = h.shard AND j.seq >= coalesce(cut.seq, 0)
    WHERE j.engineer = ANY($3::text[]) AND j.measure = ANY($4::text[]) AND j.book_ms >= $5 AND j.book_ms < $6 AND j.at_ms < $7"""
_SINCE = f"SELECT {_STRETCH.format(8)}, {_SUMS} {_FROM_SINCE} GROUP BY 1, 2, 3"
_SAMPLES_SINCE = f"SELECT {_STRETCH.format(8)}, {_COUNTS} {_FROM_SINCE} GROUP BY 1, 2, 3, 4"

# $1 actors, $2 measures, $3 and $4 book, $5 limit on at, $6 starts of the stretches, $7 shards and $8 their cutoffs (none: no cut)
_SAMPLES_IN_BOOK = f"""
    SELECT {_STRETCH.format(6)}, {_COUNTS}
    FROM journal j LEFT JOIN unnest($7::int[], $8::bigint[]) AS cut(shard, seq) ON cut.shard = j.shard
    WHERE j.engineer = ANY($1::text[]) AND j.measure = ANY($2::text[]) AND j.at_ms >= $3 AND j.at_ms < $5
        AND j.book_ms >= $3 AND j.book_ms < $4
        AND (cardinality($7::int[]) = 0 OR j.seq < coalesce(cut.seq, 0))
    GROUP BY 1, 2, 3, 4"""  # noqa: S608 - constants of this module
