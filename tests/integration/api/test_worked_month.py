"""The worked month through the API gives the figures worked by hand: rates, gauges, teams and branches, in each view."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.examples.loader import S01_EXPECTED
from tests.integration.api.site import Site, ms

EXPECTED: dict[str, Any] = json.loads(S01_EXPECTED.read_text(encoding="utf-8"))
INSTANTS = {key: gauges["at"][:16] for key, gauges in EXPECTED["gauges"].items()}
LEVELS = {"engineer": "engineers", "team": "regions", "representative": "representatives", "branch": "branches"}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("instant", INSTANTS)
async def test_gauges_at_both_instants_are_those_worked_by_hand(month: Site, instant: str, level: str) -> None:
    """Also now, with every later event known: what happened after T does not change the gauge at T."""
    found = await month.kpis(level=level, window="24h", at=f"{INSTANTS[instant]}:00+08:00")
    for subject, gauges in EXPECTED["gauges"][instant][LEVELS[level]].items():
        for name in ("open", "overdue_7", "overdue_30"):
            got = found.get((f"dispatch.{name}", subject))
            assert (got["numerator"] if got else 0) == gauges[name], (subject, name)
        for name in ("overdue_7_rate", "overdue_30_rate"):
            got = found.get((f"dispatch.{name}", subject))
            assert (got["value"] if got else None) == _fraction(gauges[name]), (subject, name)
            assert (got["decimal"] if got else None) == _decimal(gauges[name]), (subject, name)


@pytest.mark.parametrize("instant", INSTANTS)
async def test_a_clock_that_stands_at_the_instant_sees_the_same_gauges(month: Site, instant: str) -> None:
    """T is the clock's, wherever it comes from."""
    later = await month.kpis(level="branch", window="24h", at=f"{INSTANTS[instant]}:00+08:00")
    now = month.clock.now_ms()
    month.clock.set(ms(INSTANTS[instant]))
    try:
        then = await month.kpis(level="branch", window="24h")
    finally:
        month.clock.set(now)
    assert then == later


@pytest.mark.parametrize("view", ["settled", "provisional"])
@pytest.mark.parametrize(("level", "group"), [("team", "regions"), ("branch", "branches")])
async def test_the_months_rates_are_those_worked_by_hand(month: Site, view: str, level: str, group: str) -> None:
    """完单及时率 with each of its parts, exact to the digit, and never a mean of means."""
    found = await month.kpis(level=level, window="2026-10", view=view)
    for subject, expected in EXPECTED[view]["S01"][group].items():
        completion = expected["completion"]
        parts = {f"day_{k}_rate": completion["rates"][f"d{k}"] for k in range(1, 8)}
        parts |= {
            "on_time_score": completion["series"],
            "later_than_7_rate": completion["rates"]["later"],
            "open_over_30_rate": completion["rates"]["open30"],
        }
        assert found["dispatch.due", subject]["numerator"] == completion["due"], subject
        for name, value in parts.items():
            assert found[f"dispatch.{name}", subject]["value"] == _fraction(value), (subject, name)
            assert found[f"dispatch.{name}", subject]["decimal"] == _decimal(value), (subject, name)
        if "visits" in expected:
            assert found["dispatch.visits", subject]["numerator"] == expected["visits"], subject


@pytest.mark.parametrize("limit", [1, 7, 41, 42])
async def test_every_figure_stands_on_exactly_one_page(month: Site, limit: int) -> None:
    """However the pages are cut, between subjects or within one."""
    asked = {"level": "branch", "window": "2026-10", "limit": limit}
    assert await month.kpis(**asked) == await month.kpis(level="branch", window="2026-10")


async def test_an_hour_before_the_months_end_the_matured_score_is_the_settled_one_of_what_is_known(month: Site) -> None:
    """PG-04 is open over 30 days: it is not late besides, so 姑苏 has five orders due and not six."""
    answer = await month.get(
        "/v1/kpis/dispatch.on_time_score",
        level="team",
        id="SZ-A",
        window="2026-10",
        view="matured",
        at="2026-10-31T23:00:00+08:00",
    )
    assert (answer["kpi"]["numerator"], answer["kpi"]["denominator"]) == (-123, 5)


async def test_the_subjects_of_each_level_add_up_to_the_same_whole(month: Site) -> None:
    """Nothing drops out on the way up: what no record attributes stands under the id null."""
    wholes = []
    for level in LEVELS:
        whole: dict[str, tuple[int, int]] = {}
        for (indicator, _), kpi in (await month.kpis(level=level, window="2026-10")).items():
            n, value = whole.get(indicator, (0, 0))
            additive = kpi["denominator"] if indicator.endswith(("_rate", "_score")) else 0
            whole[indicator] = (n + kpi["numerator"], value + additive)
        wholes.append(whole)
    assert all(whole == wholes[0] for whole in wholes)


def _fraction(value: dict[str, str] | None) -> str | None:
    return value["fraction"] if value else None


def _decimal(value: dict[str, str] | None) -> str | None:
    return value["decimal"] if value else None
