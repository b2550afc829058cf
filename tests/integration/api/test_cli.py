"""`kaohe import roster` and `kaohe unmatched` on a real database, as a person runs them."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.examples.loader import S01_EVENTS, S01_ROSTER, rows_as_cloudevents
from tests.integration.api.site import Site


async def kaohe(site: Site, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command."""
    environment = os.environ | {"KAOHE_DATABASE_URL": site.database.app_url, "COLUMNS": "200", "NO_COLOR": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli.main", *arguments, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_roster_is_imported_with_its_changes_in_words(site: Site) -> None:
    """First dry, then in earnest, then once more."""
    code, out, err = await kaohe(site, "import", "roster", str(S01_ROSTER), "--dry-run")
    assert (code, err) == (0, "")
    assert "new branch SZ 苏州 from 2020-01-01" in out
    assert "Dry run, nothing was written: 47 new" in out
    assert (await site.get("/v1/roster"))["version"] == 0
    code, out, _ = await kaohe(site, "import", "roster", str(S01_ROSTER))
    assert (code, "Roster version 1: 47 new" in out) == (0, True), out
    code, out, _ = await kaohe(site, "import", "roster", str(S01_ROSTER))
    assert (code, "says this already (version 1)" in out) == (0, True), out


async def test_wrong_rows_are_named_and_nothing_is_imported(site: Site, tmp_path: Path) -> None:
    """With their lines, and exit code 1."""
    file = tmp_path / "roster.csv"
    file.write_text(
        "record,id,name,post,branch,region,from,to\nplanet,X,,,,,2020-01-01,\nbranch,B,,,B,,soon,\n", encoding="utf-8"
    )
    code, _, err = await kaohe(site, "import", "roster", str(file))
    assert code == 1
    assert "line 2" in err
    assert "line 3" in err
    assert "nothing was imported" in err
    file.write_bytes(b"\x00\x01")
    code, _, err = await kaohe(site, "import", "roster", str(file))
    assert (code, "neither XLSX nor CSV" in err) == (1, True)


async def test_unknown_ids_are_listed(site: Site) -> None:
    """Until a row explains them."""
    await site.count(rows_as_cloudevents(S01_EVENTS))
    code, out, _ = await kaohe(site, "unmatched")
    assert code == 0
    assert "GC01" in out
    await kaohe(site, "import", "roster", str(S01_ROSTER))
    code, out, _ = await kaohe(site, "unmatched")
    assert (code, "Every id is explained." in out) == (0, True)
