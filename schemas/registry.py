"""Every event that Kaohe knows, by its CloudEvents type."""

from __future__ import annotations

import re
from typing import Final

from schemas.definition import EventType
from schemas.errors import UnknownType, UnknownVersion
from schemas.events import (
    attendance,
    call,
    complaint,
    correction,
    dispatch,
    followup,
    inspection,
    measure,
    roster,
    survey,
    ticket,
)

_FAMILIES: Final = (
    dispatch, ticket, call, followup, survey, complaint, inspection, attendance, measure, roster, correction,
)  # fmt: skip

TYPES: Final[dict[str, EventType]] = {event.name: event for family in _FAMILIES for event in family.EVENTS}
AMENDED: Final = "kaohe.event.amended.v1"
WITHDRAWN: Final = "kaohe.event.withdrawn.v1"
CORRECTIONS: Final = frozenset({AMENDED, WITHDRAWN})

_VERSIONED: Final = re.compile(r"(.+)\.v\d+", re.ASCII | re.DOTALL).fullmatch
_NAMES: Final = frozenset(name.rpartition(".")[0] for name in TYPES)


def unknown(name: str) -> UnknownType:
    """The error for a type that is not in the registry: another version of a known event, or no event of ours."""
    versioned = _VERSIONED(name)
    if versioned is not None and versioned[1] in _NAMES:
        return UnknownVersion(pointer="/type")
    return UnknownType(pointer="/type")
