"""Roster endpoints: what is recorded, at which version, what no row explains, and imports."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from services.api.auth import Admin, Reader
from services.api.context import Context, Ctx
from services.api.paging import Page, Paging, Place
from services.api.roster.importing import Imported, import_roster
from services.api.roster.reading import MAX_BYTES, UnreadableRosterError
from services.api.roster.schemas import ImportResult, RosterAt, RosterRecord, RowRemark, UnmatchedId
from services.api.roster.unmatched import find_unmatched
from services.core.roster import Record
from services.runtime.problems import Problem, responses
from services.store import roster as store
from services.store.roster import RecordKey, StoredRoster

router = APIRouter(prefix="/v1/roster", tags=["roster"])

CSV, XLSX = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILE_BODY = {
    "requestBody": {
        "required": True,
        "description": "The file itself, CSV (UTF-8 or GB18030) or XLSX (first sheet).",
        "content": {
            CSV: {
                "schema": {"type": "string"},
                "example": "record,id,name,post,branch,region,from,to\nbranch,SZ,苏州,,SZ,,2020-01-01,\n",
            },
            XLSX: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


class RosterVersion(BaseModel):
    """One version: who recorded it, when, and how many records it wrote or removed."""

    version: int
    recorded_at: str
    author: str
    note: str
    records: int


@router.get(
    "",
    operation_id="getRoster",
    summary="The roster at a version",
    response_model=RosterAt,
    responses=responses(304, 400, 401, 403, 404, 422),
)
async def get_roster(
    *,
    context: Ctx,
    _key: Reader,
    paging: Paging,
    version: Annotated[int | None, Query(ge=0, lt=2**63, description="A version; left out: the newest.")] = None,
    day: Annotated[date | None, Query(description="Only records in force on this local day.")] = None,
    kind: Annotated[str | None, Query(pattern="^(branch|region|person|region_rep|region_engineer|person_id)$")] = None,
) -> RosterAt | Response:
    """Records in the order of kind and key. A version never changes, so the `ETag` stands for good."""
    stored = await _stored(context, version)
    place = Place.of("roster", stored.version, day, kind)
    after = place.decode(paging.cursor, str, str)
    etag = f'"{stored.version}-{Place.of(place, after, paging.limit).digest}"'
    if paging.request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    rows = [(key, record) for key, record in sorted(stored.records.items()) if _chosen(key, record, day, kind)]
    rest = [row for row in rows if after is None or row[0] > after]
    page = rest[: paging.limit]
    following = place.encode(page[-1][0]) if len(rest) > paging.limit else None
    paging.link(following)
    paging.response.headers["ETag"] = etag
    items = [RosterRecord.of(record) for _, record in page]
    return RosterAt(version=stored.version, recorded_at=stored.recorded_at, items=items, next_cursor=following)


@router.get(
    "/versions",
    operation_id="listRosterVersions",
    summary="Versions, newest first",
    responses=responses(400, 401, 403, 422),
)
async def list_versions(context: Ctx, _key: Reader, paging: Paging) -> Page[RosterVersion]:
    """Every import that changed something."""
    place = Place.of("roster-versions")
    after = place.decode(paging.cursor, int)
    async with context.reading() as connection:
        before = None if after is None else int(after[0] or 0)
        rows = await store.versions(connection, before=before, limit=paging.limit + 1)
    items = [
        RosterVersion(**{**row, "recorded_at": row["recorded_at"].isoformat().replace("+00:00", "Z")})
        for row in rows[: paging.limit]
    ]
    following = place.encode([items[-1].version]) if len(rows) > paging.limit else None
    return paging.page(items, following)


@router.get(
    "/unmatched",
    operation_id="listUnmatched",
    summary="Source ids that no roster row explains",
    responses=responses(401, 403, 422),
)
async def list_unmatched(context: Ctx, _key: Reader, paging: Paging) -> Page[UnmatchedId]:
    """Heaviest first. Their postings stand under the subject null until a `person_id` or `person` row explains them."""
    async with context.reading() as connection:
        found = await find_unmatched(connection, context.definitions.zone, limit=paging.limit)
    return paging.page([UnmatchedId.of(weight, days) for weight, days in found], None)


@router.post(
    "/imports",
    operation_id="importRoster",
    summary="Import a roster file",
    responses=responses(401, 403, 413, 415, 422),
    openapi_extra=FILE_BODY,
)
async def post_import(
    *,
    context: Ctx,
    key: Admin,
    request: Request,
    dry_run: Annotated[bool, Query(description="Only say what would change.")] = False,
    complete: Annotated[
        bool, Query(description="The file is the whole roster: records that it does not name are removed.")
    ] = False,
    note: Annotated[str, Query(max_length=500, description="Why; kept with the version.")] = "",
) -> ImportResult:
    """All of it or nothing: one wrong row refuses the file, and every wrong row is named with its line.

    A row replaces the recorded one of the same kind, ids and first day. The same file again changes nothing.
    """
    content = await _file(request)
    try:
        async with context.writing() as connection:
            imported = await import_roster(
                connection, content, author=key.label, note=note, dry_run=dry_run, complete=complete
            )
    except UnreadableRosterError as error:
        raise Problem(422, "unreadable-roster", "This file cannot be read as a roster", str(error)) from None
    return ImportResult.of(_accepted(imported))


async def _stored(context: Context, version: int | None) -> StoredRoster:
    async with context.reading() as connection:
        stored = await store.load(connection, version)
    if stored is None:
        raise Problem(404, "unknown-roster-version", "There is no such version of the roster")
    return stored


def _chosen(key: RecordKey, record: Record, day: date | None, kind: str | None) -> bool:
    in_force = day is None or (record.since <= day and (record.until is None or day < record.until))
    return in_force and (kind is None or key[0] == kind)


async def _file(request: Request) -> bytes:
    """The body, refused as soon as it is larger than any roster."""
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in {CSV, XLSX, "application/octet-stream"}:
        raise Problem(415, "unsupported-media-type", "Send the file as it is", f"content-type {CSV} or {XLSX}")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BYTES:
            raise Problem(413, "too-large", "The file is too large", f"at most {MAX_BYTES} bytes")
    return bytes(content)


def _accepted(imported: Imported) -> Imported:
    if imported.plan.errors:
        errors = [RowRemark.of(remark).model_dump() for remark in imported.plan.errors]
        raise Problem(422, "wrong-rows", "Rows of the file are wrong; nothing was imported", errors=errors)
    return imported
