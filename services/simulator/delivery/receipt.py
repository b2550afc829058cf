"""What became of events that were sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.simulator.occurrence import Event


class DeliveryError(Exception):
    """Events could not be delivered."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that was refused: its id, where in it (JSON Pointer) and why."""

    id: str
    pointer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many events were acknowledged, and those that were refused. The two make up what was sent."""

    accepted: int
    rejections: tuple[Rejection, ...] = ()

    def __add__(self, other: Receipt) -> Receipt:
        return Receipt(self.accepted + other.accepted, self.rejections + other.rejections)


class Delivery(Protocol):
    """A way out. An async context manager gives one that is open."""

    batch: int

    async def send(self, events: Sequence[Event]) -> Receipt:
        """Send events in order; returns when all of them are acknowledged or refused. Raises DeliveryError."""
        ...
