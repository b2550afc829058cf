"""What an amendment may put into a field: whatever one of the families that have the field would take."""

from __future__ import annotations

from typing import Any, Final, NotRequired, Required, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from typing_extensions import get_type_hints

from schemas.definition import DATA, Acts
from schemas.events.attendance import AttendanceFacts
from schemas.events.call import CallData
from schemas.events.complaint import ComplaintData
from schemas.events.dispatch import DispatchData
from schemas.events.followup import FollowupData
from schemas.events.inspection import InspectionData
from schemas.events.measure import MeasureData
from schemas.events.roster import RosterRecord
from schemas.events.survey import SurveyData
from schemas.events.ticket import TicketData
from schemas.values import Instant

FIXED: Final = frozenset({"specversion", "id", "source", "type", "subject", "partitionkey", "sequence"})
_FAMILIES: Final = (
    Acts, DispatchData, TicketData, CallData, FollowupData, SurveyData, ComplaintData, InspectionData, AttendanceFacts, MeasureData,
    RosterRecord,
)  # fmt: skip


def _adapters() -> dict[str, list[TypeAdapter[Any]]]:
    """Validators of each field, by name; fields of one name may differ from family to family."""
    found: dict[str, dict[str, TypeAdapter[Any]]] = {}
    for family in _FAMILIES:
        for name, hint in get_type_hints(family, include_extras=True).items():
            origin: Any = get_origin(hint)
            kind = get_args(hint)[0] if origin in {Required, NotRequired} else hint
            found.setdefault(name, {}).setdefault(repr(kind), TypeAdapter(kind, config=DATA))
    return {name: list(kinds.values()) for name, kinds in found.items()} | {"time": [TypeAdapter(Instant, config=DATA)]}


_ADAPTERS: Final = _adapters()


def amended(changes: dict[str, Any]) -> dict[str, Any]:
    """The changes with canonical values; null takes a field out, except the time. Unknown fields pass as they are.

    Raises PydanticCustomError that names the field.
    """
    return {name: _value(name, value) for name, value in changes.items()}


def _value(name: str, value: object) -> Any:
    if name in FIXED:
        raise PydanticCustomError(
            "changes", "{name} cannot be amended: withdraw the event and send it anew", {"name": name}
        )
    if name not in _ADAPTERS or (value is None and name != "time"):
        return value
    reason = ""
    for adapter in _ADAPTERS[name]:
        try:
            return adapter.validate_python(value)
        except ValidationError as fault:
            reason = reason or fault.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
    raise PydanticCustomError("changes", "{name}: {reason}", {"name": name, "reason": reason})
