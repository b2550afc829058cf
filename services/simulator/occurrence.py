"""What happens, before it is an event: a fact with its instant, still without identity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Event = dict[str, Any]  # a CloudEvent as JSON has it
Value = str | bool | int
CRM = "crm"
DESK = "desk"  # the ticket system: its own numbers for people (the roster maps them) and a sequence in each ticket
HEADQUARTERS = "hq"
ATTENDANCE = "hr"
OPENING = "opening"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One fact about a unit: `kaohe.<family>.<verb>.v1` from a source at an instant (with zone). `ordered`: the source numbers a unit's facts."""

    time: datetime
    source: str
    family: str
    verb: str
    unit: str
    data: dict[str, Value]
    ordered: bool = False


def happened(
    time: datetime, family: str, verb: str, unit: str, *, source: str = CRM, **facts: Value | None
) -> Occurrence:
    """An occurrence; facts that are None are left out. Instants are whole seconds, as systems of this kind keep them."""
    given = {name: value for name, value in facts.items() if value is not None}
    return Occurrence(time.replace(microsecond=0), source, family, verb, unit, given, ordered=source == DESK)


class Registry:
    """Gives occurrences their identity: a running number for each source, a sequence within the unit where the source keeps one.

    `series` tells runs apart (month and seed), so that two runs into one ledger do not contradict each other.
    """

    def __init__(self, series: str) -> None:
        self._series = series
        self._numbers: defaultdict[str, int] = defaultdict(int)
        self._sequences: defaultdict[tuple[str, str], int] = defaultdict(int)

    def events(self, occurrences: Iterable[Occurrence]) -> Iterator[Event]:
        """The events of occurrences, in the order given (that of time)."""
        return map(self.event, occurrences)

    def event(self, what: Occurrence) -> Event:
        """The event of one occurrence."""
        self._numbers[what.source] += 1
        event: Event = {
            "specversion": "1.0",
            "id": f"{self._series}-{self._numbers[what.source]:06d}",
            "source": what.source,
            "type": f"kaohe.{what.family}.{what.verb}.v1",
            "subject": what.unit,
            "partitionkey": what.unit,
            "time": what.time.isoformat(),
            "datacontenttype": "application/json",
            "data": what.data,
        }
        if what.ordered:
            self._sequences[what.source, what.unit] += 1
            event["sequence"] = str(self._sequences[what.source, what.unit])
        return event

    def correction(self, verb: str, target: Event, time: datetime, **data: Any) -> Event:
        """`event.amended` or `event.withdrawn` about an event of the same source."""
        fact = Occurrence(time, target["source"], "event", verb, target["subject"], {})
        event = self.event(fact)
        event["data"] = {"target": target["id"], **data}
        return event
