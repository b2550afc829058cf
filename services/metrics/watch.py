"""Progress: is this worker ready, is it live? Presence is not enough: a consumer that no longer fetches looks well. Pure.

All instants are seconds of one monotonic clock, given by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Yes, or no with the reason."""

    ok: bool
    reason: str = ""


YES = Verdict(ok=True)


class Watch:
    """What the worker knows of its own progress.

    `stall_seconds` without progress while records wait: not live (the supervisor restarts). Half of it: not ready.
    """

    def __init__(self, now: float, *, stall_seconds: float, probe_seconds: float = 15.0) -> None:
        self._stall_seconds = stall_seconds
        self._probe_seconds = probe_seconds
        self._assigned = False
        self._unassigned_since = now
        self._positions: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._moved: dict[Partition, float] = {}
        self._answered = {"database": now - probe_seconds, "broker": now - probe_seconds}
        self.draining = False

    @property
    def positions(self) -> Mapping[Partition, int]:
        """Stored positions of the partitions this worker reads."""
        return self._positions

    def lag(self) -> dict[Partition, int]:
        """Records of the log that are not counted yet, by partition; control records included."""
        return {at: max(0, self._ends.get(at, position) - position) for at, position in self._positions.items()}

    def revoked(self, now: float) -> None:
        """The group takes partitions away; until the next assignment the worker reads nothing.

        One rebalance after another is one wait: a worker that never gets through them is not live.
        """
        if self._assigned:
            self._unassigned_since = now
        self._assigned = False
        self._positions.clear()
        self._moved.clear()

    def positioned(self, positions: Mapping[Partition, int], now: float) -> None:
        """An assignment, possibly of nothing, is complete and every partition is at its stored position."""
        self._assigned = True
        self._positions = dict(positions)
        self._moved = dict.fromkeys(positions, now)

    def moved(self, at: Partition, position: int, now: float) -> None:
        """A transaction moved a stored position. What a former assignment finishes is not ours to watch any more."""
        if at in self._positions:
            self._positions[at] = max(position, self._positions[at])
            self._moved[at] = now

    def ends(self, ends: Mapping[Partition, int], now: float) -> None:
        """The broker told where the logs end. A partition that had nothing to read begins to wait now."""
        for at, end in ends.items():
            position = self._positions.get(at)
            if position is not None and self._ends.get(at, position) <= position < end:
                self._moved[at] = now
        self._ends = dict(ends)
        self.answered("broker", now)

    def answered(self, server: str, now: float) -> None:
        """The database or the broker answered a probe."""
        self._answered[server] = now

    def ready(self, now: float) -> Verdict:
        """Whether work may be expected of this worker: it has its assignment, is at its positions, and moves."""
        if self.draining:
            return Verdict(ok=False, reason="draining")
        for server, at in self._answered.items():
            if now - at >= self._probe_seconds:
                return Verdict(ok=False, reason=f"{server} does not answer")
        if not self._assigned:
            return Verdict(ok=False, reason="no assignment yet")
        return self._progress(now, self._stall_seconds / 2)

    def live(self, now: float) -> Verdict:
        """Whether a restart would not help. A drain is live; so is a worker that waits for a server that is away."""
        if self.draining:
            return YES
        if self._assigned:
            return self._progress(now, self._stall_seconds)
        broker_answers = now - self._answered["broker"] < self._probe_seconds
        if broker_answers and now - self._unassigned_since > self._stall_seconds:
            return Verdict(ok=False, reason="the group has given no assignment")
        return YES

    def _progress(self, now: float, seconds: float) -> Verdict:
        for (topic, partition), lag in self.lag().items():
            if lag and now - self._moved[topic, partition] > seconds:
                waited = int(now - self._moved[topic, partition])
                return Verdict(ok=False, reason=f"{topic}[{partition}] has stood still for {waited} s, lag {lag}")
        return YES
