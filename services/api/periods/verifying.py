"""Verification: fold every case again from the ledger up to the cutoff, compare with the journal and with the seal.

Three questions. Does the journal of each case say what its events say? Do the journal's postings still give the sealed rows? Are the
stored rows still those that were sealed? A case is compared by a checksum of its net postings, so memory grows with cases only.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from services.api.context import Context
from services.api.periods import computing
from services.api.periods.schemas import ALL_BRANCHES, DifferingCase, DifferingPosting, Verification
from services.core.kpi.contribution import PostingKey
from services.core.kpi.definitions import Definitions
from services.core.kpi.version import CORE_VERSION
from services.core.kpi.walk import fold_case
from services.core.roster import Roster
from services.core.scoring.accounts import PriceMissingError
from services.core.scoring.canonical import Section, canonical_json, content_hash, scheme_hash
from services.core.scoring.document import Scheme
from services.core.scoring.gathering import View
from services.core.scoring.period import Month
from services.schemes.loading import shipped_schemes
from services.store import definitions as stored_definitions
from services.store import refolding, roster, snapshots
from services.store.mapping import event_from_ledger
from services.store.snapshots import Snapshot

MODULUS = 1 << 256
DETAILED_CASES = 20
LISTED_CASES = 1000


async def verify(context: Context, snapshot: Snapshot) -> Verification:
    """Say whether the snapshot still follows from the ledger, or name what differs."""
    context = await _under_its_definitions(context, snapshot)
    cases, postings, differing = await _compare_cases(context, snapshot)
    sections, remarks = await _evaluated_again(context, snapshot)
    stored, stored_hash = await _stored(context, snapshot)
    sealed = {name: snapshot.counts[name] for name in stored}
    moved = [name for name in sealed if sections is None or sections[name] != sealed[name]]
    tampered = [name for name in sealed if stored[name] != sealed[name]]
    if stored_hash != snapshot.content_hash and not tampered:
        tampered = ["header"]
    detailed = [await _detail(context, snapshot, shard, case) for shard, case in differing[:DETAILED_CASES]]
    listed = [
        DifferingCase(shard=shard, case=case, postings=[]) for shard, case in differing[DETAILED_CASES:LISTED_CASES]
    ]
    return Verification(
        same=not (differing or moved or tampered),
        snapshot=snapshot.header.snapshot_id,
        cases=cases,
        postings=postings,
        differing_cases=[*detailed, *listed],
        differing_cases_total=len(differing),
        differing_sections=moved,
        tampered_sections=tampered,
        remarks=remarks,
    )


async def _under_its_definitions(context: Context, snapshot: Snapshot) -> Context:
    """The context with the definitions that the snapshot was frozen under."""
    version = snapshot.header.definition_version
    async with context.reading() as connection:
        zone = await stored_definitions.zone_of(connection, version) or context.definitions.zone
    return replace(context, definitions=replace(context.definitions, zone=zone, version=version))


async def _compare_cases(context: Context, snapshot: Snapshot) -> tuple[int, int, list[tuple[int, str]]]:
    """(cases refolded, postings read, cases that differ in order of shard and case)."""
    cases = postings = 0
    differing: list[tuple[int, str]] = []
    for shard, below in sorted(snapshot.header.cutoff.items()):
        sums: dict[str, int] = defaultdict(int)
        async for bodies in refolding.cases_below(context.pool, shard, below):
            cases += len(bodies)
            for case, checksum in (await asyncio.to_thread(_folded, bodies, context.definitions)).items():
                sums[case] -= checksum
        async for page in refolding.journal_below(context.pool, shard, below):
            postings += len(page)
            for case, checksum in (await asyncio.to_thread(_journalled, page)).items():
                sums[case] += checksum
        differing += sorted((shard, case) for case, checksum in sums.items() if checksum % MODULUS)
    return cases, postings, differing


def _folded(bodies: Mapping[str, list[bytes]], definitions: Definitions) -> dict[str, int]:
    return {case: _checksum(_posted(events, definitions)) for case, events in bodies.items()}


def _journalled(page: list[tuple[str, PostingKey, int]]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for case, key, n in page:
        sums[case] += n * _digest(key)
    return sums


def _posted(bodies: list[bytes], definitions: Definitions) -> dict[PostingKey, int]:
    return dict(fold_case((event_from_ledger(body) for body in bodies), definitions).posted)


def _checksum(posted: Mapping[PostingKey, int]) -> int:
    return sum(n * _digest(key) for key, n in posted.items())


def _digest(key: PostingKey) -> int:
    """A number for a posting; net postings are equal when, but for one chance in 2^256, their weighted sums are."""
    return int.from_bytes(hashlib.sha256(canonical_json(key)).digest(), "big")


async def _detail(context: Context, snapshot: Snapshot, shard: int, case: str) -> DifferingCase:
    below = snapshot.header.cutoff[shard]
    journal = await refolding.journal_of_case(context.pool, shard, below, case)
    refolded = _posted(await refolding.events_of_case(context.pool, shard, below, case), context.definitions)
    keys = sorted(key for key in journal.keys() | refolded.keys() if journal.get(key, 0) != refolded.get(key, 0))
    return DifferingCase(
        shard=shard,
        case=case,
        postings=[
            DifferingPosting(
                engineer=engineer,
                measure=measure,
                dim=dim,
                at_ms=at_ms,
                book_ms=book_ms,
                value=value,
                journal=journal.get(key, 0),
                refolded=refolded.get(key, 0),
            )
            for key in keys
            for engineer, measure, dim, at_ms, book_ms, value in (key,)
        ],
    )


async def _evaluated_again(context: Context, snapshot: Snapshot) -> tuple[dict[str, dict[str, Any]] | None, list[str]]:
    """The sections as the journal gives them today, None when they cannot be computed; and what may explain a difference."""
    header = snapshot.header
    scheme = shipped_schemes().get(header.scheme)
    remarks = _remarks(snapshot, scheme)
    async with context.reading() as connection:
        stored = await roster.load(connection, header.roster_version)
    if scheme is None or stored is None:
        return None, [*remarks, "the scheme or the roster version is gone"]
    question = _question(snapshot, scheme, stored.roster())
    try:
        scores = await computing.evaluate(context.pool, question)
    except PriceMissingError as missing:
        return None, [*remarks, str(missing)]
    proof = Section()
    async for page in computing.evidence(context.pool, question):
        proof.extend(computing.as_values(row) for row in page)
    return computing.Rows.of(scores).sections() | {"evidence": proof.seal()}, remarks


def _question(snapshot: Snapshot, scheme: Scheme, people: Roster) -> computing.Question:
    header = snapshot.header
    return computing.Question(
        scheme=scheme,
        period=Month.parse(header.period),
        branch=None if header.cohort == ALL_BRANCHES else header.cohort,
        view=View(header.view),
        zone=header.parameters["zone"],
        roster=people,
        parameters={
            name: {key: Fraction(points) for key, points in table.items()}
            for name, table in header.parameters["tables"].items()
        },
        cutoff=header.cutoff,
    )


def _remarks(snapshot: Snapshot, scheme: Scheme | None) -> list[str]:
    header = snapshot.header
    remarks = []
    if header.core_version != CORE_VERSION:
        remarks.append(f"frozen by core {header.core_version}, verified by core {CORE_VERSION}")
    if scheme is not None and scheme.version != header.scheme_version:
        remarks.append(
            f"frozen under version {header.scheme_version} of the scheme, version {scheme.version} is installed"
        )
    elif scheme is not None and scheme_hash(scheme) != header.parameters["scheme_sha256"]:
        remarks.append("the installed scheme has the same version but another content")
    return remarks


async def _stored(context: Context, snapshot: Snapshot) -> tuple[dict[str, dict[str, Any]], bytes]:
    """The sections and the content hash of the rows as they stand in the tables."""
    snapshot_id = snapshot.header.snapshot_id
    async with context.reading() as connection:
        proof = Section()
        async for row in snapshots.all_evidence(connection, snapshot_id):
            proof.add(computing.as_values(row))
        sections = {
            "people": computing.section(await snapshots.people(connection, snapshot_id)).seal(),
            "lines": computing.section(await snapshots.lines(connection, snapshot_id)).seal(),
            "indicators": computing.section(await snapshots.indicators(connection, snapshot_id)).seal(),
            "evidence": proof.seal(),
        }
    return sections, content_hash(snapshot.header.hashed(), sections)
