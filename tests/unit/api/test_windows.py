"""Windows are half-open, end at T, and are cut where buckets can serve; views leave out what they say."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.kpis.windows import UnknownWindowError, View, window_of
from services.core.kpi.definitions import Definitions
from services.store.spans import EPOCH_DAY, AtLimit, Span, is_day_booked
from tests.examples.loader import milliseconds

SHANGHAI = Definitions()
BERLIN = Definitions(zone="Europe/Berlin")
HOUR = 3_600_000
instants = st.integers(milliseconds("2026-01-01T00:00:00+08:00"), milliseconds("2027-12-31T00:00:00+08:00"))
zones = st.sampled_from((SHANGHAI, BERLIN))


def ms(local: str) -> int:
    return milliseconds(f"{local}+08:00")


@pytest.mark.parametrize(("name", "hours"), [("1h", 1), ("24h", 24), ("7d", 168), ("30d", 720)])
def test_a_rolling_window_ends_at_t(name: str, hours: int) -> None:
    """Whatever the zone does meanwhile."""
    now = ms("2026-10-15T12:34:56")
    window = window_of(name, now, BERLIN)
    assert (window.start_ms, window.end_ms, window.gauge_ms) == (now - hours * HOUR, now, now)


@pytest.mark.parametrize(
    ("name", "now", "start", "end"),
    [
        ("month", "2026-10-31T23:59:59.999", "2026-10-01T00:00", "2026-11-01T00:00"),
        ("month", "2026-11-01T00:00", "2026-11-01T00:00", "2026-12-01T00:00"),
        ("2026-12", "2026-10-15T00:00", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("2024-02", "2026-10-15T00:00", "2024-02-01T00:00", "2024-03-01T00:00"),
    ],
)
def test_a_month_is_the_local_one(name: str, now: str, start: str, end: str) -> None:
    """From its first midnight to the next month's."""
    window = window_of(name, ms(now), SHANGHAI)
    assert (window.start_ms, window.end_ms) == (ms(start), ms(end))


@pytest.mark.parametrize("name", ["", "2h", "2026-13", "2026-1", "0001-01", "9999-12", "month ", "2026-10-01"])
def test_another_name_is_no_window(name: str) -> None:
    """And is refused before anything is read."""
    with pytest.raises(UnknownWindowError):
        window_of(name, 0, SHANGHAI)


@pytest.mark.parametrize(
    ("view", "now", "limit"),
    [
        (View.LIVE, "2026-10-15T00:00", "2026-10-15T00:00"),
        (View.LIVE, "2026-11-15T00:00", "2026-11-15T00:00"),
        (View.SETTLED, "2026-10-15T00:00", "2026-10-15T00:00"),
        (View.SETTLED, "2026-11-01T00:00", None),
        (View.PROVISIONAL, "2026-10-15T00:00", "2026-10-15T00:00"),
        (View.PROVISIONAL, "2026-11-15T00:00", "2026-11-01T00:00"),
        (View.MATURED, "2026-11-15T00:00", "2026-11-01T00:00"),
    ],
)
def test_a_view_says_what_is_left_out(view: View, now: str, limit: str | None) -> None:
    """Of October, seen at an instant."""
    window = window_of("2026-10", ms(now), SHANGHAI)
    assert window.at_before_ms(view) == (None if limit is None else ms(limit))


def test_the_roster_of_a_gauge_is_that_of_the_day_just_before_t() -> None:
    """T is exclusive: at midnight the day that ends still counts."""
    assert window_of("24h", ms("2026-11-01T00:00"), SHANGHAI).gauge_day(SHANGHAI) == date(2026, 10, 31)
    assert window_of("24h", ms("2026-11-01T00:00:00.001"), SHANGHAI).gauge_day(SHANGHAI) == date(2026, 11, 1)
    assert window_of("2026-09", ms("2026-11-05T00:00"), SHANGHAI).gauge_day(SHANGHAI) == date(2026, 9, 30)


@given(now=instants, width=st.integers(1, 40 * 24 * HOUR), definitions=zones)
def test_whole_days_and_the_edge_make_up_the_window(now: int, width: int, definitions: Definitions) -> None:
    """Every instant before the limit belongs to exactly one part, or lies outside the window and to none."""
    span = Span.of(now - width, now, now, definitions)
    probes = {now - width - 1, now - width, now - width // 2, now - 1, now}
    for number in range(definitions.local_day(now - width), definitions.local_day(now) + 2):
        midnight = definitions.day_start_ms(number)
        probes |= {midnight - 1, midnight, midnight + 1}
    for book in probes:
        in_edge = span.edge is not None and span.edge.from_ms <= book < span.edge.to_ms
        day = date.fromordinal(EPOCH_DAY.toordinal() + definitions.local_day(book))
        in_days = span.whole_from <= day < span.whole_to
        assert in_days == (span.whole_from_ms <= book < span.whole_to_ms)
        if book < now:  # `at` is never before `book`, so the limit keeps the rest of the last day out
            assert (in_edge, in_days).count(True) == (now - width <= book)


@given(now=instants, width=st.integers(1, 40 * 24 * HOUR), definitions=zones)
def test_what_is_booked_on_the_end_of_a_day_belongs_to_the_window_that_holds_that_end(
    now: int, width: int, definitions: Definitions
) -> None:
    """Attendance and headquarters' figures: whole days only."""
    span = Span.of_day_booked(now - width, now, now, definitions)
    for day in range(definitions.local_day(now - width) - 1, definitions.local_day(now) + 2):
        end = definitions.day_start_ms(day + 1) - 1
        inside = span.whole_from <= date.fromordinal(EPOCH_DAY.toordinal() + day) < span.whole_to
        assert inside == (now - width <= end < now)


@given(now=instants, definitions=zones)
def test_the_limit_knows_its_day_and_its_hour(now: int, definitions: Definitions) -> None:
    """Buckets end before the hour, the journal tells the rest."""
    limit = AtLimit.at(now, definitions)
    assert limit.day_ms <= limit.hour_ms <= limit.before_ms == now
    assert now - limit.hour_ms < HOUR
    assert definitions.local_day(limit.day_ms) == definitions.local_day(now)


def test_a_window_that_ends_inside_a_day_needs_its_limit() -> None:
    """Without it the buckets of the last day would bring what lies behind the end."""
    with pytest.raises(ValueError, match="limit"):
        Span.of(0, 5 * HOUR, None, SHANGHAI)


@pytest.mark.parametrize(
    ("measure", "booked"),
    [
        ("attendance.present", True),
        ("measure.satisfaction.numerator", True),
        ("dispatch.open", False),
        ("finding.measure", False),
    ],
)
def test_which_measures_are_booked_on_the_end_of_a_day(measure: str, booked: bool) -> None:
    """By family."""
    assert is_day_booked(measure) is booked
