"""YAML with its line numbers: numbers stay exact, `$name` becomes the value of the reading `name`.

A float is read from its digits as a fraction, never through a binary float. A reading must be used, its value must be one of its
options, and it says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import yaml

from services.schemes.errors import Fault, SchemeError

Path: TypeAlias = tuple[str | int, ...]


class _ExactLoader(yaml.SafeLoader):
    """Safe YAML in which 0.5 is one half. Anchors are refused: a scheme is read by people, from top to bottom."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not used here", self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)


def _exact(loader: _ExactLoader, node: yaml.ScalarNode) -> Fraction:
    text = str(loader.construct_scalar(node))
    try:
        return Fraction(text.replace("_", ""))
    except ValueError:
        raise yaml.constructor.ConstructorError(None, None, f"{text!r} is no exact number", node.start_mark) from None


_ExactLoader.add_constructor("tag:yaml.org,2002:float", _exact)


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file and the line on which each path of it begins."""

    file: str
    content: dict[str, Any]
    lines: dict[Path, int]

    def fault(self, path: Path, message: str) -> Fault:
        """A fault at the path, or at the nearest place above it that the file has."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        return Fault(self.lines.get(known, 1), "/".join(map(str, path)) or "document", message)


def read(text: str, file: str) -> Document:
    """Parse one YAML mapping. Raises SchemeError with the line."""
    lines: dict[Path, int] = {}
    try:
        content = _parsed(text, lines, file)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise SchemeError(file, [Fault(line, "document", error.problem or "is no YAML")]) from None
    except yaml.YAMLError as error:
        raise SchemeError(file, [Fault(1, "document", str(error))]) from None
    if not isinstance(content, dict):
        raise SchemeError(file, [Fault(1, "document", "must be a mapping")])
    return Document(file, content, lines)


def _parsed(text: str, lines: dict[Path, int], file: str) -> Any:
    loader = _ExactLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _mark(node, (), lines, file)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _mark(node: yaml.Node, path: Path, lines: dict[Path, int], file: str) -> None:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise SchemeError(
                    file,
                    [Fault(key.start_mark.line + 1, "/".join(map(str, path)) or "document", f"{name!r} stands twice")],
                )
            seen.add(name)
            lines[*path, name] = key.start_mark.line + 1
            _mark(value, (*path, name), lines, file)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _mark(item, (*path, index), lines, file)


def with_readings(document: Document) -> tuple[dict[str, Any], dict[str, Any]]:
    """The content with every `$name` replaced, and the readings by name. Raises SchemeError."""
    readings = _Readings(document)
    content = {key: readings.put(value, (key,)) for key, value in document.content.items() if key != "readings"}
    faults = readings.all_faults()
    if faults:
        raise SchemeError(document.file, faults)
    return content, readings.values


class _Readings:
    """The declared readings, which of them were put to use, and what is wrong with them."""

    def __init__(self, document: Document) -> None:
        self._document = document
        declared = document.content.get("readings") or {}
        if not isinstance(declared, dict):
            raise SchemeError(document.file, [document.fault(("readings",), "must be a mapping")])
        self.values: dict[str, Any] = {}
        self._used: set[str] = set()
        self._faults: list[Fault] = []
        for name, reading in declared.items():
            problem = _reading_problem(reading)
            if problem:
                self._faults.append(document.fault(("readings", name), problem))
            self.values[name] = reading.get("value") if isinstance(reading, dict) else None

    def put(self, value: Any, path: Path) -> Any:
        """The value with every `$name` below it replaced."""
        if isinstance(value, dict):
            return {key: self.put(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.put(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or not value.startswith("$"):
            return value
        name = value[1:]
        self._used.add(name)
        if name not in self.values:
            self._faults.append(self._document.fault(path, f"there is no reading {name!r}"))
        return self.values.get(name)

    def all_faults(self) -> list[Fault]:
        """What is wrong, unused readings included."""
        unused = [name for name in self.values if name not in self._used]
        return self._faults + [self._document.fault(("readings", name), "is never put to use") for name in unused]


def _reading_problem(reading: object) -> str | None:
    if not isinstance(reading, dict) or "value" not in reading:
        return "needs a value"
    unknown = set(reading) - {"value", "options", "why"}
    if unknown:
        return f"{', '.join(sorted(map(str, unknown)))}: unknown; a reading has value, options, why"
    if not isinstance(reading.get("why"), str):
        return "needs a why"
    options = reading.get("options")
    if options is not None and reading["value"] not in options:
        return f"value {reading['value']!r} is none of its options {options}"
    return None
