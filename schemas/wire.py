"""From a Kafka record to CloudEvents attributes and data, and back: structured and binary mode of the protocol binding.

A producer's `null` attribute is an absent one; data that is absent is the empty object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from schemas.envelope import MAX_DEPTH
from schemas.errors import InvalidField, NotCloudEvent, NotJson, pointer_to

Headers = Iterable[tuple[str, bytes | None]]
Parts = tuple[dict[str, Any], Any]

STRUCTURED: Final = "application/cloudevents+json"
CONTENT_TYPE: Final = "content-type"
STRUCTURED_HEADERS: Final = ((CONTENT_TYPE, STRUCTURED.encode()),)

_PREFIX: Final = "ce_"


def split(value: bytes | None, headers: Headers) -> Parts:
    """Attributes and data of a record, unchecked. Raises NotJson, NotCloudEvent, InvalidField (nested too deep)."""
    if headers == STRUCTURED_HEADERS:  # as the gateway writes it
        return _structured(value, b"")
    binary: dict[str, bytes] | None = None
    for name, text in headers:
        if text is None:
            continue  # Kafka's headers may be null; a null attribute is an absent one
        if name.lower() == CONTENT_TYPE:
            if text.startswith(b"application/cloudevents"):
                return _structured(value, text)
        elif name.startswith(_PREFIX):
            binary = binary or {}
            binary[name[len(_PREFIX) :]] = text
    if binary:
        return _binary(value, binary)
    return _structured(value, b"")  # a producer that forgot the header: the value itself says what it is


def _structured(value: bytes | None, content_type: bytes) -> Parts:
    if content_type.startswith(b"application/cloudevents-batch"):
        raise NotCloudEvent("Kafka carries one event a record: there is no batch mode")
    if not value:
        raise NotCloudEvent("the record has no value")
    return parts_of(load(value))


def parts_of(event: object) -> Parts:
    """Attributes and data of an event in JSON form. Raises NotCloudEvent, InvalidField."""
    if not isinstance(event, dict):
        raise NotCloudEvent("a CloudEvent in JSON form is an object")
    if "data_base64" in event:
        raise InvalidField([("/data_base64", "data is read as JSON only, in the member data")])
    return event, event.pop("data", None)


def _binary(value: bytes | None, raw: Mapping[str, bytes]) -> Parts:
    attributes: dict[str, Any] = {}
    for name, text in raw.items():
        try:
            attributes[name] = text.decode()
        except UnicodeDecodeError:
            raise InvalidField([(pointer_to(name), "not UTF-8")]) from None
    return attributes, load(value) if value else None


def load(value: bytes) -> Any:
    """JSON of bounded depth. Raises NotJson, InvalidField."""
    try:
        document = orjson.loads(value)
    except ValueError as fault:
        raise NotJson(f"not JSON: {fault}") from None
    if value.count(b"{") + value.count(b"[") > MAX_DEPTH:  # cheap and never too low: the walk is for the few
        check_depth(document)
    return document


def check_depth(document: object, limit: int = MAX_DEPTH) -> None:
    """Refuse what is nested deeper than `limit` levels; the document itself is level 1. Raises InvalidField."""
    level: list[tuple[str, Any]] = [("", document)] if isinstance(document, dict | list) else []
    for _ in range(limit):
        level = [
            (f"{path}{pointer_to(step)}", inner)
            for path, outer in level
            for step, inner in _members(outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise InvalidField([(level[0][0][:200], f"nested deeper than {limit} levels")])


def _members(outer: Any) -> Iterable[tuple[str | int, Any]]:
    return outer.items() if isinstance(outer, dict) else enumerate(outer)


def structured(attributes: Mapping[str, Any], data: object) -> bytes:
    """The value of a record in structured mode; goes with STRUCTURED_HEADERS."""
    return orjson.dumps({**attributes, "data": data})
