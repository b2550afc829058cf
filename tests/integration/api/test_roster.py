"""A roster is imported whole or not at all, says what it changed, keeps its versions; unknown ids are found."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import datetime

import httpx
import openpyxl
import pytest

from services.runtime.security import Scope
from tests.examples.loader import S01_EVENTS, S01_ROSTER, rows_as_cloudevents
from tests.integration.api.site import JSON, Site

CSV = "text/csv"
HEADER = "record,id,name,post,branch,region,from,to,source,source_id"
SMALL = f"{HEADER}\nbranch,SZ,苏州,,SZ,,2020-01-01,,,\nperson,GC01,陈刚,上门服务工程师,SZ,,2022-01-01,,,\n"


async def send(site: Site, content: bytes | str, media_type: str = CSV, **parameters: object) -> httpx.Response:
    raw = content.encode() if isinstance(content, str) else content
    headers = {"Authorization": f"Bearer {site.keys[Scope.ADMIN]}", "Content-Type": media_type}
    query = {name: str(value) for name, value in parameters.items()}
    return await site.client.post("/v1/roster/imports", content=raw, headers=headers, params=query)


async def imported(site: Site, content: bytes | str, media_type: str = CSV, **parameters: object) -> JSON:
    answer = await send(site, content, media_type, **parameters)
    assert answer.status_code == 200, answer.text
    found: JSON = answer.json()
    return found


async def test_a_dry_run_says_what_an_import_then_does(site: Site) -> None:
    """And writes nothing."""
    said = await imported(site, SMALL, dry_run=True)
    assert said["changes"] == ["new branch SZ 苏州 from 2020-01-01", "new person GC01 陈刚 from 2022-01-01"]
    assert (await site.get("/v1/roster"))["items"] == []
    done = await imported(site, SMALL, note="first")
    assert (done["changes"], done["added"], done["dry_run"]) == (said["changes"], 2, False)
    assert (await site.get("/v1/roster/versions"))["items"][0]["note"] == "first"


async def test_the_same_file_again_changes_nothing(site: Site) -> None:
    """No version is made of it."""
    first = await imported(site, S01_ROSTER.read_bytes())
    again = await imported(site, S01_ROSTER.read_bytes())
    assert (again["version"], again["changes"], again["unchanged"]) == (first["version"], [], first["added"])


async def test_a_row_closes_the_recorded_one_and_an_old_version_still_says_what_it_said(site: Site) -> None:
    """The difference is told in words."""
    first = await imported(site, SMALL)
    second = await imported(site, f"{HEADER}\nperson,GC01,陈刚,上门服务工程师,SZ,,2022-01-01,2026-11-01,,\n")
    assert second["changes"] == ["changed person GC01 陈刚 from 2022-01-01: to open → 2026-11-01"]
    until = [
        [item["to"] for item in (await site.get("/v1/roster", version=version, kind="person"))["items"]]
        for version in (first["version"], second["version"])
    ]
    assert until == [[None], ["2026-11-01"]]
    assert (await site.get("/v1/roster", day="2026-11-01", kind="person"))["items"] == []


async def test_only_a_complete_file_removes(site: Site) -> None:
    """What another file does not name stays."""
    await imported(site, SMALL)
    branch = SMALL.splitlines()[1]
    assert (await imported(site, f"{HEADER}\n{branch}\n"))["removed"] == 0
    assert (await imported(site, f"{HEADER}\n{branch}\n", complete=True))["changes"] == [
        "removed person GC01 陈刚 from 2022-01-01"
    ]
    assert [item["id"] for item in (await site.get("/v1/roster"))["items"]] == ["SZ"]


async def test_one_wrong_row_refuses_the_file_and_every_wrong_row_is_named_with_its_line(site: Site) -> None:
    """Lines are those of the file."""
    wrong = (
        SMALL
        + "person,GC02,,上门服务工程师,SZ,,2022-01-01,,,\n\nplanet,X,,,,,2020-01-01,,,\nbranch,B,b,,B,,01/02/2020,,,\n"
    )
    answer = await send(site, wrong)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:kaohe:problem:wrong-rows")
    assert [error["line"] for error in answer.json()["errors"]] == [4, 6, 7]
    assert (await site.get("/v1/roster"))["version"] == 0


async def test_a_row_that_contradicts_what_is_recorded_is_refused(site: Site) -> None:
    """An engineer works in one region at a time, whichever file says so."""
    await imported(site, S01_ROSTER.read_bytes())
    answer = await send(site, f"{HEADER}\nregion_engineer,GC01,,,SZ,SZ-B,2026-03-01,,,\n")
    assert answer.status_code == 422
    assert [error["line"] for error in answer.json()["errors"]] == [2]
    assert "one region at a time" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
async def test_the_encodings_of_a_chinese_spreadsheet_are_read(site: Site, encoding: str) -> None:
    """With or without the mark."""
    assert (await imported(site, SMALL.encode(encoding)))["changes"][0] == "new branch SZ 苏州 from 2020-01-01"


async def test_a_workbook_says_the_same_as_the_csv(site: Site) -> None:
    """Dates as cells, ids typed as numbers."""
    rows: list[Iterable[object]] = [
        HEADER.split(","),
        ("branch", "SZ", "苏州", None, "SZ", None, datetime(2020, 1, 1)),  # noqa: DTZ001 - a workbook's dates have no zone
        ("person", 1001, "陈刚", "上门服务工程师", "SZ", None, datetime(2022, 1, 1)),  # noqa: DTZ001 - as above
    ]
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.worksheets[0].append(list(row))
    content = io.BytesIO()
    workbook.save(content)
    await imported(
        site, content.getvalue(), media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    )
    assert [item["id"] for item in (await site.get("/v1/roster"))["items"]] == ["SZ", "1001"]


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", CSV, 422),
        (b"\xff\xfe\x00\x01", CSV, 422),
        (b"PK\x03\x04 not a workbook", CSV, 422),
        (b"record,id,from,colour\n", CSV, 422),
        (b"record,id\n", CSV, 422),
        (b'record,id,from\n"open', CSV, 422),
        (b"x" * (5 * 1024 * 1024 + 1), CSV, 413),
        (b"{}", "application/json", 415),
    ],
)
async def test_a_file_that_is_no_roster_is_refused(site: Site, content: bytes, media_type: str, status: int) -> None:
    """With a word on what it should be."""
    answer = await send(site, content, media_type)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


async def test_pages_and_tags_of_a_roster(site: Site) -> None:
    """Every record stands on one page; an unchanged version need not be sent again."""
    await imported(site, S01_ROSTER.read_bytes())
    whole = await site.client.get("/v1/roster", params={"limit": 1000})
    pages: list[JSON] = []
    cursor = None
    while True:
        page = await site.get("/v1/roster", limit=7, **({"cursor": cursor} if cursor else {}))
        pages += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == whole.json()["items"]
    again = await site.client.get(
        "/v1/roster", params={"limit": 1000}, headers={"If-None-Match": whole.headers["etag"]}
    )
    assert again.status_code == 304


async def test_ids_that_no_row_explains_are_listed_with_what_rests_on_them(site: Site) -> None:
    """And leave the list as soon as a row explains them; regions that headquarters name are no strangers."""
    await site.count(rows_as_cloudevents(S01_EVENTS))
    before = {(item["source"], item["source_id"]) for item in (await site.get("/v1/roster/unmatched"))["items"]}
    assert {("crm", "GC01"), ("hq", "KF01"), ("hq", "SZ-A")} <= before
    without = "\n".join(
        line for line in S01_ROSTER.read_text(encoding="utf-8").splitlines() if ",GC03," not in f",{line},"
    )
    await imported(site, without)
    (left,) = (await site.get("/v1/roster/unmatched"))["items"]
    assert (left["source"], left["source_id"], left["first_unexplained"][:7]) == ("crm", "GC03", "2026-09")
    assert left["postings"] > left["events"] > 0
    await imported(site, S01_ROSTER.read_bytes())
    assert (await site.get("/v1/roster/unmatched"))["items"] == []
