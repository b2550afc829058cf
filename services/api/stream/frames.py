"""What a stream sends: which figures changed, the id that a client may resume from, and the bytes of a message. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson
from fastapi.sse import format_sse_event

from services.api.kpis.schemas import AsOf, Kpi

FigureKey = tuple[str, str | None]
"""(indicator, subject id) of a figure."""

_ID: Final = re.compile(r"(\d{1,16})-(\d{1,16})-((?:\d{1,5}:\d{1,18})(?:,\d{1,5}:\d{1,18})*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Seen:
    """The ground that a client has seen: T, the roster's version, and for each shard the first seq not included."""

    at_ms: int
    roster_version: int
    cutoff: Mapping[int, int]

    def encode(self) -> str:
        """The id of a message."""
        cut = ",".join(f"{shard}:{seq}" for shard, seq in sorted(self.cutoff.items()))
        return f"{self.at_ms}-{self.roster_version}-{cut}"

    @classmethod
    def decode(cls, text: str | None) -> Seen | None:
        """What a `Last-Event-ID` says; None for anything that is no id of ours."""
        found = _ID.fullmatch(text or "")
        if found is None:
            return None
        pairs = (pair.split(":") for pair in (found[3] or "").split(",") if pair)
        return cls(int(found[1]), int(found[2]), {int(shard): int(seq) for shard, seq in pairs})


def key_of(kpi: Kpi) -> FigureKey:
    """Which figure it is, in its stream."""
    return kpi.indicator, kpi.subject.id


def changed(before: Mapping[FigureKey, Kpi], after: Iterable[Kpi]) -> list[Kpi]:
    """The figures that say something else than before. That time has passed is no change: a window's ends, the age of the oldest."""
    return [kpi for kpi in after if key_of(kpi) not in before or _said(before[key_of(kpi)]) != _said(kpi)]


def message(event: str, as_of: AsOf, items: Iterable[Kpi], seen: Seen) -> bytes:
    """One SSE message: `snapshot` holds every figure, `kpi` those that changed."""
    body = {"as_of": as_of.model_dump(by_alias=True), "items": [kpi.model_dump(by_alias=True) for kpi in items]}
    return format_sse_event(
        data_str=orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS).decode(), event=event, id=seen.encode()
    )


def _said(kpi: Kpi) -> tuple[object, ...]:
    waiting = kpi.waiting and (kpi.waiting.unanswered, kpi.waiting.oldest_since)
    return kpi.numerator, kpi.denominator, kpi.n, kpi.view, kpi.marks, kpi.durations, kpi.pending, kpi.subject, waiting
