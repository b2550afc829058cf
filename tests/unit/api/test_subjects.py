"""A posting belongs to the subject that the roster of its book day names; what nobody explains belongs to None."""

from __future__ import annotations

import csv
from datetime import date

import pytest

from services.api.kpis.subjects import Level, Resolver, actors_of, stretches
from services.core.roster import Roster
from services.core.roster_rows import parse_row
from tests.examples.loader import S01_ROSTER

with S01_ROSTER.open(encoding="utf-8", newline="") as _file:
    ROSTER = Roster.of(parse_row(row) for row in csv.DictReader(_file))

E, T, R, B = Level.ENGINEER, Level.TEAM, Level.REPRESENTATIVE, Level.BRANCH


@pytest.mark.parametrize(
    ("actor", "day", "level", "subject"),
    [
        ("crm GC02", "2026-10-14", T, "SZ-A"),  # moved on the 15th
        ("crm GC02", "2026-10-15", T, "SZ-C"),
        ("crm GC02", "2026-10-14", R, "KF01"),
        ("crm GC02", "2026-10-15", R, "KF03"),
        ("crm GC06", "2026-10-31", R, "KF02"),  # covers for KF05 in October
        ("crm GC06", "2026-11-01", R, "KF05"),
        ("crm GC07", "2026-10-10", B, "WX"),
        ("crm GC07", "2026-10-10", E, "GC07"),
        ("hq SZ-B", "2026-10-31", T, "SZ-B"),  # a figure about a region
        ("hq SZ-B", "2026-10-31", R, "KF02"),
        ("hq SZ-B", "2026-10-31", B, "SZ"),
        ("hq SZ-B", "2026-10-31", E, None),
        ("crm KF01", "2026-10-10", T, "SZ-A"),  # a representative's own work, of one region
        ("crm KF02", "2026-10-10", T, None),  # of two: nobody can say which
        ("crm KF02", "2026-10-10", R, "KF02"),
        ("crm KF05", "2026-10-10", R, None),  # answers for no region then
        ("crm nobody", "2026-10-10", E, None),
        ("", "2026-10-10", E, None),
        ("", "2026-10-10", B, None),
    ],
)
def test_who_it_belongs_to(actor: str, day: str, level: Level, subject: str | None) -> None:
    """By the day, at the level."""
    assert Resolver(ROSTER, level).subject_of(actor, date.fromisoformat(day)) == subject


def test_within_a_stretch_the_roster_says_the_same() -> None:
    """Each day resolves as the first day of its stretch does; a stretch begins where any record does or ends."""
    first, last = date(2026, 9, 20), date(2026, 11, 5)
    days = stretches(ROSTER.records, first, last)
    assert days == [first, *map(date.fromisoformat, ("2026-09-24", "2026-10-01", "2026-10-15", "2026-11-01"))]
    actors = ["crm GC02", "crm GC06", "crm KF02", "crm KF04", "hq SZ-D"]
    for level in Level:
        resolver = Resolver(ROSTER, level)
        for number in range(first.toordinal(), last.toordinal() + 1):
            day = date.fromordinal(number)
            begin = max(start for start in days if start <= day)
            for actor in actors:
                assert resolver.subject_of(actor, day) == resolver.subject_of(actor, begin), (level, actor, day)


def test_only_actors_that_can_matter_are_read() -> None:
    """Those who belong to the subject on any of the days."""
    actors = ["", "crm GC01", "crm GC02", "crm GC04", "crm x"]
    days = stretches(ROSTER.records, date(2026, 10, 1), date(2026, 10, 31))
    resolver = Resolver(ROSTER, T)
    assert actors_of(actors, resolver, frozenset({"SZ-C"}), days) == ["crm GC02", "crm GC04"]
    assert actors_of(actors, resolver, frozenset({"SZ-C"}), days[:1]) == ["crm GC04"]
    assert actors_of(actors, resolver, frozenset({None}), days) == ["", "crm x"]


def test_the_subjects_of_a_level_are_those_in_being_on_a_day() -> None:
    """KF04 entered on 24 September, KF05 answers for nothing in October."""
    assert Resolver(ROSTER, R).subjects([date(2026, 9, 1)]) == ["KF01", "KF02", "KF03", "KF05", "KF06", "KF07", "KF08"]
    assert Resolver(ROSTER, R).subjects([date(2026, 10, 1)]) == ["KF01", "KF02", "KF03", "KF04", "KF06", "KF07", "KF08"]
    assert Resolver(ROSTER, B).subjects([date(2026, 10, 1)]) == ["SZ", "WX"]
    assert len(Resolver(ROSTER, E).subjects([date(2026, 9, 1), date(2026, 10, 1)])) == 17
