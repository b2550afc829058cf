"""What every life in the month shares: chance, the organisation, the window, numbers for units."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from services.simulator.shifts import on_duty

if TYPE_CHECKING:
    from services.simulator.organisation import Organisation, Worker

PRODUCTS = ("电视", "冰箱", "洗衣机", "空调", "热水器", "净水器")


@dataclass(slots=True)
class World:
    """One run's setting. `series` tells the units of this run apart from another's; `start` … `end` is the month."""

    rng: Random
    organisation: Organisation
    start: datetime
    end: datetime
    series: str
    _numbers: Counter[str] = field(default_factory=Counter)

    def unit(self, prefix: str) -> str:
        """A new unit's number, like PG2610-7-00042."""
        self._numbers[prefix] += 1
        return f"{prefix}{self.series}-{self._numbers[prefix]:05d}"

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.rng.random() < probability

    def after(self, instant: datetime, *, median_minutes: float, spread: float = 0.7) -> datetime:
        """An instant after this one: log-normal, as waiting times are. Whole seconds."""
        minutes = median_minutes * self.rng.lognormvariate(0, spread)
        return instant + timedelta(seconds=max(1, round(minutes * 60)))

    def at_work(self, worker: Worker, instant: datetime, *, median_minutes: float) -> datetime:
        """When a worker gets to it: some time after they are on duty."""
        return self.after(on_duty(worker, instant), median_minutes=median_minutes)

    def on_day(self, day: date, hour: float) -> datetime:
        """A local time of a day; `hour` counts from midnight."""
        return datetime(day.year, day.month, day.day, tzinfo=self.start.tzinfo) + timedelta(seconds=round(hour * 3600))

    def customer(self) -> str:
        """A customer; few enough that some call again."""
        return f"C{self.rng.randrange(1, 4000):05d}"
