"""Events go in over HTTP and stand in Kafka when the answer says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import orjson
import pytest

from schemas.codec import Decoded
from services.runtime.partition import shard_of
from services.runtime.security import Scope
from services.store import keys
from tests.integration.ingest.running import Running, event


def urn(answer: httpx.Response) -> str:
    """The kind of problem that an answer is."""
    assert answer.headers["content-type"] == "application/problem+json"
    kind: str = answer.json()["type"]
    return kind.removeprefix("urn:kaohe:problem:")


def figure(text: str, line: str) -> float:
    """A figure of the metrics page, 0 when it is not there yet."""
    found = [row for row in text.splitlines() if row.startswith(f"kaohe_ingest_{line} ")]
    return float(found[0].split()[-1]) if found else 0.0


async def test_an_accepted_event_is_in_its_partition_at_the_offset_told(gateway: Running) -> None:
    answer = await gateway.post(event(id="1001", subject="PG-77"))
    assert answer.status_code == 202
    [told] = answer.json()["verdicts"]
    [(partition, offset, decoded)] = await gateway.records()
    assert told == {
        "index": 0,
        "status": "accepted",
        "source": "crm",
        "id": "1001",
        "partition": partition,
        "offset": offset,
    }
    assert isinstance(decoded, Decoded)
    assert (decoded.partitionkey, partition) == ("PG-77", shard_of("PG-77", 8))


async def test_the_three_modes_make_the_same_event(gateway: Running) -> None:
    told = event(id="same", sequence="4", subject="单 1")
    structured = await gateway.post(told)
    batch = await gateway.post([told])
    headers = {f"ce-{name}": value for name, value in told.items() if name not in {"data", "subject"}}
    headers |= {"ce-subject": "%E5%8D%95%201", "content-type": "application/json"}
    binary = await gateway.client.post("/v1/events", json=told["data"], headers=headers)
    plain = await gateway.client.post("/v1/events", json=told)
    assert [answer.status_code for answer in (structured, batch, binary, plain)] == [202] * 4
    hashes = {read.content_hash for _, _, read in await gateway.records() if isinstance(read, Decoded)}
    assert len(hashes) == 1


async def test_events_of_a_batch_keep_their_order_within_a_case(gateway: Running) -> None:
    answer = await gateway.post([event(id=str(n), subject=f"PG-{n % 7}") for n in range(2_000)])
    assert answer.json()["accepted"] == 2_000
    seen: dict[str, list[int]] = {}
    for _, _, read in sorted(await gateway.records(), key=lambda record: record[:2]):
        assert isinstance(read, Decoded)
        seen.setdefault(read.partitionkey, []).append(int(read.id))
    assert all(ids == sorted(ids) for ids in seen.values())
    assert sum(map(len, seen.values())) == 2_000


async def test_a_rejected_event_does_not_stop_its_neighbours(gateway: Running) -> None:
    batch = [
        event(id="a"),
        event(id="naive", time="2026-10-08T09:00:00"),
        event(id="wrong", data={"engineer": 17}),
        "no event",
        None,
        event(id="b", specversion="0.3"),
        event(id="nul", data={"customer": "a\0b"}),
        event(id=...),
        event(id="z"),
    ]
    answer = await gateway.post(batch)
    assert answer.status_code == 202
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (2, 7)
    assert [(v["status"], v["id"]) for v in body["verdicts"]] == [
        ("accepted", "a"), ("rejected", "naive"), ("rejected", "wrong"), ("rejected", None), ("rejected", None), ("rejected", "b"), ("rejected", "nul"),
        ("rejected", None), ("accepted", "z"),
    ]  # fmt: skip
    assert [v["errors"][0]["pointer"] for v in body["verdicts"] if "errors" in v] == [
        "/time", "/data/engineer", "", "", "/specversion", "/data/customer", "/id",
    ]  # fmt: skip
    assert "no offset" in body["verdicts"][1]["errors"][0]["reason"]
    assert {read.id for _, _, read in await gateway.records() if isinstance(read, Decoded)} == {"a", "z"}


async def test_a_request_of_rejected_events_only_is_a_problem_with_verdicts(gateway: Running) -> None:
    answer = await gateway.post(event(time="yesterday"))
    assert (answer.status_code, urn(answer)) == (422, "all-rejected")
    assert answer.json()["verdicts"][0]["errors"][0]["pointer"] == "/time"
    assert await gateway.records() == []


async def test_an_empty_batch_is_taken(gateway: Running) -> None:
    answer = await gateway.post([])
    assert (answer.status_code, answer.json()) == (202, {"accepted": 0, "rejected": 0, "verdicts": []})


async def test_an_unknown_type_is_accepted_with_a_note_and_reads_as_unknown(gateway: Running) -> None:
    answer = await gateway.post(
        [
            event(type="com.example.thing"),
            event(type="kaohe.dispatch.accepted.v2"),
            event(type="com.example.thing", subject=...),
        ]
    )
    assert answer.status_code == 202
    verdicts = answer.json()["verdicts"]
    assert [v["status"] for v in verdicts] == ["accepted", "accepted", "rejected"]
    assert [v.get("note") for v in verdicts] == ["unknown_type", "unknown_version", None]
    assert sorted(str(read) for _, _, read in await gateway.records()) == ["UnknownType", "UnknownVersion"]


async def test_a_time_in_the_future_is_rejected_beyond_the_tolerance(gateway: Running) -> None:
    answer = await gateway.post([event(time="2126-01-01T00:00:00Z"), event(time="9999-12-31T23:59:59Z"), event()])
    verdicts = answer.json()["verdicts"]
    assert [v["status"] for v in verdicts] == ["rejected", "rejected", "accepted"]
    assert "future" in verdicts[0]["errors"][0]["reason"]


async def test_a_producers_own_kaohe_attributes_are_replaced_by_the_gateways(gateway: Running) -> None:
    plain = await gateway.post(event(id="stamped", kaohekey="forged", kaohereceived="1999-01-01T00:00:00Z"))
    assert plain.status_code == 202
    again = await gateway.post(event(id="stamped"))
    assert again.status_code == 202
    assert len({read.content_hash for _, _, read in await gateway.records() if isinstance(read, Decoded)}) == 1


async def test_a_forged_source_is_rejected_and_its_neighbour_is_not(gateway: Running) -> None:
    key = await gateway.key(sources=["crm", "pbx/*"])
    batch = [
        event(source="crm"),
        event(source="pbx/3"),
        event(source="crm2"),
        event(source="kaohe"),
        event(source="hr"),
    ]
    answer = await gateway.post(batch, key=key)
    assert [v["status"] for v in answer.json()["verdicts"]] == [
        "accepted",
        "accepted",
        "rejected",
        "rejected",
        "rejected",
    ]
    assert {v["errors"][0]["pointer"] for v in answer.json()["verdicts"] if "errors" in v} == {"/source"}
    reserved = await gateway.post(event(source="kaohe"))
    assert "reserved" in reserved.json()["verdicts"][0]["errors"][0]["reason"]


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
async def test_a_key_is_taken_from_either_header(gateway: Running, header: str) -> None:
    key = await gateway.key()
    del gateway.client.headers["authorization"]
    value = f"bearer {key}" if header == "authorization" else key
    answer = await gateway.client.post("/v1/events", json=event(), headers={header: value})
    assert answer.status_code == 202


async def test_without_a_key_in_force_nothing_is_taken(gateway: Running) -> None:
    expired = await gateway.key(days=-1)
    known = await gateway.key()
    wrong_secret = known[:-1] + ("0" if known[-1] != "0" else "1")
    for key, kind in (
        (expired, "expired-key"),
        (wrong_secret, "unknown-key"),
        ("kh_abc_def", "unknown-key"),
        ("é", "unknown-key"),
    ):
        answer = await gateway.client.post(
            "/v1/events", json=event(), headers=[(b"authorization", f"Bearer {key}".encode())]
        )
        assert (answer.status_code, urn(answer)) == (401, kind)
        assert answer.headers["www-authenticate"] == "Bearer"
    del gateway.client.headers["authorization"]
    missing = await gateway.client.post("/v1/events", json=event())
    assert (missing.status_code, urn(missing)) == (401, "no-key")
    assert await gateway.records() == []


async def test_a_key_of_another_scope_is_refused(gateway: Running) -> None:
    answer = await gateway.post(event(), key=await gateway.key(scopes=[Scope.READ, Scope.FREEZE]))
    assert (answer.status_code, urn(answer)) == (403, "missing-scope")


async def test_a_revoked_key_is_refused(gateway: Running) -> None:
    key = await gateway.key()
    connection = await asyncpg.connect(gateway.database.app_url)
    await keys.revoke(connection, key.split("_")[1])
    await connection.close()
    answer = await gateway.post(event(), key=key)
    assert (answer.status_code, urn(answer)) == (401, "revoked-key")


async def test_the_use_of_a_key_is_noted(gateway: Running) -> None:
    await gateway.post(event())
    connection = await asyncpg.connect(gateway.database.app_url)
    listed = await keys.listed(connection)
    await connection.close()
    assert listed[-1].last_used_at is not None  # the newest key is this test's


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a": NaN}', b"[" * 5_000])
async def test_a_body_that_is_not_json_is_a_400(gateway: Running, body: bytes) -> None:
    answer = await gateway.client.post(
        "/v1/events", content=body, headers={"content-type": "application/cloudevents+json"}
    )
    assert (answer.status_code, urn(answer)) == (400, "not-json")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/cloudevents-batch+json", b"{}"),
        ("application/cloudevents+json", b"[]"),
        ("application/json", b"[]"),
        ("application/json", b"7"),
    ],
)
async def test_a_body_of_another_shape_than_its_media_type_is_a_400(gateway: Running, kind: str, body: bytes) -> None:
    answer = await gateway.client.post("/v1/events", content=body, headers={"content-type": kind})
    assert (answer.status_code, urn(answer)) == (400, "not-cloudevents")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/xml"},
        {"content-type": "application/cloudevents+avro"},
        {"content-type": "application/json; charset=gbk"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {},
    ],
)
async def test_another_media_type_is_a_415(gateway: Running, headers: dict[str, str]) -> None:
    answer = await gateway.client.post("/v1/events", content=orjson.dumps(event()), headers=headers)
    assert (answer.status_code, urn(answer)) == (415, "unsupported-media-type")


async def test_a_single_event_of_a_megabyte_is_a_413_that_names_the_limit(gateway: Running) -> None:
    answer = await gateway.post(event(data={"note": "x" * 1_000_000}))
    assert (answer.status_code, urn(answer), answer.json()["limit"]) == (413, "body-too-large", 512 * 1024)


async def test_a_large_event_in_a_batch_is_rejected_and_its_neighbours_are_not(gateway: Running) -> None:
    answer = await gateway.post([event(), event(data={"note": "x" * 1_000_000}), event()])
    verdicts = answer.json()["verdicts"]
    assert [v["status"] for v in verdicts] == ["accepted", "rejected", "accepted"]
    assert str(512 * 1024) in verdicts[1]["errors"][0]["reason"]


async def test_a_body_is_not_read_beyond_the_limit_however_it_is_sent(gateway: Running) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1_000_000

    headers = {"content-type": "application/cloudevents-batch+json"}
    declared = await gateway.client.post("/v1/events", content=b" " * 6_000_000, headers=headers)
    assert (declared.status_code, declared.json()["limit"]) == (413, 5 * 1024 * 1024)
    try:
        streamed = await gateway.client.post("/v1/events", content=chunks(), headers=headers)
    except httpx.TransportError:
        pass  # the server hung up while the client was still sending: just as early
    else:
        assert streamed.status_code == 413
    assert gateway.context.gate.taken == 0


async def test_a_batch_of_ten_thousand_is_a_413_that_names_the_limit(gateway: Running) -> None:
    answer = await gateway.post([{}] * 10_000)
    assert (answer.status_code, urn(answer), answer.json()["limit"]) == (413, "batch-too-large", 5_000)


async def test_deep_nesting_is_rejected_with_the_limit(gateway: Running) -> None:
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    answer = await gateway.post([event(data={"deep": deep}), event()])
    verdicts = answer.json()["verdicts"]
    assert [v["status"] for v in verdicts] == ["rejected", "accepted"]
    assert "16" in verdicts[0]["errors"][0]["reason"]


async def test_a_binary_event_with_unreadable_headers_is_a_400(gateway: Running) -> None:
    headers = [(b"content-type", b"application/json"), (b"ce-specversion", b"1.0"), (b"ce-id", b"%ff")]
    answer = await gateway.client.post("/v1/events", content=b"{}", headers=headers)
    assert (answer.status_code, urn(answer)) == (400, "not-cloudevents")


async def test_the_gateway_says_what_it_does_not_offer(gateway: Running) -> None:
    missing, wrong = await gateway.client.get("/v2/events"), await gateway.client.get("/v1/events")
    assert (missing.status_code, urn(missing)) == (404, "not-found")
    assert (wrong.status_code, urn(wrong), wrong.headers["allow"]) == (405, "method-not-allowed", "POST")


async def test_many_clients_at_a_time_are_all_answered(gateway: Running) -> None:
    answers = await asyncio.gather(*(gateway.post([event() for _ in range(50)]) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {202}
    places = {(v["partition"], v["offset"]) for answer in answers for v in answer.json()["verdicts"]}
    assert len(places) == 2_000
    assert len(await gateway.records()) == 2_000
    assert gateway.context.gate.taken == 0


async def test_operators_see_its_state(gateway: Running) -> None:
    before = (await gateway.client.get("/metrics")).text
    await gateway.post([event(), event(id=""), event(type="com.example.thing")])
    live, ready = await gateway.client.get("/livez"), await gateway.client.get("/readyz")
    assert (live.status_code, ready.status_code) == (200, 200)
    figures = (await gateway.client.get("/metrics")).text
    for line, more in (
        ('events_total{status="accepted"}', 2),
        ('events_total{status="rejected"}', 1),
        ('noted_total{note="unknown_type"}', 1),
    ):
        assert figure(figures, line) - figure(before, line) == more
    assert "crm" not in figures


async def test_the_description_names_body_answers_and_keys(gateway: Running) -> None:
    described = (await gateway.client.get("/openapi.json")).json()
    assert (await gateway.client.get("/openapi.json", headers={"authorization": "Bearer none"})).status_code == 401
    operation = described["paths"]["/v1/events"]["post"]
    assert "application/cloudevents-batch+json" in operation["requestBody"]["content"]
    assert {"202", "400", "401", "403", "413", "415", "422", "503"} <= operation["responses"].keys()
