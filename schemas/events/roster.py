"""花名册: one record of the roster, with the same columns as its CSV form."""

from __future__ import annotations

from typing import Annotated, Final, Literal, NotRequired

from pydantic import AfterValidator, Field, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from schemas.definition import DATA, EventType
from schemas.values import Day, Label, PersonId, Source

KINDS: Final = ("branch", "region", "person", "region_rep", "region_engineer", "person_id")
_NEEDS: Final = {
    "branch": ("name",),
    "region": ("name", "branch"),
    "person": ("name", "post", "branch"),
    "region_rep": ("region",),
    "region_engineer": ("region",),
    "person_id": ("source", "source_id"),
}

# In functional form: `from` is a word of Python.
RosterRecord = TypedDict(
    "RosterRecord",
    {
        "record": Annotated[
            Literal["branch", "region", "person", "region_rep", "region_engineer", "person_id"],
            Field(description="What the record states."),
        ],
        "id": Annotated[PersonId, Field(description="Of a branch or region its id; else the person's.")],
        "name": NotRequired[Label],
        "post": NotRequired[Annotated[Label, Field(description="岗位")]],
        "branch": NotRequired[Annotated[Label, Field(description="分公司")]],
        "region": NotRequired[Annotated[Label, Field(description="辖区")]],
        "from": Annotated[Day, Field(description="First day, included.")],
        "to": NotRequired[Annotated[Day, Field(description="End day, not included; absent = open.")]],
        "source": NotRequired[
            Annotated[Source, Field(description="Of a person_id: the source that knows the person.")]
        ],
        "source_id": NotRequired[Annotated[PersonId, Field(description="Of a person_id: the person's id there.")]],
    },
)
with_config(DATA)(RosterRecord)


def _complete(record: RosterRecord) -> RosterRecord:
    missing = [name for name in _NEEDS[record["record"]] if name not in record]
    if missing:
        raise PydanticCustomError(
            "roster", "a {kind} needs {missing}", {"kind": record["record"], "missing": ", ".join(missing)}
        )
    if "to" in record and record["to"] <= record["from"]:
        raise PydanticCustomError("roster", "to must lie after from: the end day is not included")
    return record


RosterData = Annotated[RosterRecord, AfterValidator(_complete)]

EVENTS: Final = (
    EventType("roster", "recorded", "花名册变更", "A record of the roster was added or changed.", RosterData),
)
