"""Turn what changed in the cases into journal rows, and the same differences into bucket sums."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event
from services.core.kpi.histogram import bin_of
from services.core.kpi.measures import HISTOGRAM_MEASURES
from services.core.kpi.walk import Contribution
from services.store.buckets import BinKey, BucketKey

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Slots:
    """Where an instant belongs in the buckets: its local day, and its slot: an hour from yesterday on, a day before."""

    definitions: Definitions
    hours_from_ms: int

    @classmethod
    def at(cls, definitions: Definitions, now_ms: int) -> Slots:
        """Slots as they are laid out at a wall-clock instant; the layout changes no sum."""
        yesterday = definitions.local_day(now_ms) - 1
        return cls(definitions, definitions.day_start_ms(yesterday))

    def slot_of(self, at_ms: int) -> tuple[int, int]:
        """Return (slot start in epoch ms, hours)."""
        if at_ms < self.hours_from_ms:
            return self.definitions.day_start_ms(self.definitions.local_day(at_ms)), 24
        return at_ms - at_ms % HOUR_MS, 1


EPOCH_DAY = date(1970, 1, 1)


@dataclass(slots=True)
class Postings:
    """The postings of one commit, in the order in which they were made, and their sums by bucket."""

    shard: int
    seq: int
    recorded_at: datetime
    slots: Slots
    rows: list[tuple[object, ...]] = field(default_factory=list)
    sums: dict[BucketKey, tuple[int, int]] = field(default_factory=dict)
    bins: dict[BinKey, int] = field(default_factory=dict)
    _days: dict[int, date] = field(default_factory=dict)

    def post(self, case_id: str, cause: Event, contribution: Contribution) -> None:
        """Add one posting and its bucket difference."""
        c = contribution
        self.rows.append(
            (
                self.shard, self.seq, len(self.rows), self.recorded_at, case_id, c.engineer, c.measure, c.dim,
                c.at_ms, c.book_ms, c.value, c.n, cause.source, cause.id,
            )
        )  # fmt: skip
        slot_ms, hours = self.slots.slot_of(c.at_ms)
        key = (c.engineer, c.measure, c.dim, self._book(c.book_ms), slot_ms, hours)
        n, value = self.sums.get(key, (0, 0))
        self.sums[key] = (n + c.n, value + c.n * c.value)
        if c.measure in HISTOGRAM_MEASURES:
            bin_key = (*key, bin_of(c.value))
            self.bins[bin_key] = self.bins.get(bin_key, 0) + c.n

    def _book(self, book_ms: int) -> date:
        day = self.slots.definitions.local_day(book_ms)
        known = self._days.get(day)
        if known is None:
            known = self._days[day] = EPOCH_DAY + timedelta(days=day)
        return known


def from_epoch_ms(instant_ms: int) -> datetime:
    """Return the instant as a UTC datetime."""
    return datetime.fromtimestamp(instant_ms / 1000, tz=UTC)
