"""How an event is defined: its name, what its data holds and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from schemas.values import PersonId

# Strict: a number is never read as text. Unknown fields are kept: a source may send more than we know today.
DATA: ConfigDict = ConfigDict(strict=True, extra="allow", hide_input_in_errors=True)


class Acts(TypedDict, total=False):
    """Who stands in an event. Fields of every family; null means absent."""

    engineer: Annotated[PersonId, Field(description="Who holds or does the work after this event.")]
    performed_by: Annotated[PersonId, Field(description="Who did this act; absent: the engineer.")]


@dataclass(frozen=True, slots=True)
class EventType:
    """One event: `kaohe.<family>.<verb>.v<version>`. `data` is a TypedDict that pydantic validates."""

    family: str
    verb: str
    zh: str
    meaning: str
    data: Any
    version: int = 1
    has_subject: bool = True  # corrections have none of their own

    @property
    def name(self) -> str:
        """The CloudEvents type."""
        return f"kaohe.{self.family}.{self.verb}.v{self.version}"
