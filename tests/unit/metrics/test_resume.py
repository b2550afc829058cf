"""Where a worker goes on reading, and when it must not."""

from __future__ import annotations

import pytest

from services.metrics.errors import EXIT_HALTED, LogCut, LogExpired, TopicRecreated
from services.metrics.resume import Log, resume_at
from services.store.heads import StoredPosition


@pytest.mark.parametrize(("position", "start", "end"), [(7, 0, 9), (0, 0, 0), (9, 0, 9), (5, 5, 5), (5, 5, 8)])
def test_a_position_inside_the_log_is_where_reading_goes_on(position: int, start: int, end: int) -> None:
    """Start and end of the log are inside: nothing was lost, nothing is invented."""
    assert resume_at("t", 0, StoredPosition(position, "a"), Log(start, end, "a")) == position


def test_records_that_expired_before_they_were_counted_halt_the_worker() -> None:
    """A log that starts above our position has lost events: only a person may accept that."""
    with pytest.raises(LogExpired, match=r"t\[3\], stored position 4, log starts at 5") as caught:
        resume_at("t", 3, StoredPosition(4, None), Log(5, 9, None))
    assert caught.value.exit_code == EXIT_HALTED


def test_a_log_that_ends_below_us_halts_the_worker() -> None:
    """A recreated topic would otherwise hide its first records below our position."""
    with pytest.raises(LogCut, match="log ends at 9"):
        resume_at("t", 0, StoredPosition(10, None), Log(0, 9, None))


def test_another_topic_id_halts_the_worker_even_when_the_offsets_would_fit() -> None:
    """A topic made anew and already longer than the old one is still another log."""
    with pytest.raises(TopicRecreated, match="topic id a became b"):
        resume_at("t", 0, StoredPosition(3, "a"), Log(0, 9, "b"))


@pytest.mark.parametrize(("old", "new"), [(None, "b"), ("a", None), (None, None)])
def test_an_unknown_topic_id_decides_nothing(old: str | None, new: str | None) -> None:
    """Brokers before topic ids are judged by the offsets alone."""
    assert resume_at("t", 0, StoredPosition(3, old), Log(0, 9, new)) == 3
