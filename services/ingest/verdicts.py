"""What became of each submitted event, in the order of the request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from schemas.errors import Finding


@dataclass(frozen=True, slots=True)
class Admitted:
    """An event that goes to the broker. `note` says what will become of it there when that is not to be counted."""

    source: str
    id: str
    partitionkey: str
    partition: int
    value: bytes
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that does not: identity as far as it could be read, and what is wrong."""

    source: str | None
    id: str | None
    findings: Sequence[Finding]


Ruling = Admitted | Refused


class FieldError(BaseModel):
    """Where an event breaks the contract, and how."""

    pointer: str = Field(
        description="JSON Pointer (RFC 6901) into the event in JSON form; empty: the event as a whole.",
        examples=["/time"],
    )
    reason: str = Field(examples=["the time has no offset: write Z or one like +08:00"])


class Verdict(BaseModel):
    """What became of one event."""

    index: int = Field(description="Place in the request, from 0.")
    status: Literal["accepted", "rejected", "unacknowledged"] = Field(
        description="accepted: the broker has it. rejected: it breaks the contract. unacknowledged (503 only): unknown, send it again under the same id."
    )
    source: str | None = None
    id: str | None = None
    partition: int | None = Field(None, description="Of an accepted event: its partition, the shard.")
    offset: int | None = Field(None, description="Of an accepted event: its offset there.")
    note: str | None = Field(
        None, description="unknown_type, unknown_version: stored in quarantine, not counted until it is known."
    )
    errors: list[FieldError] | None = Field(None, description="Of a rejected event.")


class Verdicts(BaseModel):
    """The answer to a request that was read."""

    accepted: int
    rejected: int
    verdicts: list[Verdict]


def verdict(index: int, ruling: Ruling, offset: int | None) -> dict[str, Any]:
    """The verdict as JSON; an admitted event without an offset is unacknowledged."""
    told: dict[str, Any] = {"index": index, "status": "rejected", "source": ruling.source, "id": ruling.id}
    match ruling:
        case Refused():
            return told | {"errors": [{"pointer": pointer, "reason": reason} for pointer, reason in ruling.findings]}
        case Admitted():
            if offset is None:
                return told | {"status": "unacknowledged"}
            told |= {"status": "accepted", "partition": ruling.partition, "offset": offset}
            return told if ruling.note is None else told | {"note": ruling.note}
