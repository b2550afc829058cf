"""Shifts: when somebody is at work. Local days and times of the organisation's zone."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.simulator.organisation import Worker

_EARLY = (time(8, 0), time(17, 0))
_LATE = (time(10, 0), time(19, 0))
_SATURDAY = 5


def hours(worker: Worker, day: date) -> tuple[time, time] | None:
    """Begin and end of a worker's shift on a local day; None = not at work. Saturday is half a day."""
    if day.weekday() == worker.rest_weekday or day in worker.leave:
        return None
    begin, end = _EARLY if worker.early_shift else _LATE
    return (begin, time(begin.hour + 4)) if day.weekday() == _SATURDAY else (begin, end)


def on_duty(worker: Worker, instant: datetime) -> datetime:
    """The first instant at or after this one at which the worker is at work. `instant` carries its zone."""
    day = instant.date()
    for _ in range(60):  # nobody is away for two months
        shift = hours(worker, day)
        if shift is not None:
            begin = datetime.combine(day, shift[0], instant.tzinfo)
            end = datetime.combine(day, shift[1], instant.tzinfo)
            if instant < begin:
                return begin
            if instant < end:
                return instant
        day += timedelta(days=1)
    return instant


def attended(worker: Worker, first: date, last: date) -> tuple[Decimal, Decimal]:
    """Days at work and days of leave from `first` to `last`, both included; a Saturday is half a day."""
    present = leave = Decimal(0)
    day = first
    while day <= last:
        weight = Decimal("0.5") if day.weekday() == _SATURDAY else Decimal(1)
        if hours(worker, day) is not None:
            present += weight
        elif day in worker.leave and day.weekday() != worker.rest_weekday:
            leave += weight
        day += timedelta(days=1)
    return present, leave
