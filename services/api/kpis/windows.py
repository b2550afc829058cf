"""Windows and views: which postings a figure sums, as intervals of epoch milliseconds. Pure.

Rolling windows are [T - w, T); a month is [first local midnight, next month's first local midnight). A view says what else is left out:
`live` leaves out what acts at or after T, `provisional` also what acts at or after the period's end, `settled` nothing once the period is over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.core.kpi.definitions import Definitions
from services.store.figures import SpanPair
from services.store.spans import EPOCH_DAY, AtLimit, Span

HOUR_MS = 3_600_000
ROLLING_MS = {"1h": HOUR_MS, "24h": 24 * HOUR_MS, "7d": 7 * 24 * HOUR_MS, "30d": 30 * 24 * HOUR_MS}
PATTERN = r"^(1h|24h|7d|30d|month|(20|21)\d{2}-(0[1-9]|1[0-2]))$"


class View(StrEnum):
    """What a figure of a period leaves out (definitions, rule 15)."""

    LIVE = "live"
    SETTLED = "settled"
    PROVISIONAL = "provisional"
    MATURED = "matured"


class UnknownWindowError(ValueError):
    """A name that is no window."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window as seen at an instant T (`now_ms`): what is booked in [start_ms, end_ms)."""

    name: str
    start_ms: int
    end_ms: int
    now_ms: int
    rolling: bool

    @property
    def over(self) -> bool:
        """True when nothing more can be booked in it by T."""
        return self.end_ms <= self.now_ms

    @property
    def gauge_ms(self) -> int:
        """The instant at which a stock of this window is read: T, or the end of a period that is over."""
        return min(self.now_ms, self.end_ms)

    def at_before_ms(self, view: View) -> int | None:
        """The limit on `at` in a view, None: no limit."""
        match view:
            case View.PROVISIONAL | View.MATURED:
                return self.gauge_ms
            case View.SETTLED if self.over and not self.rolling:
                return None
            case View.SETTLED | View.LIVE:
                return self.now_ms

    def spans(self, view: View, definitions: Definitions) -> SpanPair:
        """The window cut into what buckets hold and what the journal tells."""
        limit = self.at_before_ms(view)
        return SpanPair(
            Span.of(self.start_ms, self.end_ms, limit, definitions),
            Span.of_day_booked(self.start_ms, self.end_ms, limit, definitions),
        )

    def gauge_limit(self, definitions: Definitions) -> AtLimit:
        """The limit on `at` of a stock."""
        return AtLimit.at(self.gauge_ms, definitions)

    def gauge_day(self, definitions: Definitions) -> date:
        """The local day just before the gauge's instant: on it the roster names the units."""
        return day_before(self.gauge_ms, definitions)


def day_before(instant_ms: int, definitions: Definitions) -> date:
    """The local day just before an instant: instants that end something are exclusive."""
    return date.fromordinal(EPOCH_DAY.toordinal() + definitions.local_day(instant_ms - 1))


def window_of(name: str, now_ms: int, definitions: Definitions) -> Window:
    """The window of this name at T. Raises UnknownWindowError.

    >>> window_of("1h", 3_600_000, Definitions()).start_ms
    0
    """
    if name in ROLLING_MS:
        return Window(name, now_ms - ROLLING_MS[name], now_ms, now_ms, rolling=True)
    if re.fullmatch(PATTERN, name) is None:
        raise UnknownWindowError(name)
    first = _first_of_month(now_ms, definitions) if name == "month" else date.fromisoformat(f"{name}-01")
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return Window(
        f"{first:%Y-%m}", _midnight_ms(first, definitions), _midnight_ms(following, definitions), now_ms, rolling=False
    )


def _first_of_month(now_ms: int, definitions: Definitions) -> date:
    today = date.fromordinal(EPOCH_DAY.toordinal() + definitions.local_day(now_ms))
    return today.replace(day=1)


def _midnight_ms(day: date, definitions: Definitions) -> int:
    return definitions.day_start_ms(day.toordinal() - EPOCH_DAY.toordinal())
