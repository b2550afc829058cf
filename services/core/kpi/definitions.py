"""The versioned readings of the catalogue that the fold depends on. Another value is a setting, never other code."""

from __future__ import annotations

from dataclasses import dataclass

from services.core.kpi.localday import DAY_MS, HOUR_MS, local_days


@dataclass(frozen=True, slots=True)
class Definitions:
    """Defaults as in the design's definitions; durations in milliseconds.

    Raises ZoneInfoNotFoundError for a zone that does not exist.
    """

    zone: str = "Asia/Shanghai"
    version: int = 1
    # A customer's wish takes days out; a company's or missing parts do not (rule 9).
    customer_reasons: tuple[str, ...] = ("customer",)
    # Order types whose completion owes a follow-up; empty = all of them (rule 25).
    followup_order_types: tuple[str, ...] = ()
    followup_limit_ms: int = 48 * HOUR_MS
    # A resolution stands for good when nobody reopened within this time, inclusive (rule 19).
    reopen_window_ms: int = 7 * DAY_MS
    # Rule 23: the labels, and the scores of each scale, that count as satisfied.
    satisfied_labels: tuple[str, ...] = ("非常满意", "满意")
    satisfied_scores: tuple[tuple[str, tuple[int, ...]], ...] = (("1-5", (4, 5)), ("0-10", (9, 10)))

    def __post_init__(self) -> None:
        local_days(self.zone)

    def local_day(self, instant_ms: int) -> int:
        """The local day of an instant, in days since 1970-01-01."""
        return local_days(self.zone).day(instant_ms)

    def day_start_ms(self, day: int) -> int:
        """The first instant of a local day."""
        return local_days(self.zone).start_ms(day)

    def month(self, instant_ms: int) -> int:
        """The local calendar month of an instant: 12 × year + month − 1."""
        return local_days(self.zone).month(instant_ms)
