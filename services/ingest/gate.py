"""Back-pressure: how many bytes the process has taken on and not yet got rid of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from services.ingest.refusals import busy


class Gate:
    """Counts bytes in: bodies being read and events not yet acknowledged. What is over the limit is refused at once."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0

    def take(self, size: int) -> None:
        """Take bytes on. Raises Problem 503 `busy` and takes nothing when that would be too much."""
        if self.taken + size > self.limit:
            raise busy()
        self.taken += size

    def release(self, size: int) -> None:
        """Bytes are gone."""
        self.taken -= size

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Bytes taken within the block are released at its end."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            self.release(lease.taken)


class Lease:
    """What one request has taken."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.taken = 0

    def take(self, size: int) -> None:
        """Take bytes on until the lease ends. Raises Problem 503 `busy`."""
        self._gate.take(size)
        self.taken += size
