"""What the transport needs from the worker, and what it gives to the stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from services.metrics.batch import PartitionBatch
from services.metrics.lanes import Lanes
from services.store.heads import StoredPosition


class PositionSource(Protocol):
    """Where each partition stands. Both calls raise errors.DatabaseUnavailable after bounded retries."""

    async def positions(self, partitions: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], StoredPosition | None]:
        """Stored positions of (topic, partition); None where it was never seen."""
        ...

    async def first_sight(self, topic: str, partition: int, log_start: int, topic_id: str | None) -> None:
        """Record where the log of a never-seen partition starts; no effect when it is known."""
        ...


@dataclass(frozen=True, slots=True)
class Wiring:
    """Set as `app.wiring` before the app starts.

    `stored` holds the position after the last committed batch of each partition: the group commit, a lag metric only, is
    taken from it. `halt` ends the process. `stock_seek` is the chaos test's negative control: positions come from Kafka.
    """

    topics: frozenset[str]
    source: PositionSource
    lanes: Lanes
    stored: dict[tuple[str, int], int]
    halt: Callable[[BaseException], None]
    on_positioned: Callable[[Mapping[tuple[str, int], int]], None]
    on_revoked: Callable[[], None]
    fetch_max_wait_ms: int = 20
    fetch_min_bytes: int = 1
    stock_seek: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """The value of a Faust message: a batch and the epoch of the lanes in which it was fetched."""

    epoch: int
    batch: PartitionBatch
