"""The leaderboard: figures by team and by engineer, as they stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table

from services.cli.stack import duration

JSON = dict[str, Any]

RESPONSE: Final = "ticket.first_response_customer"
ON_TIME: Final = "dispatch.on_time_score"
OPEN: Final = "dispatch.open"
OVERDUE: Final = "dispatch.overdue_7"
FOLLOWED_UP: Final = "followup.done_rate"
VISITS: Final = "dispatch.visits"
DUE: Final = "dispatch.due"
INDICATORS: Final = (RESPONSE, ON_TIME, OPEN, OVERDUE, FOLLOWED_UP, VISITS, DUE)
RESOLVED: Final = "ticket.resolved"
TICKETS_OPEN: Final = "ticket.open"
RESOLUTION_RATE: Final = "ticket.resolution_rate"
TICKETS: Final = (RESOLVED, TICKETS_OPEN, RESOLUTION_RATE, "ticket.accepted")
_TOP: Final = 10
_FEW: Final = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One subject with its figures by indicator."""

    id: str | None
    name: str
    figures: dict[str, JSON]

    def value(self, indicator: str) -> Fraction | None:
        """The exact value, None where there is nothing to divide by."""
        text = self.figures.get(indicator, {}).get("value")
        return None if text is None else Fraction(text)

    def count(self, indicator: str) -> int:
        """The numerator: a count."""
        return int(self.figures.get(indicator, {}).get("numerator") or 0)


def rows_of(kpis: Iterable[JSON]) -> list[Row]:
    """Figures gathered by subject."""
    found: dict[str | None, Row] = {}
    for kpi in kpis:
        subject = kpi["subject"]
        row = found.setdefault(subject["id"], Row(subject["id"], subject["name"] or subject["id"] or "—", {}))
        row.figures[kpi["indicator"]] = kpi
    return list(found.values())


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Best 完单及时率 first, among those with more than a few orders; then the more orders."""
    counted = [row for row in rows if row.id is not None and row.value(ON_TIME) is not None]
    return sorted(
        counted,
        key=lambda row: (row.count(DUE) < _FEW, -(row.value(ON_TIME) or Fraction(0)), -row.count(DUE), row.id or ""),
    )


def leaderboard(teams: Sequence[Row], engineers: Sequence[Row], month: str) -> RenderableType:
    """Both tables."""
    return Group(
        _table(f"辖区 teams, {month}", sorted(teams, key=lambda row: row.id or "~"), nobody="not in the roster"),
        _table(f"工程师 engineers, {month}: the first {_TOP} of {len(ranked(engineers))}", ranked(engineers)[:_TOP]),
    )


def _table(title: str, rows: Sequence[Row], nobody: str = "") -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    table.add_column("")
    for name in (
        "上门\nvisits",
        "首次响应\nresponse",
        "完单及时率\non time",
        "应计\ndue",
        "未完\nopen",
        "超7天\noverdue 7",
        "回访率\nfollowed up",
    ):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.id or nobody,
            row.name,
            str(row.count(VISITS)),
            _elapsed(row.value(RESPONSE)),
            _points(row.value(ON_TIME)),
            str(row.count(DUE)),
            str(row.count(OPEN)),
            str(row.count(OVERDUE)),
            _share(row.value(FOLLOWED_UP)),
        )
    return table


def resolvers(rows: Sequence[Row], month: str) -> Table:
    """Who resolved most."""
    title = f"ServiceNow, {month}: who resolved most of what the import brought"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    for name in ("解决量\nresolved", "问题解决率\nresolution rate", "未解决\nopen at the end"):
        table.add_column(name, justify="right")
    for row in sorted(rows, key=lambda row: (-row.count(RESOLVED), row.id or "~"))[:_TOP]:
        table.add_row(
            row.name if row.id else "nobody assigned",
            str(row.count(RESOLVED)),
            _share(row.value(RESOLUTION_RATE)),
            str(row.count(TICKETS_OPEN)),
        )
    return table


def _elapsed(milliseconds: Fraction | None) -> str:
    return "–" if milliseconds is None else duration(int(milliseconds))


def _points(value: Fraction | None) -> str:
    return "–" if value is None else f"{float(value):.2f}"


def _share(value: Fraction | None) -> str:
    return "–" if value is None else f"{float(value):.0%}"
