"""Instants and exact numbers on the wire: RFC 3339 in UTC with milliseconds; fractions as text, and as a decimal for display."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DECIMALS = 12


def rfc3339(instant_ms: int) -> str:
    """Epoch milliseconds as text. Raises OverflowError beyond the year 9999.

    >>> rfc3339(1_790_784_000_001)
    '2026-09-30T16:00:00.001Z'
    """
    return f"{(_EPOCH + timedelta(milliseconds=instant_ms)).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def to_ms(instant: datetime) -> int:
    """Epoch milliseconds of an aware datetime, cut off below the millisecond."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def exact(value: Fraction) -> str:
    """A fraction as `n/d`, in lowest terms.

    >>> exact(Fraction(6, 4)), exact(Fraction(2))
    ('3/2', '2/1')
    """
    return f"{value.numerator}/{value.denominator}"


def decimal(value: Fraction, places: int = DECIMALS) -> str:
    """A fraction with a fixed number of decimals, rounded half away from zero; for display, never for arithmetic.

    >>> decimal(Fraction(-123, 5)), decimal(Fraction(2, 3))
    ('-24.600000000000', '0.666666666667')
    """
    scaled = abs(value) * 10**places
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    digits = f"{whole:0{places + 1}d}"
    sign = "-" if value < 0 and whole else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
