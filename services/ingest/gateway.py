"""The one use case of the gateway: rule on submitted events, publish those admitted, say what became of each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.ingest import refusals
from services.ingest.admission import Admission
from services.ingest.ledgercases import LedgerUnavailable, RecentCases
from services.ingest.outlet import Outlet
from services.ingest.telemetry import Telemetry
from services.ingest.verdicts import Admitted, verdict
from services.runtime.security import ApiKey


@dataclass(frozen=True, slots=True)
class Outcome:
    """Verdicts in the order of the request, and how many of each kind."""

    verdicts: list[dict[str, Any]]
    accepted: int
    rejected: int
    unacknowledged: int


class Gateway:
    """Takes events in for one topic."""

    def __init__(self, admission: Admission, outlet: Outlet, recent: RecentCases, telemetry: Telemetry) -> None:
        self._admission = admission
        self._outlet = outlet
        self._recent = recent
        self._telemetry = telemetry

    async def submit(self, events: Sequence[Any], key: ApiKey) -> Outcome:
        """Rule and publish; returns when every admitted event is acknowledged or the wait is over. Raises Problem 503."""
        try:
            rulings = await self._admission.rule(events, key)
        except LedgerUnavailable as fault:
            raise refusals.database_away("A correction without partitionkey needs the ledger.") from fault
        admitted = [ruling for ruling in rulings if isinstance(ruling, Admitted)]
        offsets = iter(await self._publish(admitted))
        verdicts = [
            verdict(index, ruling, next(offsets) if isinstance(ruling, Admitted) else None)
            for index, ruling in enumerate(rulings)
        ]
        return self._count(verdicts)

    async def _publish(self, admitted: Sequence[Admitted]) -> list[int | None]:
        if not admitted:
            return []
        began = time.perf_counter()
        offsets = await self._outlet.publish(admitted)
        self._telemetry.acknowledge.observe(time.perf_counter() - began)
        for event, offset in zip(admitted, offsets, strict=True):
            if offset is not None:
                self._recent.remember(event)
                if event.note is not None:
                    self._telemetry.notes.labels(event.note).inc()
        return offsets

    def _count(self, verdicts: list[dict[str, Any]]) -> Outcome:
        counts = {"accepted": 0, "rejected": 0, "unacknowledged": 0}
        for told in verdicts:
            counts[told["status"]] += 1
        for status, count in counts.items():
            self._telemetry.events.labels(status).inc(count)
        return Outcome(verdicts, **counts)
