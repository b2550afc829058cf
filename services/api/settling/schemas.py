"""Decisions on open items, on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Shard = Annotated[int, Field(ge=0, lt=2**15)]
Topic = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]


class Decision(BaseModel):
    """Who decides, and why. Unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Name = Field(description="Who decides; the key that sent it stands in the audit trail.", examples=["HR Zhang"])
    reason: Reason


class QuarantineDecision(Decision):
    """A quarantined record, by its coordinates in the log, is given up: it will never count."""

    shard: Shard
    topic: Topic
    kafka_offset: int = Field(ge=0, lt=2**63)
    state: Literal["waived"]


class ConflictDecision(Decision):
    """A conflict, by the place that listed it, is over: resolved (a correction was sent) or waived (the recorded one is right)."""

    shard: Shard
    seq: int = Field(ge=0, lt=2**63)
    ordinal: int = Field(ge=0, lt=2**31)
    state: Literal["waived", "resolved"]
