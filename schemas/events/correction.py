"""更正: an event that amends or withdraws another one of the same source."""

from __future__ import annotations

from typing import Annotated, Any, Final, Required

from pydantic import AfterValidator, Field, with_config

from schemas.definition import DATA, Acts, EventType
from schemas.events.amendable import amended
from schemas.values import Identifier, Label, Source


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
            AfterValidator(amended),
        ]
    ]


EVENTS: Final = (
    EventType("event", "amended", "更正", "Fields of an event are replaced.", AmendmentData, has_subject=False),
    EventType("event", "withdrawn", "撤销", "An event never happened.", CorrectionData, has_subject=False),
)
