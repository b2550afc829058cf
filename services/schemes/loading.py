"""Reading scheme files: the shipped ones and anybody's own; parameter documents for the tables that a scheme leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from services.core.scoring.document import Scheme
from services.schemes.document import Document, read, with_readings
from services.schemes.errors import Fault, SchemeError
from services.schemes.mapping import inconsistencies, scheme_of
from services.schemes.models import PointsTable, SchemeModel

Parameters = Mapping[str, Mapping[str, Fraction]]

_TABLES: TypeAdapter[dict[str, dict[str, Fraction]]] = TypeAdapter(dict[str, PointsTable])


def parse_scheme(text: str, file: str = "scheme.yaml") -> Scheme:
    """The scheme that a YAML text describes. Raises SchemeError naming file, line and path of everything that is wrong."""
    document = read(text, file)
    content, readings = with_readings(document)
    try:
        model = SchemeModel.model_validate(content)
    except ValidationError as error:
        raise SchemeError(file, _faults(document, error)) from None
    scheme = scheme_of(model, readings)
    faults = [document.fault(path, message) for path, message in inconsistencies(model, scheme)]
    if faults:
        raise SchemeError(file, faults)
    return scheme


def load_scheme(path: Path) -> Scheme:
    """The scheme in a file. Raises SchemeError, OSError."""
    return parse_scheme(path.read_text(encoding="utf-8"), path.name)


@cache
def shipped_schemes() -> Mapping[str, Scheme]:
    """The schemes that come with Kaohe, by id."""
    folder = files("services.core.scoring") / "schemes"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    schemes = [parse_scheme((folder / name).read_text(encoding="utf-8"), name) for name in names]
    return MappingProxyType({scheme.id: scheme for scheme in schemes})


def parse_parameters(text: str, file: str = "parameters.yaml") -> Parameters:
    """Points tables by parameter id from YAML: `problem_points: {attitude: 2}`. Raises SchemeError."""
    document = read(text, file)
    try:
        return _TABLES.validate_python(document.content)
    except ValidationError as error:
        raise SchemeError(file, _faults(document, error)) from None


def _faults(document: Document, error: ValidationError) -> list[Fault]:
    found = [(_plain(problem["loc"], document), problem["msg"], problem["type"]) for problem in error.errors()]
    # A list whose items are all invalid counts as too short: the items' faults say it better.
    return [
        document.fault(path, message)
        for path, message, kind in found
        if kind != "too_short"
        or not any(len(other) > len(path) and other[: len(path)] == path for other, _, _ in found)
    ]


def _plain(loc: tuple[int | str, ...], document: Document) -> tuple[int | str, ...]:
    """The path as the file has it: pydantic inserts the name of the chosen variant into a union's path."""
    path: tuple[int | str, ...] = ()
    for position, step in enumerate(loc):
        last = position == len(loc) - 1
        if last or (*path, step) in document.lines:
            path = (*path, step)
    return path
