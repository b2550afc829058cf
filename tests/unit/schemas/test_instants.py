"""Instants are read exactly: truncated to milliseconds, never rounded, and never without an offset."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.instants import NotAnInstantError, epoch_ms, is_day

FIRST, LAST = datetime(1971, 1, 3), datetime(2199, 12, 29)  # noqa: DTZ001 - hypothesis wants them naive
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "2026-10-15T15:59:59.9996Z",
            1_792_079_999_999,
        ),  # day 7 of PG-02 in examples/s01: truncated, it is still that day
        ("2026-10-15T23:59:59.999999999999999999+08:00", 1_792_079_999_999),
        ("2026-10-16T00:00:00+08:00", 1_792_080_000_000),
        ("2026-10-15t16:00:00z", 1_792_080_000_000),
        ("2026-10-15T16:00:00-00:00", 1_792_080_000_000),
        ("2026-10-15T16:00:00.0009Z", 1_792_080_000_000),
        ("2026-10-15T16:00:00.1Z", 1_792_080_000_100),
        ("1999-12-31T23:59:59.001-12:00", 946_727_999_001),
    ],
)
def test_an_instant_is_truncated_to_the_millisecond(text: str, expected: int) -> None:
    assert epoch_ms(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-10-08T09:00:00", "no offset"),
        ("2026-10-08 09:00:00", "no offset"),
        ("2026-10-08T09:00", "no offset"),
        ("2026-12-31T23:59:60Z", "leap second"),
        ("2026-02-29T00:00:00Z", "no such day"),
        ("2026-13-01T00:00:00Z", "no such day"),
        ("0000-01-01T00:00:00Z", "no such day"),
        ("9999-12-31T23:59:59Z", "year"),
        ("1970-01-01T00:00:00Z", "year"),
        ("2026-10-08T24:00:00Z", "RFC 3339"),
        ("2026-10-08T09:00:00+24:00", "RFC 3339"),
        ("2026-10-08T09:00:00+0800", "RFC 3339"),
        ("2026-10-08T09:00:00,5Z", "RFC 3339"),
        ("20261008T090000Z", "RFC 3339"),
        ("2026-W41-4T09:00:00Z", "RFC 3339"),
        ("２０２６-10-08T09:00:00Z", "RFC 3339"),
        ("2026-10-08T09:00:00Z\n", "RFC 3339"),
        ("", "RFC 3339"),
    ],
)
def test_what_is_no_instant_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(NotAnInstantError, match=reason):
        epoch_ms(text)


@given(
    instant=st.datetimes(min_value=FIRST, max_value=LAST),
    offset=st.integers(-23 * 60 - 59, 23 * 60 + 59),
    below=st.text("0123456789", max_size=9),
)
def test_any_instant_is_the_floor_of_its_milliseconds(instant: datetime, offset: int, below: str) -> None:
    aware = instant.replace(tzinfo=timezone(timedelta(minutes=offset)))
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset)
    text = f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond:06d}{below}{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    assert epoch_ms(text) == (aware - EPOCH) // timedelta(milliseconds=1)


@pytest.mark.parametrize("text", ["2026-10-8", "2026-02-30", "20261008", "2026-W41-4", "9999-01-01", ""])
def test_what_is_no_day_is_refused(text: str) -> None:
    assert not is_day(text)
