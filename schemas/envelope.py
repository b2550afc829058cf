"""The CloudEvents 1.0 attributes of an event, as Kaohe reads them."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Required

from pydantic import ConfigDict, Field, StringConstraints, with_config
from typing_extensions import TypedDict

from schemas.values import Identifier, Source

SPEC_VERSION: Final = "1.0"
STAMP_PREFIX: Final = "kaohe"  # attributes that the gateway adds; a producer's own ones of this name are dropped
RESERVED_SOURCE: Final = "kaohe"  # the system's own corrections: no key may send as it

MAX_DEPTH: Final = 16  # of an event in JSON form, the event itself being 1

Sequence = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")]


@with_config(ConfigDict(strict=True, extra="ignore"))
class Envelope(TypedDict, total=False):
    """What every event carries beside its data."""

    specversion: Required[Literal["1.0"]]
    id: Required[
        Annotated[Identifier, Field(description="Unique within the source. Source and id are the event's identity.")]
    ]
    source: Required[
        Annotated[Source, Field(description="The system that made the event: a URI-reference without white space.")]
    ]
    type: Required[Annotated[str, StringConstraints(min_length=1, max_length=200)]]
    subject: Annotated[Identifier, Field(description="The unit that the event is about.")]
    time: Required[
        Annotated[str, StringConstraints(max_length=64), Field(description="When it happened: RFC 3339 with offset.")]
    ]
    partitionkey: Required[
        Annotated[
            Identifier,
            Field(
                description="The case: the unit of work. The gateway fills it in (default: the subject); on Kafka it is required."
            ),
        ]
    ]
    sequence: Annotated[
        Sequence, Field(description="Order among events of one instant and source, compared as an integer.")
    ]
    datacontenttype: Annotated[str, Field(description="Not part of the content: data is always JSON.")]


ATTRIBUTES: Final = frozenset(Envelope.__annotations__)
