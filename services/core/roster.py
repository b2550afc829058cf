"""The dated roster: who is who, who holds which post in which branch, who works in and answers for which region.

A posting carries the raw id of its source; the roster resolves it *when reading*, on a local day, so an id that nobody knows yet
finds its person later and a move does not rewrite history (architecture, section 3). Days are the organisation's local days; in every
record `since` is included and `until` is not, None = open.

Identity and assignment are two things: `person_of` names the person also after the person left, while post, branch and region are
answered only for days on which a record says so.

`Roster.of` never refuses: where records overlap, the one that begins last wins. `examine` (roster_check) names what is wrong with a
set of records; an importer refuses what it calls an error.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping

REPRESENTATIVE = "客服代表"
FIELD_ENGINEER = "上门服务工程师"
KNOWN_POSTS = (REPRESENTATIVE, FIELD_ENGINEER)


@dataclass(frozen=True, slots=True)
class Branch:
    """分公司: the population in which people are ranked."""

    id: str
    name: str
    since: date
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """辖区, the team level: engineers work in it, one representative answers for it."""

    id: str
    name: str
    branch: str
    since: date
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a post of a branch; the first `since` of an unbroken series of records is the entry."""

    id: str
    name: str
    post: str
    branch: str
    since: date
    until: date | None = None


@dataclass(frozen=True, slots=True)
class RegionRepresentative:
    """Who answers for a region; a region has one, a representative may have several."""

    person: str
    region: str
    since: date
    until: date | None = None


@dataclass(frozen=True, slots=True)
class RegionEngineer:
    """Where an engineer works; one region at a time."""

    person: str
    region: str
    since: date
    until: date | None = None


@dataclass(frozen=True, slots=True)
class PersonId:
    """The id by which a source knows a person."""

    person: str
    source: str
    source_id: str
    since: date
    until: date | None = None


Record: TypeAlias = Branch | Region | Person | RegionRepresentative | RegionEngineer | PersonId

_R = TypeVar("_R", Branch, Region, Person, RegionRepresentative, RegionEngineer, PersonId)


class _Dated(Generic[_R]):
    """Records of one kind under a key, found by day in O(log n)."""

    __slots__ = ("_rows", "_starts")

    def __init__(self, keyed: Iterable[tuple[Hashable, _R]]) -> None:
        rows: dict[Hashable, list[_R]] = defaultdict(list)
        for key, record in keyed:
            rows[key].append(record)
        self._rows: Mapping[Hashable, tuple[_R, ...]] = {
            key: tuple(sorted(group, key=lambda record: (record.since, record.until or date.max, repr(record))))
            for key, group in rows.items()
        }
        self._starts = {key: [record.since for record in group] for key, group in self._rows.items()}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._rows)

    def at(self, key: Hashable, day: date) -> _R | None:
        """The record in force on the day; of several the one that begins last."""
        starts = self._starts.get(key)
        if starts is None:
            return None
        group = self._rows[key]
        for index in range(bisect_right(starts, day) - 1, -1, -1):
            if _holds(group[index], day):
                return group[index]
        return None

    def all(self, key: Hashable) -> tuple[_R, ...]:
        """Every record of the key in order of its beginning."""
        return self._rows.get(key, ())


def _holds(record: Record, day: date) -> bool:
    return record.since <= day and (record.until is None or day < record.until)


def _of_kind(records: Iterable[Record], kind: type[_R]) -> list[_R]:
    return [record for record in records if isinstance(record, kind)]


class Roster:
    """Lookups by local day over one version of the roster; immutable once built."""

    __slots__ = (
        "_branches",
        "_engineers_in",
        "_ids",
        "_people",
        "_posted",
        "_region_of",
        "_regions",
        "_regions_in",
        "_regions_of",
        "_representative",
        "records",
    )

    def __init__(self, records: Iterable[Record]) -> None:
        self.records: tuple[Record, ...] = tuple(records)
        people = _of_kind(self.records, Person)
        regions = _of_kind(self.records, Region)
        engineers = _of_kind(self.records, RegionEngineer)
        in_charge = _of_kind(self.records, RegionRepresentative)
        self._branches = _Dated((branch.id, branch) for branch in _of_kind(self.records, Branch))
        self._regions = _Dated((region.id, region) for region in regions)
        self._people = _Dated((person.id, person) for person in people)
        self._ids = _Dated(((row.source, row.source_id), row) for row in _of_kind(self.records, PersonId))
        self._representative = _Dated((row.region, row) for row in in_charge)
        self._region_of = _Dated((row.person, row) for row in engineers)
        self._regions_of = _grouped((row.person, row.region) for row in in_charge)
        self._engineers_in = _grouped((row.region, row.person) for row in engineers)
        self._regions_in = _grouped((region.branch, region.id) for region in regions)
        self._posted = _grouped((post, person.id) for person in people for post in (person.post, ""))

    @classmethod
    def of(cls, records: Iterable[Record]) -> Roster:
        """Build the lookups from records in any order; overlaps are resolved, not refused."""
        return cls(records)

    def person_of(self, actor: str, day: date) -> str | None:
        """The person behind a posting's actor ("<source> <id>"), None when no record explains the id.

        A source id with rows of its own is explained by these alone; without any, an id equal to a person's id is that person.
        """
        source, separator, source_id = actor.partition(" ")
        if not separator:
            return None
        if (source, source_id) in self._ids:
            row = self._ids.at((source, source_id), day)
            return row.person if row else None
        return source_id if source_id in self._people else None

    def region_named(self, actor: str, day: date) -> str | None:
        """The region that an actor names (headquarters' measures are about a region), None when there is no such region on the day."""
        _, _, unit = actor.partition(" ")
        return unit if self._regions.at(unit, day) else None

    def region_of(self, person: str, day: date) -> str | None:
        """The region in which an engineer works on the day."""
        row = self._region_of.at(person, day)
        return row.region if row else None

    def branch_of(self, person_or_region: str, day: date) -> str | None:
        """The branch of a person or a region on the day (a person's id is looked up first)."""
        found = self._people.at(person_or_region, day) or self._regions.at(person_or_region, day)
        return found.branch if found else None

    def representative_of(self, region: str, day: date) -> str | None:
        """Who answers for the region on the day."""
        row = self._representative.at(region, day)
        return row.person if row else None

    def regions_of_rep(self, person: str, day: date) -> tuple[str, ...]:
        """The regions for which the person answers on the day, by id."""
        return tuple(
            region for region in self._regions_of.get(person, ()) if self.representative_of(region, day) == person
        )

    def regions_of_rep_between(self, person: str, start: date, end: date) -> tuple[str, ...]:
        """The regions for which the person answers on any day of [start, end), by id."""
        return tuple(
            region
            for region in self._regions_of.get(person, ())
            if any(self.representative_of(region, day) == person for day in days(start, end))
        )

    def engineers_of(self, region: str, day: date) -> tuple[str, ...]:
        """The engineers who work in the region on the day, by id."""
        return tuple(person for person in self._engineers_in.get(region, ()) if self.region_of(person, day) == region)

    def persons(self, post: str | None, branch: str | None, day: date) -> tuple[str, ...]:
        """The people who hold the post (None: any) in the branch (None: any) on the day, by id."""
        held = (self._people.at(person, day) for person in self._posted.get(post or "", ()))
        return tuple(
            person.id
            for person in held
            if person is not None
            and (post is None or person.post == post)
            and (branch is None or person.branch == branch)
        )

    def person(self, person: str, day: date) -> Person | None:
        """The person's record in force on the day."""
        return self._people.at(person, day)

    def knows(self, person: str) -> bool:
        """True when the roster has any record of this person, whatever the day."""
        return person in self._people

    def name_of(self, unit: str, day: date) -> str | None:
        """The name of a person, region or branch on the day; of somebody who left, the last name known."""
        found = self._people.at(unit, day) or self._regions.at(unit, day) or self._branches.at(unit, day)
        if found is not None:
            return found.name
        known = self._people.all(unit) or self._regions.all(unit) or self._branches.all(unit)
        return known[-1].name if known else None

    def entry_of(self, person: str, day: date) -> date | None:
        """The first day of the unbroken service that covers the day (a change of post or branch does not break it)."""
        current = self._people.at(person, day)
        if current is None:
            return None
        entry = current.since
        for record in reversed(self._people.all(person)):
            if record.since < entry and (record.until is None or record.until >= entry):
                entry = record.since
        return entry

    def branches(self, day: date) -> tuple[str, ...]:
        """The branches in being on the day, by id."""
        return tuple(sorted(str(key) for key in self._branches if self._branches.at(key, day)))

    def regions(self, branch: str | None, day: date) -> tuple[str, ...]:
        """The regions of the branch (None: all) on the day, by id."""
        named = self._regions_in.get(branch, ()) if branch is not None else tuple(sorted(map(str, self._regions)))
        return tuple(
            region
            for region in named
            if (found := self._regions.at(region, day)) is not None and (branch is None or found.branch == branch)
        )


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    groups: dict[str, set[str]] = defaultdict(set)
    for key, member in pairs:
        groups[key].add(member)
    return {key: tuple(sorted(members)) for key, members in groups.items()}


def days(start: date, end: date) -> Iterator[date]:
    """Each day of [start, end)."""
    day = start
    while day < end:
        yield day
        day += timedelta(days=1)
