"""What the reference SDK writes we read, and what we write the reference SDK reads."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.v1.event import CloudEvent
from starlette.datastructures import Headers
from starlette.requests import Request

import schemas
from schemas.codec import decode
from schemas.wire import STRUCTURED_HEADERS, structured
from services.ingest.gate import Gate
from services.ingest.settings import GatewaySettings
from services.ingest.submission import read_submission

EXAMPLES = sorted((Path(schemas.__file__).parent / "examples").glob("*.json"))
SETTINGS = GatewaySettings(kafka_brokers="localhost:9092", database_url="postgresql://nowhere/x")


def sdk_event(stored: bytes) -> CloudEvent:
    attributes = orjson.loads(stored)
    data = attributes.pop("data")
    attributes["time"] = datetime.fromisoformat(attributes["time"])
    return CloudEvent(attributes, data)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("mode", [kafka.to_binary_event, kafka.to_structured_event])
def test_records_of_the_reference_sdk_are_read_as_the_same_event(path: Path, mode: Any) -> None:
    stored = path.read_bytes()
    message = mode(sdk_event(stored))
    read = decode(message.value, tuple(message.headers.items()), message.key)
    assert read.content_hash == decode(stored, STRUCTURED_HEADERS).content_hash


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_reference_sdk_reads_our_records(path: Path) -> None:
    told = orjson.loads(path.read_bytes())
    data = told.pop("data")
    message = kafka.KafkaMessage(dict(STRUCTURED_HEADERS), told["partitionkey"].encode(), structured(told, data))
    read = kafka.from_kafka_event(message)
    assert (read.get_id(), read.get_source(), read.get_type()) == (told["id"], told["source"], told["type"])
    assert read.get_data() == data
    assert read.get_extension("partitionkey") == told["partitionkey"]


@pytest.mark.parametrize("mode", [http.to_binary_event, http.to_structured_event])
async def test_requests_of_the_reference_sdk_are_read_as_the_same_event(mode: Any) -> None:
    for path in EXAMPLES:
        stored = path.read_bytes()
        event = sdk_event(stored)
        event.get_attributes()["subject"] = "单号 1%"
        message = mode(event)

        async def receive(body: bytes = message.body) -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        scope = {"type": "http", "method": "POST", "path": "/v1/events", "headers": Headers(message.headers).raw}
        with Gate(1_000_000).lease() as lease:
            [read] = await read_submission(Request(scope, receive), lease, SETTINGS)
        wanted = orjson.loads(stored) | {"subject": "单号 1%"}
        assert decode(orjson.dumps(read), ()).content_hash == decode(orjson.dumps(wanted), ()).content_hash
