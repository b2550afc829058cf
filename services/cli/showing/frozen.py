"""A frozen period on the terminal: everybody's score, one statement in full, what verification found."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from rich.table import Table

from services.core.scoring.exact import decimal_text

JSON = dict[str, Any]
_SHOWN = 10


def sum_of_lines(statement: JSON) -> Fraction:
    """Σ of the statement's lines, exact."""
    return sum((Fraction(line["points"]["fraction"]) for line in statement["lines"]), Fraction(0))


def people(scores: Sequence[JSON], title: str) -> Table:
    """The first ones, and everybody without a score: place, score, money; or why there is none."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False)
    for name in ("", "", "分公司 branch"):
        table.add_column(name)
    for name in ("名次 place", "得分 score", "奖罚 proposed"):
        table.add_column(name, justify="right")
    table.add_column("")
    scored = [person for person in scores if person["total"] is not None]
    for person in scored[:_SHOWN] + [person for person in scores if person["total"] is None]:
        table.add_row(
            person["person"],
            person["name"] or "",
            person["branch"],
            _place(person["rank"]),
            _rounded(person["total"]),
            (person["money"] or {}).get("proposed", ""),
            (person["reason"] or {}).get("zh", ""),
        )
    if len(scored) > _SHOWN:
        table.add_row("…", f"{len(scored) - _SHOWN} more")
    return table


def statement(found: JSON) -> Table:
    """One person's statement: every line, and their sum."""
    person, snapshot = found["person"], found["snapshot"]
    table = Table(
        title=f"{found['scheme']['zh']} {snapshot['period']}: {person['name']} ({person['person']}, {person['branch']})",
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        pad_edge=False,
        show_footer=True,
    )
    table.add_column("", justify="right")
    table.add_column("项目 criterion", overflow="fold", max_width=34)
    table.add_column("算式 arithmetic", overflow="fold", footer="Σ")
    table.add_column("得分 points", justify="right", footer=_fraction(found["lines_sum"]))
    table.add_column("依据 seed", style="dim")
    for line in found["lines"]:
        table.add_row(
            str(line["no"]),
            f"{line['criterion']} {line['words']['zh']}",
            line["arithmetic"],
            _fraction(line["points"]),
            line["seed"],
        )
    return table


def _place(rank: str | None) -> str:
    """A place; people who are equal share theirs: 5/2 = the places 2 and 3."""
    if rank is None:
        return "–"
    place = Fraction(rank)
    return str(place) if place.denominator == 1 else decimal_text(place, 1)


def _rounded(number: JSON | None) -> str:
    return "–" if number is None else decimal_text(Fraction(number["fraction"]), 2)


def _fraction(number: JSON) -> str:
    """Exact, and rounded beside it where it is no whole number."""
    exact = Fraction(number["fraction"])
    return str(exact) if exact.denominator == 1 else f"{exact} = {decimal_text(exact, 2)}"
