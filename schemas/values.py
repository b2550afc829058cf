"""The kinds of values that fields hold: one name a kind, with its limits and the reason for them.

Limits are in characters. Names end in keys of PostgreSQL's indexes, whose entries hold 2,704 bytes: source (128) + person (128) + measure (64) +
dimension (64) fit at four bytes a character.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic.functional_validators import AfterValidator
from pydantic_core import PydanticCustomError

from schemas.instants import NotAnInstantError, epoch_ms, is_day

_PRINTABLE: Final = r"^[^\x00-\x1f\x7f]+$"
_TRIMMED: Final = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"
_NO_SPACE: Final = r"^[^\s\x00-\x1f\x7f]+$"
_DECIMAL: Final = re.compile(r"-?\d{1,12}(\.\d{1,6})?", re.ASCII).fullmatch


def _instant(text: str) -> str:
    try:
        epoch_ms(text)
    except NotAnInstantError as fault:
        raise PydanticCustomError("instant", "{reason}", {"reason": str(fault)}) from None
    return text


def _day(text: str) -> str:
    if not is_day(text):
        raise PydanticCustomError("day", "not a day like 2026-10-08")
    return text


def _decimal(value: object) -> str:
    """The canonical text of a decimal: no exponent, no trailing zeros, no negative zero. Numbers are read by their shortest text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise PydanticCustomError("decimal", 'not a decimal: write it as text, like "0.5"')
    text = value if isinstance(value, str) else format(Decimal(str(value)), "f")
    if isinstance(value, float) and text.endswith(".0"):
        text = text[:-2]
    if _DECIMAL(text) is None:
        raise PydanticCustomError("decimal", "not a decimal of at most 12 digits before and 6 after the point")
    number = Decimal(text)
    return format(number.normalize() if number else Decimal(0), "f")


def _not_negative(text: str) -> str:
    if text.startswith("-"):
        raise PydanticCustomError("decimal", "must not be negative")
    return text


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number


Source = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_NO_SPACE)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_TRIMMED)]
PersonId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_TRIMMED)]
"""A person as the source numbers them; the roster maps it."""
Label = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_TRIMMED)]
"""A word of the source's own vocabulary that figures may be broken down by."""
Reference = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_PRINTABLE)]
"""The id of something else: a customer, a product, an asset, another unit of work. A surrogate, never a name or an address."""
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""A word that becomes part of a measure's name."""
Instant = Annotated[
    str,
    StringConstraints(max_length=64),
    AfterValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Day = Annotated[
    str, StringConstraints(max_length=10), AfterValidator(_day), WithJsonSchema({"type": "string", "format": "date"})
]
Month = Annotated[str, StringConstraints(pattern=r"^(19(7[1-9]|[89][0-9])|2[01][0-9]{2})-(0[1-9]|1[0-2])$")]
_DECIMAL_JSON: Final = {
    "anyOf": [{"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$"}, {"type": "number"}],
    "description": "A decimal; as text it is exact.",
}
DecimalText = Annotated[str, BeforeValidator(_decimal), WithJsonSchema(_DECIMAL_JSON)]
Days = Annotated[
    str,
    BeforeValidator(_decimal),
    AfterValidator(_not_negative),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,6})?$"}, {"type": "number", "minimum": 0}]}
    ),
]
Number = Annotated[int | float, Field(ge=-1_000_000, le=1_000_000, allow_inf_nan=False), AfterValidator(_whole)]
"""A small number of a scale, an integer where it is whole."""
Count = Annotated[int, Field(ge=0, le=1_000_000)]
