"""Short ways to write events in tests. Times are local to Asia/Shanghai: "11-02 09:00" lies in 2026."""

from __future__ import annotations

from itertools import count
from typing import cast

from services.core.kpi.definitions import Definitions
from services.core.kpi.event import FACTS, CorrectionFacts, Event, Facts, OtherFacts, Scalar
from services.core.kpi.walk import Folded, fold_case
from tests.examples.loader import milliseconds

_ids = count(1)


def ms(text: str) -> int:
    """An instant, also with seconds and milliseconds: "11-02 09:00:00.001"."""
    day, clock = text.split(" ")
    return milliseconds(f"2026-{day}T{clock if clock.count(':') == 2 else clock + ':00'}+08:00")


def event(
    what: str,
    at: str,
    engineer: str | None = None,
    *,
    by: str | None = None,
    facts: Facts | None = None,
    id_: str | None = None,
    source: str = "crm",
    sequence: int | None = None,
) -> Event:
    """An event such as "dispatch.accepted"; ids count upwards in the order of writing."""
    family, verb = what.split(".")
    facts = facts or cast("type[OtherFacts]", FACTS[family])()
    return Event(source, id_ or f"{next(_ids):06}", family, verb, "U-1", ms(at), sequence, engineer, by, facts)


def withdrawn(target: Event | str, at: str, *, source: str = "crm", target_source: str | None = None) -> Event:
    """A withdrawal."""
    name = target if isinstance(target, str) else target.id
    return event("event.withdrawn", at, source=source, facts=CorrectionFacts(name, target_source))


def amended(target: Event | str, at: str, *, source: str = "crm", id_: str | None = None, **changes: Scalar) -> Event:
    """An amendment."""
    name = target if isinstance(target, str) else target.id
    return event("event.amended", at, source=source, id_=id_, facts=CorrectionFacts(name, None, tuple(changes.items())))


def fold(*events: Event, definitions: Definitions | None = None) -> Folded:
    """Fold one case."""
    return fold_case(events, definitions or Definitions())


def net(folded: Folded, prefix: str) -> dict[tuple[str, str, int], int]:
    """What stands of the measures with a prefix, by engineer, measure and book, whenever it came to be known."""
    sums: dict[tuple[str, str, int], int] = {}
    for (engineer, measure, _dim, _at, book, _value), n in folded.posted.items():
        if measure.startswith(prefix):
            key = (engineer, measure, book)
            sums[key] = sums.get(key, 0) + n
    return {key: n for key, n in sums.items() if n}
