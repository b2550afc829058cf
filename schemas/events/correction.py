"""更正: an event that amends or withdraws another one of the same source."""

from __future__ import annotations

from typing import Annotated, Any, Final, Required

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, with_config
from pydantic_core import PydanticCustomError

from schemas.definition import DATA, Acts, EventType
from schemas.values import Identifier, Instant, Label, PersonId, Source

FIXED: Final = ("specversion", "id", "source", "type", "subject", "partitionkey", "sequence")
_INSTANT: Final = TypeAdapter(Instant)
_PERSON: Final = TypeAdapter(PersonId | None)
_CHECKED: Final[dict[str, TypeAdapter[Any]]] = {"time": _INSTANT, "engineer": _PERSON, "performed_by": _PERSON}


def _amendable(changes: dict[str, Any]) -> dict[str, Any]:
    for name, value in changes.items():
        if name in FIXED:
            raise PydanticCustomError(
                "changes", "{name} cannot be amended: withdraw the event and send it anew", {"name": name}
            )
        if name in _CHECKED:
            _check(name, value)
    return changes


def _check(name: str, value: object) -> None:
    try:
        _CHECKED[name].validate_python(value, strict=True)
    except ValidationError as fault:
        reason = fault.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
        raise PydanticCustomError("changes", "{name}: {reason}", {"name": name, "reason": reason}) from None


@with_config(DATA)
class CorrectionData(Acts, total=False):
    """Which event is corrected, and why."""

    target: Required[Annotated[Identifier, Field(description="Id of the event, of the same source.")]]
    target_source: Annotated[
        Source, Field(description="Source of the event; only the system itself may name another than its own.")
    ]
    reason: Annotated[Label, Field(description="Why.")]


@with_config(DATA)
class AmendmentData(CorrectionData, total=False):
    """What is amended."""

    changes: Required[
        Annotated[
            dict[str, Any],
            Field(
                min_length=1,
                description="New values of time, engineer, performed_by or fields of the data; null takes a field out.",
            ),
            AfterValidator(_amendable),
        ]
    ]


EVENTS: Final = (
    EventType("event", "amended", "更正", "Fields of an event are replaced.", AmendmentData, has_subject=False),
    EventType("event", "withdrawn", "撤销", "An event never happened.", CorrectionData, has_subject=False),
)
