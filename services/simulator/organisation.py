"""The organisation: branches, regions, field engineers and customer-service representatives, and the roster that says so."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count
from random import Random
from string import ascii_uppercase

from services.core.roster import (
    FIELD_ENGINEER,
    REPRESENTATIVE,
    Branch,
    Person,
    PersonId,
    Record,
    Region,
    RegionEngineer,
    RegionRepresentative,
)
from services.core.roster_rows import COLUMNS, render_row
from services.simulator import names
from services.simulator.occurrence import DESK

REPRESENTATIVES_A_BRANCH = 4
# Teams of so many engineers can spare one for a month, or give one away.
_NEWCOMER_IN = 3
_MOVES_FROM = 4


@dataclass(frozen=True, slots=True)
class Worker:
    """Somebody who works. `pace` scales durations (1 = usual, less = quicker); `care` in 0…1 raises satisfaction and punctuality."""

    id: str
    desk_id: str
    name: str
    branch: str
    regions: tuple[str, ...]
    early_shift: bool
    rest_weekday: int
    pace: float
    care: float
    since: date
    leave: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """An engineer who changes the region on a day of the month."""

    engineer: str
    day: date
    region: str


@dataclass(frozen=True, slots=True)
class Organisation:
    """Everybody and everything the month happens to; ids are unique."""

    since: date
    branches: tuple[Branch, ...]
    regions: tuple[Region, ...]
    engineers: tuple[Worker, ...]
    representatives: tuple[Worker, ...]
    moves: tuple[Move, ...]

    def engineers_of(self, region: str, day: date) -> list[Worker]:
        """Who works in a region on a day."""
        return [one for one in self.engineers if self.region_of(one, day) == region and one.since <= day]

    def region_of(self, worker: Worker, day: date) -> str:
        """Where an engineer works on a day."""
        moved = [move.region for move in self.moves if move.engineer == worker.id and move.day <= day]
        return moved[-1] if moved else worker.regions[0]

    def representative_of(self, region: str) -> Worker:
        """Who answers for a region."""
        return next(worker for worker in self.representatives if region in worker.regions)

    def roster(self) -> Iterator[Record]:
        """The roster's records, in the order in which one would write them."""
        yield from self.branches
        yield from self.regions
        for worker in self.representatives:
            yield Person(worker.id, worker.name, REPRESENTATIVE, worker.branch, worker.since)
        for worker in self.engineers:
            yield Person(worker.id, worker.name, FIELD_ENGINEER, worker.branch, worker.since)
        for worker in self.representatives:
            for region in worker.regions:
                yield RegionRepresentative(worker.id, region, worker.since)
        for worker in self.engineers:
            yield from self._postings(worker)
        for worker in (*self.representatives, *self.engineers):
            yield PersonId(worker.id, DESK, worker.desk_id, worker.since)

    def _postings(self, worker: Worker) -> Iterator[RegionEngineer]:
        since, region = worker.since, worker.regions[0]
        for move in self.moves:
            if move.engineer == worker.id:
                yield RegionEngineer(worker.id, region, since, move.day)
                since, region = move.day, move.region
        yield RegionEngineer(worker.id, region, since)

    def roster_csv(self) -> str:
        """The roster as the importer reads it."""
        out = io.StringIO()
        rows = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        rows.writeheader()
        rows.writerows(render_row(record) for record in self.roster())
        return out.getvalue()


def build(rng: Random, *, engineers: int, representatives: int, first_day: date) -> Organisation:
    """An organisation as of the month that begins on `first_day`: one region a representative, four of them a branch.

    Raises ValueError without at least one representative, or with fewer engineers than regions.
    """
    if representatives < 1 or engineers < representatives:
        raise ValueError("an organisation needs a customer-service representative, and an engineer for each of them")
    since = date(first_day.year - 2, 1, 1)
    branches, regions = _places(representatives, since)
    roll = iter(names.people(rng, representatives + engineers))
    numbers = count(1001)

    def hire(identity: str, region: Region) -> Worker:
        return _worker(rng, identity, next(roll), region=region, number=next(numbers), first_day=first_day, since=since)

    staff = [hire(f"KF{i + 1:02d}", region) for i, region in enumerate(regions)]
    field = [hire(f"GC{i + 1:02d}", regions[i % len(regions)]) for i in range(engineers)]
    moves = _moves(rng, field, regions, first_day)
    if engineers >= _NEWCOMER_IN * representatives:
        # Somebody begins on the last day: too late to be scored, and a freeze must say so.
        field[0] = replace(field[0], since=_last_day(first_day), leave=())
        moves = tuple(move for move in moves if move.engineer != field[0].id)
    return Organisation(since, branches, regions, tuple(field), tuple(staff), moves)


def _last_day(first_day: date) -> date:
    return (first_day + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def _places(representatives: int, since: date) -> tuple[tuple[Branch, ...], tuple[Region, ...]]:
    branches: list[Branch] = []
    regions: list[Region] = []
    for i in range(representatives):
        index, place = divmod(i, REPRESENTATIVES_A_BRANCH)
        code, name, districts = names.city(index)
        if place == 0:
            branches.append(Branch(code, name, since))
        regions.append(Region(f"{code}-{ascii_uppercase[place]}", names.district(districts, place), code, since))
    return tuple(branches), tuple(regions)


def _worker(
    rng: Random, identity: str, name: str, *, region: Region, number: int, first_day: date, since: date
) -> Worker:
    away = rng.random() < 0.15
    begins = first_day + timedelta(days=rng.randrange(25))
    return Worker(
        id=identity,
        desk_id=f"E{number}",
        name=name,
        branch=region.branch,
        regions=(region.id,),
        early_shift=rng.random() < 0.6,
        rest_weekday=rng.choice((5, 6, 6)),
        pace=rng.uniform(0.6, 1.6),
        care=rng.betavariate(6, 2),
        since=since,
        leave=tuple(begins + timedelta(days=day) for day in range(rng.randint(1, 3))) if away else (),
    )


def _moves(rng: Random, field: list[Worker], regions: tuple[Region, ...], first_day: date) -> tuple[Move, ...]:
    """One engineer in thirty changes the region in the middle of the month, within the branch; no team loses two or its last."""
    if len(field) < _MOVES_FROM * len(regions):
        return ()
    found: dict[str, Move] = {}
    for worker in rng.sample(field, len(field) // 30):
        others = [region.id for region in regions if region.branch == worker.branch and region.id not in worker.regions]
        if others and worker.regions[0] not in found:
            day = first_day + timedelta(days=rng.randint(10, 18))
            found[worker.regions[0]] = Move(worker.id, day, rng.choice(others))
    return tuple(found.values())
