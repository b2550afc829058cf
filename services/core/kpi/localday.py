"""Local days of a time zone as plain integers: days since 1970-01-01. Instants are epoch milliseconds.

Every rule of the catalogue asks for local days on the hot path, so offsets and midnights are remembered. A remembered offset holds for a
whole UTC day without a change of the zone's offset; days with a change are computed each time.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_LAST_ORDINAL: Final = date.max.toordinal()
# What the zone database can be asked about; beyond it the offset of the edge is used, so that every instant has a day.
_FIRST_MS: Final = -62_135_510_400_000
_LAST_MS: Final = 253_402_128_000_000
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
).fullmatch
_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII).fullmatch


class LocalDays:
    """Days, midnights and months of one zone."""

    __slots__ = ("_months", "_offsets", "_starts", "_zone")

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._offsets: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        self._months: dict[int, int] = {}

    def day(self, instant_ms: int) -> int:
        """The local day of an instant."""
        utc_day = instant_ms // DAY_MS
        offset = self._offsets.get(utc_day)
        if offset is None:
            offset = self._offset_ms(instant_ms)
            first = utc_day * DAY_MS
            if self._offset_ms(first) == self._offset_ms(first + DAY_MS) == offset:
                self._offsets[utc_day] = offset
        return (instant_ms + offset) // DAY_MS

    def start_ms(self, day: int) -> int:
        """The first instant of a local day, also where midnight does not exist."""
        start = self._starts.get(day)
        if start is None:
            start = self._starts[day] = self._find_start(day)
        return start

    def month(self, instant_ms: int) -> int:
        """The local calendar month of an instant: 12 × year + month − 1."""
        day = self.day(instant_ms)
        month = self._months.get(day)
        if month is None:
            local = date.fromordinal(min(max(day + _EPOCH_ORDINAL, 1), _LAST_ORDINAL))
            month = self._months[day] = 12 * local.year + local.month - 1
        return month

    def month_end_ms(self, month: int) -> int:
        """The last millisecond of a month given as 12 × year + month − 1."""
        year, index = divmod(month + 1, 12)
        return self.start_ms(date(year, index + 1, 1).toordinal() - _EPOCH_ORDINAL) - 1

    def _offset_ms(self, instant_ms: int) -> int:
        within = min(max(instant_ms, _FIRST_MS), _LAST_MS)
        offset = (_EPOCH + timedelta(milliseconds=within)).astimezone(self._zone).utcoffset()
        return 0 if offset is None else offset // timedelta(milliseconds=1)

    def _find_start(self, day: int) -> int:
        """Midnight as the offset before and after it would have it; the earlier one that really lies in the day.

        A day that a zone skipped (Apia, 2011-12-30) begins and ends at the jump.
        """
        midnight = day * DAY_MS
        guesses = {midnight - self._offset_ms(midnight - DAY_MS), midnight - self._offset_ms(midnight + DAY_MS)}
        return min((guess for guess in guesses if self.day(guess) == day), default=max(guesses))


@cache
def local_days(zone: str) -> LocalDays:
    """The shared, remembering LocalDays of a zone. Raises ZoneInfoNotFoundError for a name that no zone has."""
    return LocalDays(zone)


def day_of(text: str) -> int | None:
    """The day of a calendar date YYYY-MM-DD; None when it is none.

    >>> day_of("1970-01-02"), day_of("2026-02-30")
    (1, None)
    """
    if len(text) != 10:
        return None
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None


def month_of(text: str) -> int | None:
    """The month of YYYY-MM as 12 × year + month − 1; None when it is none.

    >>> month_of("2026-10") == 12 * 2026 + 9
    True
    """
    found = _MONTH(text)
    if found is None or not 0 < int(found[1]) < 9999:
        return None
    return 12 * int(found[1]) + int(found[2]) - 1


def instant_ms(text: str) -> int | None:
    """Epoch milliseconds of an RFC 3339 instant with offset, cut off below the millisecond; None when it is none.

    >>> instant_ms("1970-01-01T08:00:00.9999+08:00"), instant_ms("1970-01-01T08:00:00")
    (999, None)
    """
    if _RFC3339(text) is None:
        return None
    try:
        since = datetime.fromisoformat(text.upper()) - _EPOCH
    except (ValueError, OverflowError):
        return None
    return since // timedelta(milliseconds=1)
