"""The published form of the contracts: JSON Schema 2020-12 for each type, AsyncAPI 3 for the topics."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import orjson
import yaml
from pydantic import TypeAdapter

from schemas.definition import EventType
from schemas.envelope import Envelope
from schemas.registry import TYPES
from schemas.topics import TOPICS, Topic

JSON_FOLDER: Final = "json"
ASYNCAPI_FILE: Final = "asyncapi/asyncapi.yaml"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_EXTENSION: Final = {"type": ["string", "integer", "boolean", "null"]}
_CONTRACT_VERSION: Final = "1.0.0"


def documents() -> dict[str, bytes]:
    """Every generated file by its path below `schemas/`."""
    made = {f"{JSON_FOLDER}/{name}.schema.json": _json(json_schema(event)) for name, event in TYPES.items()}
    made[ASYNCAPI_FILE] = yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=120).encode()
    return made


def json_schema(event: EventType) -> dict[str, Any]:
    """JSON Schema of an event in JSON form, as it stands on Kafka."""
    envelope = TypeAdapter(Envelope).json_schema()
    data = TypeAdapter(event.data).json_schema()
    data.pop("title", None)
    properties = {name: _bare(schema) for name, schema in envelope["properties"].items()}
    properties["type"] = {"const": event.name}
    properties["time"]["format"] = "date-time"
    required = list(envelope["required"])
    if event.has_subject:
        required.append("subject")
    if data.get("required"):
        required.append("data")
    return {
        "$schema": _DIALECT,
        "$id": f"urn:kaohe:schema:{event.name}",
        "title": event.name,
        "description": f"{event.zh}: {event.meaning}",
        "type": "object",
        "properties": {**properties, "data": _without_titles(data)},
        "patternProperties": {"^(?!data$)[a-z0-9]+$": _EXTENSION},
        "additionalProperties": False,
        "required": sorted(required),
    }


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3 of the topics with the messages of every type."""
    channels = {_channel_id(topic): _channel(topic) for topic in TOPICS}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kaohe events",
            "version": _CONTRACT_VERSION,
            "description": "Events of an after-sales organisation. The gateway and direct producers are equal citizens: the contract is this document.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": channels,
        "operations": {operation: body for topic in TOPICS for operation, body in _operations(topic).items()},
        "components": {"messages": {name: _message(event) for name, event in TYPES.items()}},
    }


def _channel_id(topic: Topic) -> str:
    return "".join(part.capitalize() for part in topic.name.split(".")[1:]) or topic.name


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"{topic.purpose}. Key: {topic.key}. Value: {topic.value}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in TYPES},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [topic.settings["cleanup.policy"]],
                    "retention.ms": int(topic.settings["retention.ms"]),
                    "retention.bytes": int(topic.settings["retention.bytes"]),
                    "max.message.bytes": int(topic.settings["max.message.bytes"]),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations(topic: Topic) -> dict[str, Any]:
    channel = {"$ref": f"#/channels/{_channel_id(topic)}"}
    return {
        f"send{_channel_id(topic)}": {
            "action": "send",
            "channel": channel,
            "summary": f"Written by {', '.join(topic.producers)}.",
        },
        f"receive{_channel_id(topic)}": {
            "action": "receive",
            "channel": channel,
            "summary": f"Read by {', '.join(topic.consumers)}.",
        },
    }


def _message(event: EventType) -> dict[str, Any]:
    return {
        "name": event.name,
        "title": event.zh,
        "summary": event.meaning,
        "contentType": "application/cloudevents+json",
        "payload": {"$ref": f"../{JSON_FOLDER}/{event.name}.schema.json"},
        "bindings": {"kafka": {"key": {"type": "string", "description": "partitionkey"}, "bindingVersion": "0.5.0"}},
    }


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != "title"}


def _without_titles(data: dict[str, Any]) -> dict[str, Any]:
    data["properties"] = {name: _bare(schema) for name, schema in data["properties"].items()}
    return data


def _json(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def drift(folder: Path) -> list[str]:
    """Paths below `folder` that are missing, differ from what the models say, or belong to no type any more."""
    wanted = documents()
    present = {f"{JSON_FOLDER}/{path.name}" for path in (folder / JSON_FOLDER).glob("*.json")}
    stale = sorted(present - wanted.keys())
    return stale + [name for name, content in wanted.items() if not _same(folder / name, content)]


def _same(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content
