"""Read a roster file, CSV or XLSX, into numbered rows of text. Pure: bytes in, rows out.

A CSV is UTF-8 (with or without the mark that Excel writes) or GB18030, which a Chinese Excel writes; an XLSX is read from its first
sheet. The header is the line that names the columns of services.core.roster_rows; columns it does not know are refused, for a
misspelt column would silently lose its values.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from services.core.roster_rows import COLUMNS

REQUIRED = frozenset({"record", "id", "from"})
MAX_BYTES = 5 * 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
MAX_ROWS = 50_000
ZIP_MAGIC = b"PK\x03\x04"


class UnreadableRosterError(ValueError):
    """The file as a whole cannot be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row with the number it has in the file (the header is line 1 as a rule)."""

    number: int
    cells: dict[str, str]


def read_roster(content: bytes) -> list[Line]:
    """The rows of a CSV or XLSX roster. Raises UnreadableRosterError."""
    if len(content) > MAX_BYTES:
        raise UnreadableRosterError(f"the file has {len(content)} bytes; at most {MAX_BYTES} are read")
    rows = _xlsx_rows(content) if content.startswith(ZIP_MAGIC) else _csv_rows(content)
    return list(_lines(rows))


def _csv_rows(content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    reader = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise UnreadableRosterError(f"line {reader.line_num} is not CSV: {error}") from None


def _text(content: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text
    raise UnreadableRosterError("the file is neither XLSX nor CSV text in UTF-8 or GB18030")


def _xlsx_rows(content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            raise UnreadableRosterError(
                f"the workbook unpacks to {unpacked} bytes; at most {MAX_UNPACKED_BYTES} are read"
            )
        workbook = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        if isinstance(error, UnreadableRosterError):
            raise
        raise UnreadableRosterError("the file is no workbook that can be read; save it as .xlsx or .csv") from None
    sheet = workbook.worksheets[0]
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        yield number, [_cell(value) for value in row]


def _cell(value: Any) -> str:
    """A workbook's cell as its text: dates as YYYY-MM-DD, whole numbers without a decimal point (ids typed as numbers)."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _lines(rows: Iterable[tuple[int, Sequence[str]]]) -> Iterator[Line]:
    header: list[str] | None = None
    seen = 0
    for number, row in rows:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if header is None:
            header = _header(cells)
            continue
        seen += 1
        if seen > MAX_ROWS:
            raise UnreadableRosterError(f"more than {MAX_ROWS} rows")
        if any(cells[len(header) :]):
            raise UnreadableRosterError(f"line {number} has {len(cells)} cells, the header {len(header)}")
        yield Line(number, dict(zip(header, cells, strict=False)))
    if header is None:
        raise UnreadableRosterError("the file is empty: not even a header")


def _header(cells: Sequence[str]) -> list[str]:
    names = [cell.lower() for cell in cells]
    while names and not names[-1]:
        names.pop()
    unknown = [name for name in names if name not in COLUMNS]
    missing = sorted(REQUIRED - set(names))
    if unknown or missing or len(set(names)) != len(names):
        problem = (
            f"unknown columns {unknown}" if unknown else f"missing columns {missing}" if missing else "a column twice"
        )
        raise UnreadableRosterError(f"header: {problem}; the columns are {','.join(COLUMNS)}")
    return names
