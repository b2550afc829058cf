"""What the gateway is told: addresses, and the limits that it names when it refuses."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from services.runtime.settings import IngestSettings

KIB: Final = 1024
MIB: Final = 1024 * KIB


class GatewaySettings(IngestSettings):
    """Settings of one gateway process. Sizes are in bytes."""

    ingest_max_body_bytes: int = Field(5 * MIB, ge=KIB)
    ingest_max_event_bytes: int = Field(512 * KIB, ge=KIB, le=1_000_000)  # the topic takes records of up to 1 MiB
    ingest_max_batch_events: int = Field(5_000, ge=1)
    ingest_max_depth: int = Field(16, ge=3, le=16)  # the contract's own limit is 16
    ingest_future_seconds: int = Field(600, ge=0)  # how far a source's clock may be ahead
    ingest_ack_seconds: float = Field(10.0, gt=0)  # how long a request waits for the broker
    ingest_in_flight_bytes: int = Field(48 * MIB, ge=MIB)  # bodies being read and events not yet acknowledged
    ingest_drain_seconds: float = Field(20.0, gt=0)
