"""The clock: the only place that reads the system's time. Everything else is handed one, so that a test can hold time still."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Tells the time of day."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC, truncated."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC, truncated."""
        return time.time_ns() // 1_000_000


@dataclass(slots=True)
class FixedClock:
    """A clock that stands until it is set: for tests, simulations and replays."""

    at_ms: int

    def now_ms(self) -> int:
        """The instant it was set to."""
        return self.at_ms

    def set(self, at_ms: int) -> None:
        """Move the clock to an instant, forwards or backwards."""
        self.at_ms = at_ms

    def advance(self, milliseconds: int) -> None:
        """Move the clock on."""
        self.at_ms += milliseconds
