"""Bad input from direct producers: kept with its bytes and coordinates, never in the way of its neighbours.

One worker reads one log that holds every kind of it, each between two good events of the same partition.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from schemas.wire import STRUCTURED_HEADERS
from services.runtime.partition import shard_of
from services.stack.sandbox import Sandbox
from services.store.incidents import headers_from_json
from tests.chaos.audit import SYSTEM_SOURCE, audit
from tests.chaos.audit_log import audit_log
from tests.chaos.fleet import Fleet
from tests.chaos.site import PARTITIONS, Site
from tests.integration.metrics.partitions import event

Headers = tuple[tuple[str, bytes | None], ...]
MEGABYTE = 1_000_000
AT = 5  # the partition of the bad records


def unit(partition: int, number: int = 0) -> str:
    """The name of a case that belongs to a partition; another one for each number."""
    return [name for name in (f"TK-{n}" for n in range(999)) if shard_of(name, PARTITIONS) == partition][number]


def told(**changed: Any) -> bytes:
    """A good event with members changed; `...` takes one out."""
    made = {**event(unit(AT), 0), **changed}
    return orjson.dumps({name: value for name, value in made.items() if value is not ...})


def binary(**attributes: bytes) -> Headers:
    """Headers of an event in binary mode, with attributes changed."""
    good = {"specversion": b"1.0", "id": b"b1", "source": b"crm", "type": b"kaohe.ticket.opened.v1",
            "subject": b"T", "partitionkey": unit(AT).encode(), "time": b"2026-10-08T09:00:00Z"}  # fmt: skip
    return tuple((f"ce_{name}", value) for name, value in {**good, **attributes}.items())


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that nobody can understand, and how that is said."""

    value: bytes | None
    error: str
    pointer: str = ""
    headers: Headers = STRUCTURED_HEADERS


BAD: dict[str, Bad] = {
    "not JSON": Bad(b"order 4711 accepted", "NotJson"),
    "JSON cut short": Bad(told()[:-9], "NotJson"),
    "not UTF-8": Bad(b'{"specversion":"1.0","id":"\xff\xfe"}', "NotJson"),
    "NaN": Bad(told()[:-1] + b',"data":{"score":NaN}}', "NotJson"),
    "NUL bytes": Bad(b"\x00" * 64, "NotJson"),
    "half a megabyte of noise": Bad(b"\x80" * (MEGABYTE // 2), "NotJson"),
    "a JSON list": Bad(b"[1, 2, 3]", "NotCloudEvent"),
    "a JSON object of another kind": Bad(b'{"order": 4711}', "NotCloudEvent", "/specversion"),
    "CloudEvents 0.3": Bad(told(specversion="0.3"), "NotCloudEvent", "/specversion"),
    "a null value": Bad(None, "NotCloudEvent"),
    "an empty value": Bad(b"", "NotCloudEvent"),
    "a batch": Bad(
        b"[" + told() + b"]", "NotCloudEvent", headers=(("content-type", b"application/cloudevents-batch+json"),)
    ),
    "an unknown type": Bad(told(type="com.example.order.vanished"), "UnknownType", "/type"),
    "an unknown version": Bad(told(type="kaohe.ticket.opened.v9"), "UnknownVersion", "/type"),
    "no partitionkey": Bad(told(partitionkey=...), "InvalidField", "/partitionkey"),
    "no subject": Bad(told(subject=...), "InvalidField", "/subject"),
    "a number for a name": Bad(told(data={"engineer": 17}), "InvalidField", "/data/engineer"),
    "a naive time": Bad(told(time="2026-10-08T09:00:00"), "InvalidField", "/time"),
    "no such day": Bad(told(time="2026-02-30T09:00:00Z"), "InvalidField", "/time"),
    "a NUL in an id": Bad(told(id="a\0b"), "InvalidField", "/id"),
    "a NUL in the data": Bad(told(data={"note": ["fine", "not\0fine"]}), "InvalidField", "/data/note/1"),
    "a space in the source": Bad(told(source="c r m"), "InvalidField", "/source"),
    "deep nesting": Bad(told(data=json.loads('{"a":' * 40 + "1" + "}" * 40)), "InvalidField"),
    "very deep nesting": Bad(b"[" * 100_000 + b"]" * 100_000, "NotJson"),
    "a foreign correction": Bad(
        told(type="kaohe.event.withdrawn.v1", subject=..., data={"target": "1", "target_source": "hq"}),
        "InvalidField",
        "/data/target_source",
    ),
    "binary mode with a broken attribute": Bad(b"{}", "InvalidField", "/subject", binary(subject=b"\xff")),
    "binary mode with broken data": Bad(b"{", "NotJson", "", binary()),
    "a null header": Bad(b"noise", "NotJson", "", (("trace", None), ("content-type", None), ("ce_id", None))),
    "binary mode with a null attribute": Bad(
        b"{}", "InvalidField", "/id", (*binary()[2:], ("ce_specversion", b"1.0"), ("ce_id", None))
    ),
    "headers with NUL": Bad(b"noise", "NotJson", "", (("na\0me", b"\x00\xff"),)),
}


@dataclass(slots=True)
class Sent:
    """What was written where."""

    site: Site
    offsets: dict[str, int] = field(default_factory=dict)
    good: list[tuple[str, str]] = field(default_factory=list)

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Look into the database."""
        connection = await asyncpg.connect(self.site.database.superuser_url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows
        finally:
            await connection.close()


class Writer:
    """A direct producer that says the partition itself."""

    def __init__(self, producer: AIOKafkaProducer, sent: Sent) -> None:
        self._producer = producer
        self._sent = sent
        self._neighbours = 0

    async def write(
        self,
        value: bytes | None,
        *,
        partition: int = AT,
        key: bytes | None = b"k",
        headers: Headers = STRUCTURED_HEADERS,
    ) -> int:
        """Write a record; returns its offset."""
        done = await self._producer.send_and_wait(
            self._sent.site.main, value=value, key=key, partition=partition, headers=list(headers)
        )
        offset: int = done.offset
        return offset

    async def neighbour(self) -> None:
        """Write a good event to the partition of the bad ones."""
        self._neighbours += 1
        case = unit(AT, self._neighbours % 7)
        good = event(case, self._neighbours, "ticket.assigned", engineer=f"E{self._neighbours % 3}")
        self._sent.good.append(("crm", good["id"]))
        await self.write(orjson.dumps(good))


@asynccontextmanager
async def writing(sent: Sent) -> AsyncIterator[Writer]:
    """A producer that takes records of a megabyte and more."""
    producer = AIOKafkaProducer(
        bootstrap_servers=sent.site.brokers, acks="all", max_request_size=2 * MEGABYTE, linger_ms=0
    )
    await producer.start()
    try:
        yield Writer(producer, sent)
    finally:
        await producer.stop()


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def sent(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sent]:
    """Everything bad between good neighbours, written, and counted by one worker."""
    sent = Sent(await Site.on(sandbox, tmp_path_factory.mktemp("bad")))
    async with writing(sent) as writer:
        for name, bad in BAD.items():
            await writer.neighbour()
            sent.offsets[name] = await writer.write(bad.value, headers=bad.headers)
        await contradictions(writer, sent)
        await writer.neighbour()
    async with Fleet(sent.site.folder, sent.site.environment(DOUBLES_SECONDS="0.3"), size=1) as fleet:
        assert await sent.site.converge(60) == []
        assert await sent.site.settled("SELECT count(*) = 1 FROM double_found", 20)
        assert await sent.site.settled(f"SELECT count(*) = 1 FROM ledger WHERE source = '{SYSTEM_SOURCE}'", 20)
        assert await sent.site.converge(20) == []
        assert fleet.ends.beside() == []
    yield sent
    await sandbox.drop(sent.site.database)


async def contradictions(writer: Writer, sent: Sent) -> None:
    """What follows the contract and is wrong all the same."""
    original = event(unit(AT, 8), 1, "ticket.opened", engineer="E1")
    other = {**original, "data": {"engineer": "E2"}}
    await writer.write(orjson.dumps(original))
    sent.offsets["same id, other payload"] = await writer.write(orjson.dumps(other))
    elsewhere = (AT + 1) % PARTITIONS
    for number, partition in enumerate((AT, elsewhere)):
        double = {**event(unit(partition, 9), 1, "ticket.opened", engineer="E1"), "id": "double"}
        sent.offsets[f"double {number}"] = await writer.write(orjson.dumps(double), partition=partition)
    astray = event(unit(elsewhere, 10), 1, "ticket.opened", engineer="E1")
    sent.offsets["wrong partitioner"] = await writer.write(orjson.dumps(astray), key=unit(elsewhere, 10).encode())
    await as_large_as_the_topic_takes(writer, sent, elsewhere)
    large = event(unit(AT, 11), 1, "ticket.opened", engineer="E1", note="说" * (MEGABYTE // 3))
    sent.offsets["1 MB"] = await writer.write(orjson.dumps(large))
    ahead = event(unit(AT, 12), 1, "ticket.opened", "2099-01-01T00:00:00Z", engineer="E1")
    sent.offsets["time in the future"] = await writer.write(orjson.dumps(ahead))
    sent.good += [("crm", made["id"]) for made in (original, double, double, astray, large, ahead)]


async def as_large_as_the_topic_takes(writer: Writer, sent: Sent, right: int) -> None:
    """In the wrong partition and without a key: with its case as the key it would be larger than the topic's limit."""
    case = next(name for name in (f"{n:0>255}" for n in range(999)) if shard_of(name, PARTITIONS) == right)
    made = event(case, 1, "ticket.opened", engineer="E1", note="")
    made["id"] = "large"
    room = 1024 * 1024 - len(orjson.dumps(made)) - 160
    made["data"]["note"] = "x" * room
    sent.offsets["large and astray"] = await writer.write(orjson.dumps(made), key=None)


@pytest.mark.parametrize("name", BAD)
async def test_it_is_kept_with_its_bytes_its_coordinates_and_the_reason(sent: Sent, name: str) -> None:
    (row,) = await sent.rows(
        "SELECT * FROM quarantine WHERE topic = $1 AND shard = $2 AND kafka_offset = $3",
        sent.site.main,
        AT,
        sent.offsets[name],
    )
    bad = BAD[name]
    assert (row["error"], row["key"], row["value"]) == (bad.error, b"k", bad.value), row["reason"]
    assert tuple(headers_from_json(row["headers"])) == bad.headers
    assert row["reason"]
    assert row["appended_ms"] > 0
    assert row["pointer"] == bad.pointer or not bad.pointer


async def test_nothing_else_is_in_quarantine(sent: Sent) -> None:
    rows = await sent.rows("SELECT kafka_offset FROM quarantine")
    assert {row["kafka_offset"] for row in rows} == {sent.offsets[name] for name in [*BAD, "large and astray"]}


async def test_every_neighbour_counts(sent: Sent) -> None:
    rows = await sent.rows("SELECT source, id FROM ledger WHERE source <> $1", SYSTEM_SOURCE)
    assert sorted((row["source"], row["id"]) for row in rows) == sorted(sent.good)


async def test_the_books_are_in_order_and_account_for_every_record_of_the_log(sent: Sent) -> None:
    assert await audit(sent.site.database.superuser_url) == []
    assert await audit_log(sent.site.database.superuser_url, sent.site.brokers, sent.site.topics) == []


async def test_the_same_id_with_another_payload_is_a_conflict_and_the_recorded_one_counts(sent: Sent) -> None:
    (row,) = await sent.rows("SELECT * FROM conflict")
    assert (row["shard"], row["topic"], row["kafka_offset"]) == (
        AT,
        sent.site.main,
        sent.offsets["same id, other payload"],
    )
    assert b'"engineer":"E2"' in row["body"]
    (recorded,) = await sent.rows("SELECT body FROM ledger WHERE id = $1", row["id"])
    assert b'"engineer":"E1"' in recorded["body"]


async def test_the_same_id_under_another_key_is_found_and_the_later_one_withdrawn(sent: Sent) -> None:
    (row,) = await sent.rows("SELECT * FROM double_found")
    assert (row["source"], row["id"]) == ("crm", "double")
    assert {row["kept_case"], row["withdrawn_case"]} == {unit(AT, 9), unit((AT + 1) % PARTITIONS, 9)}
    posted = {
        case: await sent.rows("SELECT measure, sum(n) FROM journal WHERE case_id = $1 GROUP BY 1, engineer, at_ms, book_ms, value HAVING sum(n) <> 0", case)
        for case in (row["kept_case"], row["withdrawn_case"])
    }  # fmt: skip
    assert posted[row["kept_case"]]
    assert posted[row["withdrawn_case"]] == []
    (withdrawal,) = await sent.rows("SELECT * FROM ledger WHERE source = $1", SYSTEM_SOURCE)
    assert (withdrawal["case_id"], withdrawal["shard"]) == (row["withdrawn_case"], row["withdrawn_shard"])


async def test_a_record_in_the_wrong_partition_is_listed_forwarded_and_counted_where_it_belongs(sent: Sent) -> None:
    (row,) = await sent.rows("SELECT * FROM misrouted")
    right = (AT + 1) % PARTITIONS
    assert (row["shard"], row["kafka_offset"], row["target_shard"]) == (AT, sent.offsets["wrong partitioner"], right)
    (recorded,) = await sent.rows("SELECT * FROM ledger WHERE id = $1", row["id"])
    assert (recorded["shard"], recorded["topic"], recorded["case_id"]) == (right, sent.site.main, unit(right, 10))


async def test_a_stray_too_large_to_be_forwarded_is_kept_and_holds_up_nobody(sent: Sent) -> None:
    (row,) = await sent.rows("SELECT * FROM quarantine WHERE kafka_offset = $1", sent.offsets["large and astray"])
    assert (row["error"], row["reason"]) == ("TooLargeToForward", f"in partition {AT}, belongs to {AT + 1}")
    assert len(row["value"]) > MEGABYTE


async def test_a_megabyte_that_follows_the_contract_counts_and_is_kept_whole(sent: Sent) -> None:
    (row,) = await sent.rows("SELECT kafka_offset, length(body) AS size FROM ledger WHERE case_id = $1", unit(AT, 11))
    assert row["kafka_offset"] == sent.offsets["1 MB"]
    assert row["size"] > MEGABYTE - 3


async def test_a_time_in_the_future_counts_from_then_on_and_not_before(sent: Sent) -> None:
    rows = await sent.rows("SELECT at_ms, recorded_at FROM journal WHERE case_id = $1", unit(AT, 12))
    assert rows
    assert all(row["at_ms"] > row["recorded_at"].timestamp() * 1000 for row in rows)
