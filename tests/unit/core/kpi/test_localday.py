"""Local days, midnights and months, in zones that jump as well."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.kpi.definitions import Definitions
from services.core.kpi.localday import DAY_MS, LocalDays, instant_ms, local_days, month_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = (
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "UTC",
)
instants = st.integers(31_536_000_000, 4_102_444_800_000)


@given(st.sampled_from(ZONES), instants)
@settings(max_examples=150, deadline=None)
def test_the_day_is_the_date_on_the_wall(zone: str, instant: int) -> None:
    local = (EPOCH + timedelta(milliseconds=instant)).astimezone(ZoneInfo(zone)).date()
    days = local_days(zone)
    assert days.day(instant) == (local - date(1970, 1, 1)).days
    assert days.month(instant) == 12 * local.year + local.month - 1


@given(st.sampled_from(ZONES), instants)
@settings(max_examples=150, deadline=None)
def test_a_day_begins_where_its_date_begins(zone: str, instant: int) -> None:
    days = local_days(zone)
    day = days.day(instant)
    start = days.start_ms(day)
    assert start <= instant < days.start_ms(day + 1)
    assert days.day(start) == day
    assert days.day(start - 1) < day


@pytest.mark.parametrize(
    ("zone", "day", "start"),
    [
        (
            "America/Sao_Paulo",
            date(2018, 11, 4),
            "2018-11-04T03:00:00+00:00",
        ),  # midnight is skipped: the day begins at 01:00
        (
            "America/Sao_Paulo",
            date(2018, 2, 18),
            "2018-02-18T03:00:00+00:00",
        ),  # 23:00 to midnight comes twice the day before
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00:00+00:00"),  # the 30th does not exist
        ("Asia/Shanghai", date(2026, 10, 8), "2026-10-07T16:00:00+00:00"),
    ],
)
def test_midnights_that_do_not_exist_or_come_twice(zone: str, day: date, start: str) -> None:
    number = (day - date(1970, 1, 1)).days
    assert LocalDays(zone).start_ms(number) == instant_ms(start)


def test_an_offset_remembered_before_a_jump_is_not_used_after_it() -> None:
    days = LocalDays("Europe/Berlin")
    early, late = instant_ms("2026-03-29T00:30:00Z"), instant_ms("2026-03-29T22:30:00Z")  # the clocks jump at 01:00Z
    assert early is not None
    assert late is not None
    assert days.day(late) == days.day(early) + 1


def test_a_day_that_a_zone_skipped_has_no_length() -> None:
    days = LocalDays("Pacific/Apia")
    skipped = (date(2011, 12, 30) - date(1970, 1, 1)).days
    assert days.start_ms(skipped) == days.start_ms(skipped + 1)


def test_months_end_on_their_last_millisecond() -> None:
    month = month_of("2026-10")
    assert month is not None
    assert local_days("Asia/Shanghai").month_end_ms(month) == (instant_ms("2026-11-01T00:00:00+08:00") or 0) - 1
    december = month_of("2026-12")
    assert december is not None
    assert local_days("Asia/Shanghai").month_end_ms(december) == (instant_ms("2027-01-01T00:00:00+08:00") or 0) - 1


def test_instants_at_the_edge_of_the_calendar_have_a_day() -> None:
    days = LocalDays("Asia/Shanghai")
    for instant in (-(10**15), 10**15):
        assert days.start_ms(days.day(instant)) <= instant < days.start_ms(days.day(instant) + 1)
        assert days.month(instant) in (12 * 1, 12 * 9999 + 11)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-15T15:59:59.9996Z", 1792079999999),
        ("2026-10-15T23:59:59.9996+08:00", 1792079999999),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("2026-10-15t15:59:59z", 1792079999000),
        ("2026-10-15T15:59:59", None),
        ("2026-10-15", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-10-15T24:00:00Z", None),
        ("nonsense", None),
    ],
)
def test_instants_are_cut_off_below_the_millisecond(text: str, expected: int | None) -> None:
    assert instant_ms(text) == expected


def test_definitions_know_their_zone_and_refuse_another() -> None:
    definitions = Definitions(zone="Asia/Shanghai")
    day = definitions.local_day(1792079999999)
    assert definitions.day_start_ms(day) + DAY_MS == definitions.day_start_ms(day + 1) == 1792080000000
    with pytest.raises(ZoneInfoNotFoundError):
        Definitions(zone="Mars/Olympus")
