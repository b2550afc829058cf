"""A calendar month as the period of an appraisal: local days and instants of [start, end)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from services.core.kpi.localday import local_days

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEXT = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})")
_MONTHS = 12
_EPOCH = date(1970, 1, 1)


class PeriodError(ValueError):
    """A period is a month written YYYY-MM."""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One month of the local calendar.

    >>> str(Month.parse("2026-12").following())
    '2027-01'
    """

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """From "YYYY-MM". Raises PeriodError."""
        match = _TEXT.fullmatch(text)
        if match is None or not 1 <= int(match["month"]) <= _MONTHS or int(match["year"]) == 0:
            raise PeriodError(f"{text!r} is no month YYYY-MM")
        return cls(int(match["year"]), int(match["month"]))

    @classmethod
    def of(cls, day: date) -> Month:
        """The month in which the day lies."""
        return cls(day.year, day.month)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    def following(self) -> Month:
        """The next month."""
        return Month(self.year + 1, 1) if self.month == _MONTHS else Month(self.year, self.month + 1)

    @property
    def first_day(self) -> date:
        """The first day, included."""
        return date(self.year, self.month, 1)

    @property
    def end_day(self) -> date:
        """The first day of the next month: the end, excluded."""
        return self.following().first_day

    @property
    def last_day(self) -> date:
        """The last day, included; the book day of what stands at the period's end."""
        return self.end_day - timedelta(days=1)

    def months_of_year_so_far(self) -> Iterator[Month]:
        """January to this month."""
        return (Month(self.year, month) for month in range(1, self.month + 1))

    def start_ms(self, zone: str) -> int:
        """The instant at which the month begins in the zone, epoch milliseconds."""
        return midnight_ms(self.first_day, zone)

    def end_ms(self, zone: str) -> int:
        """The instant at which the month is over in the zone, epoch milliseconds."""
        return midnight_ms(self.end_day, zone)


def midnight_ms(day: date, zone: str) -> int:
    """The instant at which the local day begins, epoch milliseconds."""
    return local_days(zone).start_ms((day - _EPOCH).days)


def local_date(instant_ms: int, zone: str) -> date:
    """The local day of an instant."""
    return _EPOCH + timedelta(days=local_days(zone).day(instant_ms))
