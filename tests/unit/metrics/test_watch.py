"""A worker that stands still says so; one that merely has nothing to do does not."""

from __future__ import annotations

from services.metrics.watch import Watch

AT = ("t", 0)


def watch() -> Watch:
    """A worker that started at 0, with both servers answering at 0."""
    new = Watch(0.0, stall_seconds=60)
    new.answered("database", 0.0)
    new.answered("broker", 0.0)
    return new


def keep_answering(one: Watch, now: float) -> None:
    one.answered("database", now)
    one.answered("broker", now)


def test_a_worker_is_ready_once_its_assignment_is_positioned() -> None:
    """Not before: until then it reads nothing."""
    one = watch()
    assert one.ready(1.0).reason == "no assignment yet"
    one.positioned({AT: 5}, 2.0)
    assert one.ready(3.0).ok


def test_a_worker_without_partitions_is_ready() -> None:
    """A spare of the group does its duty by being there."""
    one = watch()
    one.positioned({}, 2.0)
    assert one.ready(3.0).ok
    assert one.live(1000.0).ok


def test_a_rebalance_takes_readiness_away_until_it_is_over() -> None:
    """Positions of a former assignment say nothing about the next."""
    one = watch()
    one.positioned({AT: 5}, 1.0)
    one.revoked(2.0)
    assert not one.ready(2.0).ok
    assert one.lag() == {}
    one.positioned({("t", 1): 7}, 3.0)
    one.moved(AT, 99, 3.0)
    assert one.positions == {("t", 1): 7}


def test_records_waiting_without_progress_cost_readiness_then_life() -> None:
    """Lag above zero and a position that does not move is what a dead consumer looks like."""
    one = watch()
    one.positioned({AT: 5}, 0.0)
    one.ends({AT: 9}, 1.0)
    keep_answering(one, 30.0)
    assert one.ready(30.0).ok
    keep_answering(one, 32.0)
    assert one.ready(32.0).reason == "t[0] has stood still for 31 s, lag 4"
    assert one.live(32.0).ok
    assert not one.live(62.0).ok
    one.moved(AT, 6, 62.0)
    keep_answering(one, 63.0)
    assert one.ready(63.0).ok
    assert one.live(63.0).ok


def test_an_idle_partition_begins_to_wait_when_its_first_record_arrives() -> None:
    """Hours without events are no stall, also not in the moment the first one comes."""
    one = watch()
    one.positioned({AT: 5}, 0.0)
    one.ends({AT: 5}, 1.0)
    one.ends({AT: 6}, 7200.0)
    assert one.live(7201.0).ok
    assert not one.live(7261.0).ok


def test_a_worker_that_gets_no_assignment_from_an_answering_broker_is_not_live() -> None:
    """A group that never completes is cured by a restart; a broker that is away is not."""
    one = watch()
    one.answered("broker", 60.0)
    assert not one.live(61.0).ok
    assert watch().live(61.0).ok


def test_a_worker_that_never_gets_through_its_rebalances_is_not_live() -> None:
    """A former assignment that does not let go hangs each new one; the group's other members keep rebalancing."""
    one = watch()
    one.positioned({AT: 5}, 0.0)
    for now in (10.0, 40.0, 69.0):
        one.revoked(now)
        one.answered("broker", now)
    assert one.live(69.0).ok
    assert not one.live(71.0).ok


def test_servers_that_do_not_answer_cost_readiness_only() -> None:
    """Restarting the worker does not bring a database back."""
    one = watch()
    one.positioned({AT: 5}, 1.0)
    one.answered("broker", 16.0)
    assert one.ready(16.0).reason == "database does not answer"
    assert one.live(16.0).ok


def test_a_draining_worker_is_live_and_not_ready() -> None:
    """It must neither get work nor be killed while it finishes."""
    one = watch()
    one.positioned({AT: 5}, 1.0)
    one.draining = True
    assert one.ready(1.0).reason == "draining"
    assert one.live(500.0).ok
