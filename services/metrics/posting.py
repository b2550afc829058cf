"""Turn what changed in the cases into journal rows, and the same differences into bucket sums."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event
from services.core.kpi.histogram import bin_of
from services.core.kpi.measures import HISTOGRAM_MEASURES
from services.core.kpi.walk import Contribution
from services.store.buckets import NO_BIN, BucketKey

HOUR_MS = 3_600_000


EPOCH_DAY = date(1970, 1, 1)


class Slots:
    """Where an instant belongs in the buckets: its local day, and its slot: an hour from yesterday on, a day before.

    Answers are remembered by UTC hour; an hour in which a local day begins is looked up each time.
    """

    __slots__ = ("_books", "_definitions", "_hours_from_ms", "_slots")

    def __init__(self, definitions: Definitions, now_ms: int) -> None:
        """Lay slots out as at a wall-clock instant; the layout changes no sum."""
        self._definitions = definitions
        self._hours_from_ms = definitions.day_start_ms(definitions.local_day(now_ms) - 1)
        self._slots: dict[int, tuple[int, int]] = {}
        self._books: dict[int, date] = {}

    def slot_of(self, at_ms: int) -> tuple[int, int]:
        """Return (slot start in epoch ms, hours)."""
        if at_ms >= self._hours_from_ms:
            return at_ms - at_ms % HOUR_MS, 1
        hour = at_ms // HOUR_MS
        slot = self._slots.get(hour)
        if slot is None:
            slot = (self._definitions.day_start_ms(self._definitions.local_day(at_ms)), 24)
            if self._one_day(hour):
                self._slots[hour] = slot
        return slot

    def book_of(self, book_ms: int) -> date:
        """Return the local day of an instant."""
        hour = book_ms // HOUR_MS
        day = self._books.get(hour)
        if day is None:
            day = EPOCH_DAY + timedelta(days=self._definitions.local_day(book_ms))
            if self._one_day(hour):
                self._books[hour] = day
        return day

    def _one_day(self, hour: int) -> bool:
        start = hour * HOUR_MS
        return self._definitions.local_day(start) == self._definitions.local_day(start + HOUR_MS - 1)


class Postings:
    """The postings of one commit, in the order in which they were made, and their sums by bucket.

    `rows` are journal rows in the order of `journal.COLUMNS`; `sums` is what they add to the buckets, [n, value] each.
    """

    __slots__ = ("_recorded_at", "_seq", "_shard", "_slots", "rows", "sums")

    def __init__(self, shard: int, seq: int, recorded_at: datetime, slots: Slots) -> None:
        self._shard = shard
        self._seq = seq
        self._recorded_at = recorded_at
        self._slots = slots
        self.rows: list[tuple[object, ...]] = []
        self.sums: dict[BucketKey, list[int]] = {}

    def post(self, case_id: str, cause: Event, contributions: Iterable[Contribution]) -> None:
        """Add what one event made of one case, and the same differences to the buckets."""
        shard, seq, recorded_at, rows, sums = self._shard, self._seq, self._recorded_at, self.rows, self.sums
        source, event_id = cause.source, cause.id
        for c in contributions:
            engineer, measure, dim, at_ms, value, n = c.engineer, c.measure, c.dim, c.at_ms, c.value, c.n
            rows.append(
                (shard, seq, len(rows), recorded_at, case_id, engineer, measure, dim, at_ms, c.book_ms, value, n, source, event_id)
            )  # fmt: skip
            place = bin_of(value) if measure in HISTOGRAM_MEASURES else NO_BIN
            key = (engineer, measure, dim, self._slots.book_of(c.book_ms), *self._slots.slot_of(at_ms), place)
            total = sums.get(key)
            if total is None:
                sums[key] = [n, n * value]
            else:
                total[0] += n
                total[1] += n * value


def from_epoch_ms(instant_ms: int) -> datetime:
    """Return the instant as a UTC datetime."""
    return datetime.fromtimestamp(instant_ms / 1000, tz=UTC)
