"""Decimals as text to whole millionths, exactly."""

from __future__ import annotations

import re
from typing import Final

MILLION: Final = 1_000_000
_DECIMAL: Final = re.compile(r"([+-]?)(\d{1,18})(?:\.(\d{1,6})0*)?", re.ASCII).fullmatch


def millionths(text: str | None) -> int | None:
    """Millionths of a decimal with at most six places; None when it is none.

    >>> millionths("0.5"), millionths("-3"), millionths("1e3")
    (500000, -3000000, None)
    """
    found = _DECIMAL(text) if text is not None else None
    if found is None:
        return None
    amount = int(found[2]) * MILLION + int((found[3] or "").ljust(6, "0"))
    return -amount if found[1] == "-" else amount
