"""Exact numbers and how they are written: rationals as "n/d", money and display after one named rounding.

Nothing here rounds unless the name of the function says so: 28-digit decimals break true ties in rankings.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

MILLION = 1_000_000


def rational(number: Fraction) -> str:
    """The stored form "n/d" in lowest terms.

    >>> rational(Fraction(10))
    '10/1'
    """
    return f"{number.numerator}/{number.denominator}"


def plain(number: Fraction) -> str:
    """The form in which people read arithmetic: whole numbers without "/1", a minus that is not a hyphen.

    >>> plain(Fraction(-123, 5))
    '−123/5'
    """
    text = str(abs(number))
    return f"−{text}" if number < 0 else text


def bracketed(number: Fraction) -> str:
    """`plain`, in brackets where it would be misread inside a product or a quotient.

    >>> bracketed(Fraction(5, 2))
    '(5/2)'
    """
    text = plain(number)
    return f"({text})" if number < 0 or number.denominator != 1 else text


def half_up(number: Fraction, places: int) -> Decimal:
    """Rounded half up, that is away from zero, to `places` digits after the point.

    >>> half_up(Fraction(-49, 10), 2)
    Decimal('-4.90')
    """
    scaled = abs(number) * 10**places
    units = int(scaled + Fraction(1, 2))
    with localcontext() as context:
        context.prec = max(28, len(str(units)) + 1)
        return (Decimal(units).scaleb(-places) * (-1 if number < 0 else 1)).quantize(
            Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP
        )


def decimal_text(number: Fraction, places: int = 12) -> str:
    """The display form with `places` digits, half up; zero carries no sign.

    >>> decimal_text(Fraction(259, 3))
    '86.333333333333'
    """
    rounded = half_up(number, places)
    return f"{abs(rounded) if rounded == 0 else rounded:f}"
