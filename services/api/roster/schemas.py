"""The roster on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from services.api.instants import rfc3339
from services.api.roster.importing import Imported, Remark
from services.core.roster import Record
from services.core.roster_rows import render_row
from services.store.roster import ActorWeight


class RosterRecord(BaseModel):
    """One dated record; `from` is included, `to` is not, null = open."""

    model_config = ConfigDict(
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {"record": "region_engineer", "id": "GC01", "region": "SZ-A", "from": "2026-01-01", "to": None}
            ]
        },
    )

    record: str = Field(description="branch, region, person, region_rep, region_engineer or person_id.")
    id: str
    name: str | None = None
    post: str | None = None
    branch: str | None = None
    region: str | None = None
    source: str | None = None
    source_id: str | None = None
    since: date = Field(alias="from", serialization_alias="from")
    until: date | None = Field(None, alias="to", serialization_alias="to")

    @classmethod
    def of(cls, record: Record) -> Self:
        """The record's row with its empty cells as null."""
        return cls.model_validate({column: cell or None for column, cell in render_row(record).items()})


class RosterAt(BaseModel):
    """The records of one version, in the order of kind and key."""

    version: int = Field(description="0: nothing was imported yet.")
    recorded_at: datetime | None
    items: list[RosterRecord]
    next_cursor: str | None = None


class RowRemark(BaseModel):
    """A remark on a row of the file; `line` is null for a record that stands in the roster already."""

    line: int | None
    message: str

    @classmethod
    def of(cls, remark: Remark) -> Self:
        """The remark as it goes out."""
        return cls(line=remark.line, message=remark.message)


class ImportResult(BaseModel):
    """What an import changed, or with `dry_run` would change."""

    dry_run: bool
    version: int = Field(description="The roster's version afterwards; unchanged where nothing differs.")
    base_version: int
    added: int
    changed: int
    removed: int
    unchanged: int
    changes: list[str] = Field(description="Each change in words.", examples=[["new person GC10 黄强 from 2026-12-01"]])
    warnings: list[RowRemark]

    @classmethod
    def of(cls, imported: Imported) -> Self:
        """The result of an import without errors."""
        difference = imported.plan.difference
        return cls(
            dry_run=imported.dry_run,
            version=imported.version,
            base_version=imported.plan.base_version,
            added=len(difference.added),
            changed=len(difference.changed),
            removed=len(difference.removed),
            unchanged=difference.unchanged,
            changes=difference.in_words(),
            warnings=[RowRemark.of(remark) for remark in imported.plan.warnings],
        )


class UnmatchedId(BaseModel):
    """An id that a source uses and no roster row explains on some day on which something is booked for it."""

    source: str
    source_id: str
    postings: int
    events: int
    first_seen: str = Field(description="The earliest instant for which something is booked.")
    last_seen: str
    unexplained_days: int
    first_unexplained: date
    last_unexplained: date

    @classmethod
    def of(cls, weight: ActorWeight, unexplained: list[date]) -> Self:
        """An actor with its weight and the days on which nobody explains it."""
        source, _, source_id = weight.actor.partition(" ")
        return cls(
            source=source,
            source_id=source_id,
            postings=weight.postings,
            events=weight.events,
            first_seen=rfc3339(weight.first_seen_ms),
            last_seen=rfc3339(weight.last_seen_ms),
            unexplained_days=len(unexplained),
            first_unexplained=unexplained[0],
            last_unexplained=unexplained[-1],
        )
