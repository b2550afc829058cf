"""A stream sends what says something else, names a place to resume from, and owes a slow viewer the newest state only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.kpis.schemas import AsOf, Kpi
from services.api.stream.frames import Seen, changed, key_of, message
from services.api.stream.groups import Viewer

AS_OF = AsOf(at="2026-10-15T04:00:00.000Z", checkpoint_id=None, cutoff={0: 5}, roster_version=1, definition_version=1)
SEEN = Seen(1_792_036_800_000, 1, {0: 5, 3: 12})


def kpi(indicator: str = "dispatch.open", numerator: int = 1, **other: Any) -> Kpi:
    window = other.pop("window", {"name": "24h", "start": "a", "end": "b"})
    return Kpi.model_validate(
        {
            "indicator": indicator, "subject": {"level": "engineer", "id": "A", "name": None}, "window": window, "view": "live",
            "numerator": numerator, "denominator": 1, "value": f"{numerator}/1", "decimal": "0", "unit": "count", "n": numerator,
            "marks": [], **other,
        }
    )  # fmt: skip


def waits(oldest_ms: int, since: str = "x") -> dict[str, Any]:
    return {"waiting": {"unanswered": 1, "oldest_since": since, "oldest_ms": oldest_ms}}


@pytest.mark.parametrize(
    ("before", "after", "is_change"),
    [
        (kpi(), kpi(), False),
        (kpi(), kpi(numerator=2), True),
        (kpi(), kpi(marks=["few"]), True),
        (kpi(), kpi(window={"name": "24h", "start": "c", "end": "d"}), False),
        (kpi(**waits(5)), kpi(**waits(6)), False),
        (kpi(**waits(5)), kpi(**waits(5, since="y")), True),
    ],
)
def test_that_time_has_passed_is_no_change(before: Kpi, after: Kpi, is_change: bool) -> None:
    """Windows move and ages grow all the time; a figure is sent when it says something else."""
    assert (changed({key_of(before): before}, [after]) == [after]) is is_change


def test_a_figure_never_sent_is_a_change() -> None:
    """A subject that appears."""
    assert changed({}, [kpi()]) == [kpi()]


@given(
    at=st.integers(0, 2**50),
    roster=st.integers(0, 2**50),
    cutoff=st.dictionaries(st.integers(0, 2**15), st.integers(0, 2**59), max_size=64),
)
def test_an_id_says_again_what_was_seen(at: int, roster: int, cutoff: dict[int, int]) -> None:
    """There and back."""
    seen = Seen(at, roster, cutoff)
    assert Seen.decode(seen.encode()) == seen


@pytest.mark.parametrize(
    "text",
    [None, "", "1", "1-1", "1-1-0", "1-1-0:1,", "1-1-a:b", "-1-1-0:1", "1-1-0:1 ", "１-1-0:1", "1" * 99 + "-1-0:1"],
)
def test_any_other_text_is_no_id(text: str | None) -> None:
    """A client may send whatever it likes."""
    assert Seen.decode(text) is None


def test_a_message_is_one_event_with_its_id_and_all_of_its_figures() -> None:
    """As browsers read it."""
    text = message("kpi", AS_OF, [kpi()], SEEN).decode()
    fields = dict(line.split(": ", 1) for line in text.strip().split("\n"))
    assert (fields["event"], fields["id"]) == ("kpi", "1792036800000-1-0:5,3:12")
    body = json.loads(fields["data"])
    assert body["as_of"]["cutoff"] == {"0": 5}
    assert body["items"][0]["window"] == {"name": "24h", "from": "a", "to": "b"}


def test_a_slow_viewer_gets_the_newest_of_each_figure_and_no_backlog() -> None:
    """However much happened meanwhile."""
    viewer = Viewer()
    for number in range(1000):
        viewer.give([kpi("dispatch.open", number), kpi("dispatch.due", number // 2)], AS_OF, SEEN)
    assert sorted((item.indicator, item.numerator) for item in viewer.take()) == [
        ("dispatch.due", 499),
        ("dispatch.open", 999),
    ]
    assert viewer.take() == []
    assert not viewer.woken.is_set()
