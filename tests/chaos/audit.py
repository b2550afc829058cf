"""The auditor: does the database hold what was sent, once, and does every figure follow from it? Differences, in words.

It trusts nothing that the processor says of itself: cases are folded anew from the ledger and from the events as they were
sent, buckets are summed anew from the journal, counts are compared row by row. No differences: an empty list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import asyncpg

from schemas.codec import Decoded, decode
from schemas.wire import structured
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event, Identity
from services.core.kpi.histogram import bin_of
from services.core.kpi.measures import HISTOGRAM_MEASURES
from services.core.kpi.walk import Posted, fold_case
from services.store.cases import decode_posted
from services.store.mapping import event_from_decoded, event_from_ledger

CloudEvent = Mapping[str, Any]
CaseKey = tuple[int, str]
Key = TypeVar("Key", bound=Hashable)

EXAMPLES = 3
SYSTEM_SOURCE = "kaohe"  # the system's own corrections: nobody sent them, and they count all the same
EPOCH_DAY = date(1970, 1, 1)
HOUR_MS = 3_600_000


@dataclass(slots=True)
class Sent:
    """What producers sent and the broker took. The first content of an identity was sent first, to one partition.

    `poison` are the values of records that nobody can understand.
    """

    events: dict[Identity, list[CloudEvent]] = field(default_factory=dict)
    poison: list[bytes | None] = field(default_factory=list)
    _decoded: Sequence[Decoded] = ()

    def add(self, event: CloudEvent) -> None:
        """Add an event; an equal one adds nothing."""
        contents = self.events.setdefault((event["source"], event["id"]), [])
        if event not in contents:
            contents.append(event)

    def decoded(self) -> Sequence[Decoded]:
        """What the contract reads in the content that counts, of each identity. Nothing may be added any more."""
        if not self._decoded:
            self._decoded = [decoded_as_sent(contents[0]) for contents in self.events.values()]
        return self._decoded


@dataclass(slots=True)
class Books:
    """The database as one statement each saw it; read when nothing writes."""

    ledger: list[asyncpg.Record]
    cases: dict[CaseKey, Posted]
    journal: dict[CaseKey, Posted]
    of_ledger: dict[CaseKey, Posted]


async def audit(url: str, sent: Sent | None = None, definitions: Definitions | None = None) -> list[str]:
    """Return every difference inside the database, and between it and what was sent (None: not compared)."""
    definitions = definitions or Definitions()
    connection = await asyncpg.connect(url)
    try:
        books = await _read(connection, definitions)
        differences = [
            *_cases_differ(books),
            *await _buckets_differ(connection, definitions),
            *await _sequence_differs(connection),
            *await _counts_differ(connection),
            *await _positions_differ(connection),
        ]
        if sent is not None:
            differences += _ledger_differs(books, sent)
            differences += _sent_cases_differ(books, sent, definitions)
            differences += await _poison_differs(connection, sent)
        return differences
    finally:
        await connection.close()


def compare(what: str, found: Mapping[Key, Any], wanted: Mapping[Key, Any]) -> list[str]:
    """Say what is missing, what is too much and what differs; `what` names the table and its rows."""
    missing = [key for key in wanted if key not in found]
    extra = [key for key in found if key not in wanted]
    other = [key for key in wanted if key in found and found[key] != wanted[key]]
    return [
        *_said(f"{what}: {len(missing)} missing", [f"{key} (should be {wanted[key]})" for key in missing[:EXAMPLES]]),
        *_said(f"{what}: {len(extra)} too many", [f"{key} (is {found[key]})" for key in extra[:EXAMPLES]]),
        *_said(
            f"{what}: {len(other)} differ",
            [f"{key} (is {found[key]}, should be {wanted[key]})" for key in other[:EXAMPLES]],
        ),
    ]


def _said(claim: str, examples: Sequence[str]) -> list[str]:
    return [f"{claim}, e.g. {'; '.join(examples)}"[:1500]] if examples else []


def decoded_as_sent(event: CloudEvent) -> Decoded:
    """What the contract reads in an event as a producer sent it."""
    attributes = {name: value for name, value in event.items() if name != "data"}
    return decode(structured(attributes, event.get("data")), ())


async def _read(connection: asyncpg.Connection, definitions: Definitions) -> Books:
    ledger = await connection.fetch("SELECT shard, source, id, case_id, seq, content_hash, body FROM ledger")
    events: dict[CaseKey, list[Event]] = {}
    for row in ledger:
        events.setdefault((row["shard"], row["case_id"]), []).append(event_from_ledger(row["body"]))
    cases = {
        (row["shard"], row["case_id"]): decode_posted(row["posted"])
        for row in await connection.fetch("SELECT shard, case_id, posted FROM cases")
    }
    journal: dict[CaseKey, Posted] = {}
    for row in await connection.fetch(
        """SELECT shard, case_id, engineer, measure, dim, at_ms, book_ms, value, sum(n)::bigint AS n FROM journal
           GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING sum(n) <> 0"""
    ):
        shard, case_id, engineer, measure, dim, at_ms, book_ms, value, n = row
        journal.setdefault((shard, case_id), {})[engineer, measure, dim, at_ms, book_ms, value] = n
    return Books(ledger, cases, journal, {key: fold_case(case, definitions).posted for key, case in events.items()})


def _cases_differ(books: Books) -> list[str]:
    """Journal of a case = its posted set = the fold of its events in the ledger."""
    posting = {key: posted for key, posted in books.cases.items() if posted}
    folded = {key: posted for key, posted in books.of_ledger.items() if posted}
    return [
        *compare("cases against the ledger's", dict.fromkeys(books.cases), dict.fromkeys(books.of_ledger)),
        *compare("journal of a case against its posted set", books.journal, posting),
        *compare("journal of a case against the fold of its ledger", books.journal, folded),
    ]


def _ledger_differs(books: Books, sent: Sent) -> list[str]:
    """Ledger = the distinct ids sent, each with the content that was sent first."""
    found = {
        (row["source"], row["id"]): row["content_hash"].hex()[:12]
        for row in books.ledger
        if row["source"] != SYSTEM_SOURCE
    }
    wanted = {(event.source, event.id): event.content_hash.hex()[:12] for event in sent.decoded()}
    twice = Counter((row["source"], row["id"]) for row in books.ledger)
    return [
        *compare("ledger against the events sent", found, wanted),
        *_said(
            "ledger: one identity more than once", [str(key) for key, times in twice.items() if times > 1][:EXAMPLES]
        ),
    ]


def _sent_cases_differ(books: Books, sent: Sent, definitions: Definitions) -> list[str]:
    """The posted sets = the fold of the events as they were sent: the oracle."""
    events: dict[str, list[Event]] = {}
    for decoded in sent.decoded():
        events.setdefault(decoded.partitionkey, []).append(event_from_decoded(decoded))
    for row in books.ledger:
        if row["source"] == SYSTEM_SOURCE:
            events.setdefault(row["case_id"], []).append(event_from_ledger(row["body"]))
    oracle = {case: fold_case(told, definitions).posted for case, told in events.items()}
    found: dict[str, Posted] = {}
    for (_, case), posted in books.cases.items():
        found[case] = found.get(case, {}) | posted
    return compare("posted set of a case against the events sent", found, oracle)


async def _poison_differs(connection: asyncpg.Connection, sent: Sent) -> list[str]:
    rows = await connection.fetch("SELECT value FROM quarantine")
    return compare(
        "quarantine against the poison sent",
        {row["value"]: "kept" for row in rows},
        dict.fromkeys(sent.poison, "kept"),
    )


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a posting in the buckets as it was laid out when it was recorded."""

    definitions: Definitions

    def of(self, at_ms: int, recorded_at: datetime) -> tuple[int, int]:
        """(slot start, hours): an hour from the local yesterday of the recording on, a local day before."""
        recorded_ms = (recorded_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        yesterday = self.definitions.day_start_ms(self.definitions.local_day(recorded_ms) - 1)
        if at_ms >= yesterday:
            return at_ms - at_ms % HOUR_MS, 1
        return self.definitions.day_start_ms(self.definitions.local_day(at_ms)), 24


async def _buckets_differ(connection: asyncpg.Connection, definitions: Definitions) -> list[str]:
    """Every bucket row = the sum of its journal postings, and every posting is in a bucket, durations by histogram bin."""
    sums: dict[tuple[Any, ...], tuple[int, int]] = {}
    place = Slot(definitions)
    async with connection.transaction():
        async for row in connection.cursor(
            "SELECT shard, engineer, measure, dim, book_ms, at_ms, value, n, recorded_at FROM journal", prefetch=5_000
        ):
            shard, engineer, measure, dim, book_ms, at_ms, value, n, recorded_at = row
            book = EPOCH_DAY + timedelta(days=definitions.local_day(book_ms))
            place_in_histogram = bin_of(value) if measure in HISTOGRAM_MEASURES else -1
            key = (shard, engineer, measure, dim, book, *place.of(at_ms, recorded_at), place_in_histogram)
            items, total = sums.get(key, (0, 0))
            sums[key] = (items + n, total + n * value)
    columns = "shard, engineer, measure, dim, book, slot_ms, hours, bin"
    buckets = {
        tuple(row)[:8]: (row["n"], row["value"])
        for row in await connection.fetch(f"SELECT {columns}, n, value FROM bucket")
    }
    return compare(
        "bucket against its postings",
        _nonzero(buckets, (0, 0)),
        _nonzero(_compacted(sums, buckets, definitions), (0, 0)),
    )


def _nonzero(rows: Mapping[Key, Any], nothing: object) -> dict[Key, Any]:
    return {key: value for key, value in rows.items() if value != nothing}


def _first_hours(rows: Iterable[tuple[Any, ...]]) -> dict[int, int]:
    """Per shard the oldest hour slot that stands: older ones were compacted into days."""
    first: dict[int, int] = {}
    for key in rows:
        if key[6] == 1:
            first[key[0]] = min(key[5], first.get(key[0], key[5]))
    return first


def _day_slot(key: tuple[Any, ...], first: Mapping[int, int], definitions: Definitions) -> tuple[Any, ...]:
    if key[6] == 1 and key[5] < first.get(key[0], 1 << 62):
        return (*key[:5], definitions.day_start_ms(definitions.local_day(key[5])), 24, *key[7:])
    return key


def _compacted(
    sums: Mapping[tuple[Any, ...], tuple[int, int]], found: Collection[tuple[Any, ...]], definitions: Definitions
) -> dict[tuple[Any, ...], tuple[int, int]]:
    first = _first_hours(found)
    merged: dict[tuple[Any, ...], tuple[int, int]] = {}
    for key, (n, value) in sums.items():
        place = _day_slot(key, first, definitions)
        items, total = merged.get(place, (0, 0))
        merged[place] = (items + n, total + value)
    return merged


async def _sequence_differs(connection: asyncpg.Connection) -> list[str]:
    """Commits of a shard are numbered 1 … head without a gap."""
    rows = await connection.fetch(
        """SELECT h.shard, h.seq AS head, count(c.seq) AS commits, coalesce(min(c.seq), 1) AS first, coalesce(max(c.seq), 0) AS last
           FROM shard_head h LEFT JOIN commits c USING (shard) GROUP BY h.shard, h.seq"""
    )
    return [
        f"seq of shard {row['shard']}: the head says {row['head']}, there are {row['commits']} commits from {row['first']} to {row['last']}"
        for row in rows
        if not row["head"] == row["commits"] == row["last"] or row["first"] != 1
    ]


COUNTED = {
    "events": "ledger",
    "conflicts": "conflict",
    "quarantined": "quarantine",
    "misrouted": "misrouted",
    "postings": "journal",
}


async def _counts_differ(connection: asyncpg.Connection) -> list[str]:
    """What a commit says it did is what stands in the tables under its number."""
    differences = []
    for column, table in COUNTED.items():
        said = await connection.fetch(f"SELECT shard, seq, {column} AS n FROM commits WHERE {column} <> 0")
        rows = await connection.fetch(f"SELECT shard, seq, count(*) AS n FROM {table} GROUP BY 1, 2")
        differences += compare(
            f"rows of {table} by (shard, seq) against the commits",
            {(row["shard"], row["seq"]): row["n"] for row in rows},
            {(row["shard"], row["seq"]): row["n"] for row in said},
        )
    return differences


async def _positions_differ(connection: asyncpg.Connection) -> list[str]:
    """Commits of a topic's partition follow one another from its first sight to its position, without gap or overlap."""
    rows = await connection.fetch(
        "SELECT topic, shard, position_from, position_to FROM commits WHERE kind = 'events' ORDER BY topic, shard, seq"
    )
    stands = {
        (row["topic"], row["shard"]): (row["log_start"], row["position"])
        for row in await connection.fetch("SELECT topic, shard, log_start, position FROM shard_position")
    }
    reached = {at: start for at, (start, _) in stands.items()}
    differences = []
    for row in rows:
        at = (row["topic"], row["shard"])
        if at not in reached:
            differences.append(f"{at}: commits, but no position")
        elif row["position_from"] != reached[at] or row["position_to"] < row["position_from"]:
            differences.append(
                f"{at}: a commit covers [{row['position_from']}, {row['position_to']}) after {reached[at]}"
            )
        reached[at] = row["position_to"]
    differences += [
        f"{at}: position {position}, the commits reach {reached[at]}"
        for at, (_, position) in stands.items()
        if reached[at] != position
    ]
    return differences[: 3 * EXAMPLES]
