"""Instants on the wire (RFC 3339 with offset) and in the books (epoch milliseconds, truncated)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final

_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,30})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII
).fullmatch
_NAIVE: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?", re.ASCII).fullmatch
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII).fullmatch  # fromisoformat alone reads week dates too
_LEAP: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:60.*", re.ASCII).fullmatch
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS: Final = 86_400_000

# Deadlines lie ahead of an event and cohorts behind it: both must stay inside what a calendar can hold.
FIRST_YEAR: Final = 1971
LAST_YEAR: Final = 2199


class NotAnInstantError(ValueError):
    """The text is not an RFC 3339 instant with offset"""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason or (type(self).__doc__ or ""))


def epoch_ms(text: str) -> int:
    """Epoch milliseconds of an RFC 3339 instant, by integer arithmetic: digits below the millisecond are cut off, never rounded.

    Raises NotAnInstantError.

    >>> epoch_ms("1971-01-01T08:00:59.9996+08:00") - epoch_ms("1971-01-01T00:00:00Z")
    59999
    """
    if _RFC3339(text) is None:
        raise NotAnInstantError(_why(text))
    try:
        instant = datetime.fromisoformat(text.upper())
    except ValueError:
        raise NotAnInstantError("there is no such day") from None
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise NotAnInstantError(f"the year must lie in {FIRST_YEAR}…{LAST_YEAR}")
    since = instant - _EPOCH
    return since.days * _DAY_MS + since.seconds * 1000 + since.microseconds // 1000


def is_day(text: str) -> bool:
    """Whether the text is a calendar day YYYY-MM-DD in the years that the contract allows."""
    if _DAY(text) is None:
        return False
    try:
        return FIRST_YEAR <= date.fromisoformat(text).year <= LAST_YEAR
    except ValueError:
        return False


def _why(text: str) -> str:
    if _NAIVE(text):
        return "the time has no offset: write Z or one like +08:00"
    if _LEAP(text):
        return "leap seconds (second 60) are not read: send second 59"
    return "not an RFC 3339 instant with offset, like 2026-10-08T09:00:00+08:00"
