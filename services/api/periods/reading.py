"""Sealed snapshots, their people and statements. Names come from the roster as it was frozen; rows hold ids only."""

from __future__ import annotations

from fractions import Fraction
from uuid import UUID

from services.api.context import Context
from services.api.periods import refusals
from services.api.periods.schemas import (
    Bilingual,
    EvidenceItem,
    Exact,
    Excuse,
    IndicatorItem,
    LineItem,
    PersonItem,
    PersonList,
    SnapshotItem,
    SnapshotList,
    Statement,
)
from services.core.roster import Roster
from services.core.scoring.canonical import PersonRow
from services.core.scoring.exact import rational
from services.core.scoring.period import Month
from services.schemes.loading import shipped_schemes
from services.store import roster, snapshots
from services.store.snapshots import Snapshot


async def of_period(context: Context, period: Month) -> SnapshotList:
    """The sealed snapshots of a period."""
    async with context.reading() as connection:
        found = await snapshots.of_period(connection, str(period))
    return SnapshotList(items=[SnapshotItem.of(each) for each in found])


async def one(context: Context, snapshot_id: UUID) -> Snapshot:
    """A sealed snapshot. Raises Problem 404."""
    async with context.reading() as connection:
        found = await snapshots.get(connection, snapshot_id)
    if found is None:
        raise refusals.no_snapshot(snapshot_id)
    return found


async def people_of(context: Context, snapshot: Snapshot) -> PersonList:
    """Everybody of a snapshot: by branch, best total first, then those without a score."""
    async with context.reading() as connection:
        rows = await snapshots.people(connection, snapshot.header.snapshot_id)
        names = _names(await roster.load(connection, snapshot.header.roster_version))
    ordered = sorted(rows, key=_best_first)
    return PersonList(items=[_person(row, names, snapshot) for row in ordered])


async def statement(context: Context, snapshot_id: UUID, person: str) -> Statement:
    """One person's statement. Raises Problem 404."""
    snapshot = await one(context, snapshot_id)
    async with context.reading() as connection:
        people = await snapshots.people(connection, snapshot_id, person)
        lines = await snapshots.lines(connection, snapshot_id, person)
        indicators = await snapshots.indicators(connection, snapshot_id, person)
        evidence = await snapshots.evidence_of(connection, snapshot_id, person)
        names = _names(await roster.load(connection, snapshot.header.roster_version))
    if not people:
        raise refusals.not_in_snapshot(person)
    body = people[0].body
    return Statement(
        snapshot=SnapshotItem.of(snapshot),
        scheme=_scheme_words(snapshot),
        person=_person(people[0], names, snapshot),
        subtotal=Exact.maybe(body["subtotal"]),
        deducted=Exact.maybe(body["deducted"]),
        before_veto=Exact.maybe(body["before_veto"]),
        veto=body["veto"],
        lines=[LineItem.of(line) for line in lines],
        lines_sum=Exact.of(rational(sum((Fraction(line.points) for line in lines), Fraction(0)))),
        indicators=[IndicatorItem.of(row) for row in indicators],
        evidence=[EvidenceItem.of(row) for row in evidence],
    )


def _names(stored: roster.StoredRoster | None) -> Roster:
    return stored.roster() if stored is not None else Roster.of(())


def _best_first(row: PersonRow) -> tuple[str, bool, Fraction, str]:
    total = Fraction(row.total) if row.total is not None else Fraction(0)
    return row.body["branch"], row.total is None, -total, row.person


def _person(row: PersonRow, names: Roster, snapshot: Snapshot) -> PersonItem:
    excuses = [Excuse.model_validate(each) for each in snapshot.header.parameters["excuses"]]
    excuse = next((each for each in excuses if each.person == row.person), None)
    name = names.name_of(row.person, Month.parse(snapshot.header.period).last_day)
    return PersonItem.of(row, name, excuse)


def _scheme_words(snapshot: Snapshot) -> Bilingual:
    scheme = shipped_schemes().get(snapshot.header.scheme)
    if scheme is None:
        return Bilingual(zh=snapshot.header.scheme, en=snapshot.header.scheme)
    return Bilingual(zh=scheme.words.zh, en=scheme.words.en)
