"""From a posting's actor to a subject: engineer → team (辖区) → representative → branch, by the dated roster of the book day. Pure.

What no record explains belongs to the subject None of its level: listed, never dropped, so that the subjects of each level add up to
the whole. A region named by headquarters (`hq SZ-A`) is that team. The own acts of a representative belong to the team the
representative answers for where that is exactly one, else to None.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.core.roster import Record, Roster

SubjectId = str | None


class Level(StrEnum):
    """Whose figures: `team` is the roster's region, 辖区."""

    ENGINEER = "engineer"
    TEAM = "team"
    REPRESENTATIVE = "representative"
    BRANCH = "branch"


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolution at one level over one version of the roster."""

    roster: Roster
    level: Level

    def subject_of(self, actor: str, day: date) -> SubjectId:
        """The subject to which an actor's postings of a day belong."""
        person = self.roster.person_of(actor, day)
        region = self.roster.region_named(actor, day) if person is None else None
        match self.level:
            case Level.ENGINEER:
                return person
            case Level.TEAM:
                return region if person is None else self._team_of(person, day)
            case Level.REPRESENTATIVE:
                return self._representative_of(person, region, day)
            case Level.BRANCH:
                unit = person if person is not None else region
                return None if unit is None else self.roster.branch_of(unit, day)

    def subjects(self, days: Iterable[date]) -> list[str]:
        """The subjects that the roster names on any of these days, by id."""
        found: set[str] = set()
        for day in days:
            match self.level:
                case Level.ENGINEER:
                    found.update(self.roster.persons(None, None, day))
                case Level.TEAM:
                    found.update(self.roster.regions(None, day))
                case Level.REPRESENTATIVE:
                    named = (self.roster.representative_of(region, day) for region in self.roster.regions(None, day))
                    found.update(person for person in named if person is not None)
                case Level.BRANCH:
                    found.update(self.roster.branches(day))
        return sorted(found)

    def _team_of(self, person: str, day: date) -> SubjectId:
        region = self.roster.region_of(person, day)
        if region is not None:
            return region
        in_charge = self.roster.regions_of_rep(person, day)
        return in_charge[0] if len(in_charge) == 1 else None

    def _representative_of(self, person: SubjectId, region: SubjectId, day: date) -> SubjectId:
        if person is not None:
            region = self.roster.region_of(person, day)
            if region is None:
                return person if self.roster.regions_of_rep(person, day) else None
        return None if region is None else self.roster.representative_of(region, day)


def stretches(records: Iterable[Record], first: date, last: date) -> list[date]:
    """The days of [first, last] on which a stretch begins: within one, the roster says the same on every day."""
    changes = {
        day for record in records for day in (record.since, record.until) if day is not None and first < day <= last
    }
    return [first, *sorted(changes)]


def actors_of(
    actors: Sequence[str], resolver: Resolver, wanted: frozenset[SubjectId], days: Sequence[date]
) -> list[str]:
    """The actors whose postings belong to one of the wanted subjects on any of the days."""
    return [actor for actor in actors if any(resolver.subject_of(actor, day) in wanted for day in days)]
