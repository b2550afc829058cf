"""From the wire to an event that the books can use, and its canonical form.

The canonical form is what the ledger stores and what the content hash is taken of: the producer's attributes and the validated data as sorted JSON, `time` as
epoch milliseconds, without `specversion` and `datacontenttype` (they say how, not what), without our stamps and trace context. Two records are the same
event exactly when these bytes are equal; the wire mode, the order of members, the zone that an instant is written in and `1` for `"1"` in a decimal make no difference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import orjson
from pydantic import TypeAdapter, ValidationError

from schemas.definition import EventType
from schemas.envelope import ATTRIBUTES, RESERVED_SOURCE, STAMP_PREFIX, Envelope
from schemas.errors import Finding, InvalidField, NotCloudEvent, pointer_to
from schemas.instants import NotAnInstantError, epoch_ms
from schemas.registry import CORRECTIONS, TYPES, unknown
from schemas.wire import Headers, split

JSON = Any  # str | int | float | bool | None | list | dict: a recursive alias costs more than it checks

_NOT_CONTENT: Final = ATTRIBUTES | {"traceparent", "tracestate", "kaohereceived", "kaohekey"}  # the last: the gateway's
_validate_envelope: Final = TypeAdapter(Envelope).validator.validate_python
_validators: Final[dict[str, Callable[[Any], dict[str, JSON]]]] = {
    name: TypeAdapter(event.data).validator.validate_python for name, event in TYPES.items()
}
_NUL: Final = b"\\u0000"


class Decoded(NamedTuple):
    """An event that follows the contract. A tuple, for it is built for every record and a frozen dataclass takes four times as long.

    `time_ms`: epoch milliseconds, truncated. `data`: canonical JSON values by wire names, null fields left out, decimals as text.
    `canonical`: what the ledger stores. `content_hash`: its SHA-256, 32 bytes.
    """

    source: str
    id: str
    type: str
    family: str
    verb: str
    version: int
    subject: str | None
    partitionkey: str
    time_ms: int
    sequence: int | None
    data: dict[str, JSON]
    content_hash: bytes
    canonical: bytes


def decode(value: bytes | None, headers: Headers, key: bytes | None = None) -> Decoded:
    """Read a Kafka record, in structured or binary mode. Raises a ContractError and nothing else.

    The record's key is never trusted: the case is the attribute `partitionkey`; the key only helps to word what is missing.
    """
    attributes, data = split(value, headers)
    if key is not None and attributes.get("specversion") == "1.0" and "partitionkey" not in attributes:
        raise InvalidField([("/partitionkey", "required on Kafka; the record's key does not replace it")])
    return interpret(attributes, data)


def interpret(attributes: dict[str, Any], data: object) -> Decoded:
    """Check attributes and data against the contract. Raises a ContractError and nothing else."""
    envelope, time_ms = read_envelope(attributes)
    name = envelope["type"]
    event = TYPES.get(name)
    if event is None:
        raise unknown(name)
    if event.has_subject and "subject" not in envelope:
        raise InvalidField([("/subject", "required: the unit that the event is about")])
    facts = _read_data(name, data)
    if name in CORRECTIONS:
        _check_correction(envelope["source"], facts)
    return _decoded(event, envelope, time_ms, _extensions(attributes, envelope), facts)


def read_envelope(attributes: Mapping[str, Any]) -> tuple[Envelope, int]:
    """The attributes that we know, checked, and the time in epoch ms; the type may be unknown. Raises NotCloudEvent, InvalidField."""
    if attributes.get("specversion") != "1.0":
        raise NotCloudEvent('specversion must be "1.0"', "/specversion")
    if None in attributes.values():
        attributes = {name: text for name, text in attributes.items() if text is not None}
    try:
        envelope: Envelope = _validate_envelope(attributes)
        return envelope, epoch_ms(envelope["time"])
    except ValidationError as fault:
        raise InvalidField(_findings(fault, ())) from None
    except NotAnInstantError as fault:
        raise InvalidField([("/time", str(fault))]) from None


def validate_data(name: str, data: object) -> dict[str, JSON]:
    """The canonical data of an event of this type; for amended data as well. Raises UnknownType, InvalidField."""
    if name not in TYPES:
        raise unknown(name)
    return _read_data(name, data)


def read_canonical(canonical: bytes, content_hash: bytes = b"") -> Decoded:
    """The event that the ledger stores as `canonical`. It was checked when it was recorded: nothing is validated again."""
    stored = orjson.loads(canonical)
    event = TYPES[stored["type"]]
    sequence = stored.get("sequence")
    return Decoded(
        stored["source"],
        stored["id"],
        event.name,
        event.family,
        event.verb,
        event.version,
        stored.get("subject"),
        stored["partitionkey"],
        stored["time"],
        None if sequence is None else int(sequence),
        stored["data"],
        content_hash or hashlib.sha256(canonical).digest(),
        canonical,
    )


def _read_data(name: str, data: object) -> dict[str, JSON]:
    if data is None:
        data = {}
    elif isinstance(data, dict) and None in data.values():
        data = {field: value for field, value in data.items() if value is not None}
    try:
        return _validators[name](data)
    except ValidationError as fault:
        raise InvalidField(_findings(fault, ("data",))) from None


def _findings(fault: ValidationError, path: tuple[str | int, ...]) -> list[Finding]:
    errors = fault.errors(include_url=False, include_context=False, include_input=False)
    return [(pointer_to(*path, *error["loc"]), error["msg"]) for error in errors]


def _check_correction(source: str, facts: Mapping[str, JSON]) -> None:
    if facts.get("target_source", source) != source and source != RESERVED_SOURCE:
        raise InvalidField([("/data/target_source", "an event is corrected by its own source only")])


def _extensions(attributes: Mapping[str, Any], envelope: Envelope) -> dict[str, str]:
    """The producer's further attributes as text; ours and the trace context left out."""
    if len(attributes) == len(envelope):
        return {}
    found: dict[str, str] = {}
    for name in attributes.keys() - _NOT_CONTENT:
        value = attributes[name]
        if value is None or name.startswith(STAMP_PREFIX):
            continue
        if not (name.isascii() and name.isalnum() and name == name.lower()):
            raise InvalidField([(pointer_to(name), "an attribute's name is made of lower-case letters and digits")])
        found[name] = _attribute_text(name, value)
    return found


def _attribute_text(name: str, value: object) -> str:
    """An attribute as binary mode writes it, so that the mode makes no difference."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return value
        case _:
            raise InvalidField([(pointer_to(name), "an attribute is text, an integer or a boolean")])


def _decoded(
    event: EventType, envelope: Envelope, time_ms: int, extensions: dict[str, str], facts: dict[str, JSON]
) -> Decoded:
    name, source, identifier, case = envelope["type"], envelope["source"], envelope["id"], envelope["partitionkey"]
    subject, sequence = envelope.get("subject"), envelope.get("sequence")
    content: dict[str, Any] = {
        "data": facts, "id": identifier, "partitionkey": case, "source": source, "time": time_ms, "type": name,
    }  # fmt: skip
    if subject is not None:
        content["subject"] = subject
    if sequence is not None:
        content["sequence"] = sequence
    if extensions:
        content.update(extensions)
    try:
        canonical = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except TypeError as fault:  # only where the caller did not parse it from JSON within the limit of depth
        raise InvalidField([("/data", f"cannot be written as JSON: {fault}")]) from None
    if _NUL in canonical:
        _refuse_nul(content, ())
    return Decoded(
        source,
        identifier,
        name,
        event.family,
        event.verb,
        event.version,
        subject,
        case,
        time_ms,
        None if sequence is None else int(sequence),
        facts,
        hashlib.sha256(canonical).digest(),
        canonical,
    )


def _refuse_nul(value: object, path: tuple[str | int, ...]) -> None:
    """Raise InvalidField for the first text that holds NUL: PostgreSQL cannot store it. Depth is bounded already."""
    match value:
        case str() if "\0" in value:
            raise InvalidField([(pointer_to(*path), "holds a NUL character")])
        case dict():
            for name, inner in value.items():
                _refuse_nul(name, (*path, name.replace("\0", "")))
                _refuse_nul(inner, (*path, name))
        case list():
            for index, inner in enumerate(value):
                _refuse_nul(inner, (*path, index))
