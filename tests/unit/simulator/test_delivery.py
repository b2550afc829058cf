"""Ways out: batches are repeated with the same ids until they are acknowledged; a refusal is told, a silence is an error."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.simulator.delivery.gateway import gateway
from services.simulator.delivery.jsonl import jsonl
from services.simulator.delivery.kafka import kafka
from services.simulator.delivery.receipt import DeliveryError, Receipt, Rejection
from services.simulator.disturbances import Arrival
from services.simulator.pace import Speed, paced

EVENTS = [{"id": f"e{number}", "partitionkey": "PG-1"} for number in range(5)]
PROBLEM = {"title": "The broker did not acknowledge the events", "detail": "nothing was taken"}


class Answers:
    """A gateway on a real socket that answers as it is told: (status, headers, body), one a request; the last one stays."""

    def __init__(self, *answers: tuple[int, dict[str, str], Any]) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[dict[str, str], Any]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
            self.requests.append((headers, orjson.loads(await reader.readexactly(int(headers["content-length"])))))
            status, more, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            content = orjson.dumps(body)
            told = "".join(f"{name}: {value}\r\n" for name, value in more.items())
            writer.write(f"HTTP/1.1 {status} X\r\n{told}content-length: {len(content)}\r\n\r\n".encode() + content)
            await writer.drain()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self.serve(reader, writer)
            except asyncio.IncompleteReadError:
                writer.close()

        server = await asyncio.start_server(quietly, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def verdicts(events: Sequence[Any] = EVENTS) -> dict[str, Any]:
    return {"verdicts": [{"status": "accepted", "id": event["id"]} for event in events]}


async def test_a_batch_is_sent_with_the_key_and_its_verdicts_counted() -> None:
    answers = Answers((202, {}, verdicts()))
    async with answers.listening() as address, gateway(address, "kh_secret") as way:
        assert await way.send(EVENTS) == Receipt(5)
    headers, body = answers.requests[0]
    assert headers["authorization"] == "Bearer kh_secret"
    assert headers["content-type"] == "application/cloudevents-batch+json"
    assert body == EVENTS


async def test_a_gateway_without_its_broker_is_asked_again_with_the_same_events() -> None:
    answers = Answers((503, {"Retry-After": "0"}, PROBLEM), (503, {"Retry-After": "0"}, PROBLEM), (202, {}, verdicts()))
    async with answers.listening() as address, gateway(address, "") as way:
        assert await way.send(EVENTS) == Receipt(5)
    assert [body for _, body in answers.requests] == [EVENTS] * 3


async def test_the_wait_that_the_gateway_asks_for_is_kept() -> None:
    answers = Answers((503, {"Retry-After": "1"}, PROBLEM), (202, {}, verdicts()))
    began = asyncio.get_running_loop().time()
    async with answers.listening() as address, gateway(address, "") as way:
        await way.send(EVENTS)
    assert asyncio.get_running_loop().time() - began >= 1


async def test_a_gateway_that_stays_away_is_an_error_that_says_why() -> None:
    answers = Answers((503, {"Retry-After": "0"}, PROBLEM))
    async with answers.listening() as address, gateway(address, "", attempts=3) as way:
        with pytest.raises(DeliveryError, match=r"3 attempts: 503 The broker did not acknowledge .* nothing was taken"):
            await way.send(EVENTS)


async def test_nobody_at_the_address_is_an_error_at_once() -> None:
    answers = Answers((202, {}, verdicts()))
    async with answers.listening() as address:
        pass
    async with gateway(address, "") as way:
        with pytest.raises(DeliveryError, match=r"no gateway answers at .*is it running"):
            await way.send(EVENTS)


async def test_a_refused_key_is_not_tried_again() -> None:
    answers = Answers((401, {}, {"title": "This needs an API key"}))
    async with answers.listening() as address, gateway(address, "") as way:
        with pytest.raises(DeliveryError, match="401 This needs an API key"):
            await way.send(EVENTS)
    assert len(answers.requests) == 1


@pytest.mark.parametrize("status", [202, 422])
async def test_refused_events_are_told_one_by_one(status: int) -> None:
    body = verdicts()
    body["verdicts"][1] |= {"status": "rejected", "errors": [{"pointer": "/time", "reason": "no offset"}]}
    answers = Answers((status, {}, body))
    async with answers.listening() as address, gateway(address, "") as way:
        assert await way.send(EVENTS) == Receipt(4, (Rejection("e1", "/time", "no offset"),))


def test_receipts_add_up() -> None:
    bad = Rejection("e1", "/time", "no offset")
    assert Receipt(2) + Receipt(3, (bad,)) == Receipt(5, (bad,))


async def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "month.jsonl"
    async with jsonl(target) as way:
        await way.send(EVENTS[:2])
        assert not target.exists()
        await way.send(EVENTS[2:])
    assert [orjson.loads(line) for line in target.read_bytes().splitlines()] == EVENTS


async def test_no_broker_is_one_clear_error() -> None:
    with pytest.raises(DeliveryError, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
        async with kafka("127.0.0.1:1", "kaohe.events.v1"):
            pass


def arrivals(*minutes: float) -> list[Arrival]:
    first = datetime(2026, 10, 1, tzinfo=UTC)
    return [Arrival(first + timedelta(minutes=minute), {"id": str(minute)}) for minute in minutes]


async def test_at_full_speed_batches_are_full() -> None:
    sizes = [len(batch) async for batch in paced(arrivals(*range(7)), Speed.parse("max"), batch=3)]
    assert sizes == [3, 3, 1]


async def test_at_a_pace_events_come_when_they_are_due_and_none_is_lost() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    came = [
        (event["id"], loop.time() - began)
        async for batch in paced(arrivals(0, 6, 6, 12), Speed.parse("1200x"), batch=10)
        for event in batch
    ]
    assert [identity for identity, _ in came] == ["0", "6", "6", "12"]
    assert came[1][1] >= 0.3
    assert came[3][1] >= 0.6


@pytest.mark.parametrize(("text", "times"), [("max", None), ("60x", 60.0), ("0.5x", 0.5)])
def test_speeds_are_read(text: str, times: float | None) -> None:
    assert Speed.parse(text).times == times


@pytest.mark.parametrize("text", ["", "5", "x", "0x", "-3x", "fast"])
def test_what_is_no_speed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no speed"):
        Speed.parse(text)
