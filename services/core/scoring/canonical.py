"""The frozen form of a score set: rows of plain values, and their hash.

Rationals are "n/d" text, days ISO text, so that the JSON of a row is the same on every machine. Rows name people by their roster id; names
stay in the roster, so that an erasure breaks no seal.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from services.core.scoring.exact import rational

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from services.core.scoring.document import Scheme
    from services.core.scoring.figures import Figure
    from services.core.scoring.rankpay import Money
    from services.core.scoring.result import Item, PersonScore, ScoreSet
    from services.core.scoring.trace import Line
    from services.core.scoring.words import Words


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person of a snapshot; `body` is JSON."""

    person: str
    status: str
    reason: str | None
    total: str | None
    rank: str | None
    money: str | None
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LineRow:
    """One statement line; `line_no` counts from 1."""

    person: str
    line_no: int
    criterion: str
    rule: str
    points: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class IndicatorRow:
    """One indicator of one person with numerator and denominator."""

    person: str
    indicator: str
    numerator: str
    denominator: str
    value: str | None
    body: dict[str, Any]


class Section:
    """The hash of a sequence of rows, fed row by row: sha256 over their canonical JSON, one line each."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.rows = 0

    def add(self, row: object) -> None:
        """Take the next row in; the order of the rows is part of the hash."""
        self._hash.update(canonical_json(row))
        self._hash.update(b"\n")
        self.rows += 1

    def extend(self, rows: Iterable[object]) -> Section:
        """Take several rows in; returns itself."""
        for row in rows:
            self.add(row)
        return self

    def seal(self) -> dict[str, Any]:
        """Rows and hash, as the seal states them."""
        return {"rows": self.rows, "sha256": self._hash.hexdigest()}


def canonical_json(value: object) -> bytes:
    """JSON with sorted keys, no white space and UTF-8 text: equal values give equal bytes."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def content_hash(header: dict[str, Any], sections: dict[str, dict[str, Any]]) -> bytes:
    """The hash of a whole snapshot: its header and the hash of each section."""
    return hashlib.sha256(canonical_json({"header": header, "sections": sections})).digest()


def scheme_hash(scheme: Scheme) -> str:
    """The hash of a scheme's whole content: a changed rule under the same version does not go unnoticed."""
    return hashlib.sha256(canonical_json(_plain(asdict(scheme)))).hexdigest()


def _plain(value: Any) -> Any:
    match value:
        case Fraction():
            return rational(value)
        case Enum():
            return value.value
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def person_rows(scores: ScoreSet) -> Iterator[PersonRow]:
    """A row for each person, in order of person."""
    for score in scores.people:
        yield PersonRow(
            score.person,
            score.status.value,
            score.reason.en if score.reason else None,
            _number(score.total),
            _number(score.place.mean) if score.place else None,
            str(score.money.proposed) if score.money else None,
            _person_body(score),
        )


def line_rows(scores: ScoreSet) -> Iterator[LineRow]:
    """The statement lines, person by person in their order."""
    for score in scores.people:
        for number, line in enumerate(score.lines, start=1):
            yield LineRow(score.person, number, line.criterion, line.rule, rational(line.points), _line_body(line))


def indicator_rows(scores: ScoreSet) -> Iterator[IndicatorRow]:
    """The indicators, person by person, in order of their id."""
    for score in scores.people:
        for item in sorted(score.items, key=lambda item: item.criterion):
            yield _indicator_row(score.person, item)


def _number(number: Fraction | None) -> str | None:
    return None if number is None else rational(number)


def _words(words: Words | None) -> dict[str, str] | None:
    return None if words is None else {"zh": words.zh, "en": words.en}


def _person_body(score: PersonScore) -> dict[str, Any]:
    return {
        "branch": score.branch,
        "newcomer": score.newcomer,
        "regions": list(score.regions),
        "reason": _words(score.reason),
        "subtotal": _number(score.subtotal),
        "deducted": _number(score.deducted),
        "before_veto": _number(score.before_veto),
        "veto": score.veto,
        "ranked": score.place.n if score.place else None,
        "money": _money(score.money),
    }


def _money(money: Money | None) -> dict[str, Any] | None:
    if money is None:
        return None
    return {
        "place_amount": None if money.place_amount is None else str(money.place_amount),
        "proposed": str(money.proposed),
        "remark": money.remark,
        "words": _words(money.words),
    }


def _line_body(line: Line) -> dict[str, Any]:
    return {
        "words": _words(line.words),
        "arithmetic": line.arithmetic,
        "seed": line.seed,
        "inputs": [
            {"name": each.name, "numerator": rational(each.numerator), "denominator": _number(each.denominator)}
            for each in line.inputs
        ],
        "shard": line.shard,
        "case": line.case,
        "cause": line.cause,
        "marks": list(line.marks),
    }


def _indicator_row(person: str, item: Item) -> IndicatorRow:
    figure = item.figure
    return IndicatorRow(
        person,
        item.criterion,
        rational(figure.numerator),
        rational(figure.denominator),
        _number(figure.value),
        _indicator_body(item, figure),
    )


def _indicator_body(item: Item, figure: Figure) -> dict[str, Any]:
    peak = figure.peak
    return {
        "parts": [
            {"id": part.id, "amount": rational(part.amount), "factor": rational(part.factor)} for part in figure.parts
        ],
        "own_maximum": peak
        and {
            "month": str(peak.month),
            "numerator": rational(peak.numerator),
            "denominator": rational(peak.denominator),
        },
        "undefined": _words(figure.undefined),
        "marks": list(figure.marks),
        "rank": rational(item.place.mean) if item.place else None,
        "ranked": item.ranked,
        "points": _number(item.points),
        "newcomer_default": item.newcomer_default,
    }
