"""The freeze: wait, check, cut, read below the cut, evaluate, write, seal. A refusal says why and leaves nothing behind.

Until its seal a snapshot is invisible, and the seal commits together with the answer under the idempotency key: a crash before it leaves
nothing, a crash after it leaves everything, and the same key gets the same answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog

from services.api.context import Context
from services.api.periods import computing, refusals
from services.api.periods.catching_up import NotCaughtUp, catch_up
from services.api.periods.cutting import cut as fix_cut
from services.api.periods.schemas import ALL_BRANCHES, FreezeRequest, SnapshotItem
from services.core.roster import Roster
from services.core.scoring.accounts import PriceMissingError
from services.core.scoring.canonical import canonical_json, content_hash, scheme_hash
from services.core.scoring.document import Scheme
from services.core.scoring.exact import rational
from services.core.scoring.period import Month
from services.core.scoring.result import ScoreSet
from services.runtime.log_ends import LogEnds, LogEndsUnavailable
from services.runtime.problems import Problem
from services.schemes.loading import shipped_schemes
from services.store import freezing, roster, snapshots
from services.store.freezing import Claim, Cut, Locks
from services.store.snapshots import Header, SealRefused, Snapshot

log = structlog.get_logger(__name__)

CREATED = 201
WAIT_SECONDS = 30.0
LISTED_UNATTRIBUTED = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a freeze: by which key, under which idempotency key, for what."""

    key_id: str
    idempotency_key: str
    period: Month
    request: FreezeRequest

    def hash(self) -> bytes:
        """What tells this request from another one under the same idempotency key."""
        return hashlib.sha256(canonical_json([str(self.period), self.request.model_dump(mode="json")])).digest()

    @property
    def branch(self) -> str | None:
        """The branch to score, None = every branch."""
        return None if self.request.branch == ALL_BRANCHES else self.request.branch


async def freeze(
    context: Context, log_ends: LogEnds, asked: Asked, *, wait_seconds: float = WAIT_SECONDS
) -> SnapshotItem:
    """Freeze, or give the answer that the same request got before. Raises Problem with the reason of a refusal."""
    wanted = asked.hash()
    async with freezing.locks(context.pool) as locks:
        mine = await locks.take(f"kaohe.request {asked.key_id} {asked.idempotency_key}")
        claim = await _claim(context, asked, wanted, mine=mine)
        if claim is not None and claim.request_hash != wanted:
            raise refusals.key_reused()
        if claim is not None and claim.response is not None:
            return SnapshotItem.model_validate_json(claim.response)
        if not mine:
            raise refusals.request_under_way()
        try:
            return await _freeze(context, log_ends, asked, locks, wait_seconds)
        except Exception:
            async with context.writing() as connection:
                await freezing.release(connection, asked.key_id, asked.idempotency_key)
            raise


async def _claim(context: Context, asked: Asked, wanted: bytes, *, mine: bool) -> Claim | None:
    """Take the idempotency key when the request's lock is ours; who finds it taken only looks and leaves no claim behind."""
    async with context.writing() as connection:
        if mine:
            return await freezing.claim(connection, asked.key_id, asked.idempotency_key, wanted)
        return await freezing.claimed(connection, asked.key_id, asked.idempotency_key)


async def _freeze(context: Context, log_ends: LogEnds, asked: Asked, locks: Locks, wait_seconds: float) -> SnapshotItem:
    scheme = _scheme(asked.request)
    _check_period(context, asked)
    if not await locks.take(f"kaohe.freeze {asked.period} {scheme.id}"):
        raise refusals.freeze_under_way(str(asked.period), scheme.id)
    await _check_not_frozen(context, asked)
    deadline = asyncio.get_running_loop().time() + wait_seconds
    reason = f"freeze {asked.period} {scheme.id} {asked.request.branch}"
    try:
        await catch_up(context, log_ends, deadline)
        cut, people = await fix_cut(context, asked.request, reason, deadline)
    except NotCaughtUp as behind:
        raise refusals.not_caught_up(behind.waiting_for) from None
    except LogEndsUnavailable as away:
        raise refusals.broker_away(str(away)) from None
    question = _question(context, asked, scheme, people, cut)
    scores = await _evaluate(context, question)
    _check_computable(scores, asked.request)
    return await _write(context, asked, question, scores, cut)


def _scheme(request: FreezeRequest) -> Scheme:
    scheme = shipped_schemes().get(request.scheme)
    if scheme is None:
        raise refusals.unknown_scheme(request.scheme, sorted(shipped_schemes()))
    declared = {parameter.id for parameter in scheme.parameters}
    missing, unknown = declared - set(request.parameters), set(request.parameters) - declared
    if missing or unknown:
        raise refusals.wrong_parameters(sorted(missing), sorted(unknown))
    return scheme


def _check_period(context: Context, asked: Asked) -> None:
    now_ms, zone = context.clock.now_ms(), context.definitions.zone
    if asked.period.start_ms(zone) > now_ms:
        raise refusals.period_in_future(str(asked.period))
    if asked.period.end_ms(zone) > now_ms and not asked.request.early:
        raise refusals.period_not_ended(str(asked.period))


async def _check_not_frozen(context: Context, asked: Asked) -> None:
    request = asked.request
    async with context.reading() as connection:
        existing = await snapshots.standing(
            connection, str(asked.period), request.scheme, request.view.value, request.branch
        )
    if existing is not None:
        raise refusals.already_frozen(existing.header.snapshot_id, existing.header.cohort)


def _question(context: Context, asked: Asked, scheme: Scheme, people: Roster, cut: Cut) -> computing.Question:
    branch = asked.branch
    if branch is not None and branch not in people.branches(asked.period.last_day):
        raise refusals.unknown_branch(branch, people.branches(asked.period.last_day))
    question = computing.Question(
        scheme=scheme,
        period=asked.period,
        branch=branch,
        view=asked.request.view,
        zone=context.definitions.zone,
        roster=people,
        parameters=asked.request.parameters,
        cutoff=cut.cutoff,
    )
    if not question.population:
        raise refusals.nobody(scheme.post)
    return question


async def _evaluate(context: Context, question: computing.Question) -> ScoreSet:
    try:
        return await computing.evaluate(context.pool, question)
    except PriceMissingError as missing:
        raise refusals.price_missing(str(missing)) from None


def _check_computable(scores: ScoreSet, request: FreezeRequest) -> None:
    blocked = {score.person: score.reason for score in scores.not_computable()}
    excused = [excuse.person for excuse in request.excuse]
    needless = sorted({person for person in excused if person not in blocked or excused.count(person) > 1})
    if needless:
        raise refusals.needless_excuse(needless)
    remaining = {person: reason for person, reason in blocked.items() if person not in excused}
    if remaining:
        raise refusals.not_computable(remaining)


async def _write(
    context: Context, asked: Asked, question: computing.Question, scores: ScoreSet, cut: Cut
) -> SnapshotItem:
    header = _header(asked, question, cut)
    rows = computing.Rows.of(scores)
    async with context.writing() as connection:
        await snapshots.insert(connection, header)
    await snapshots.insert_people(context.pool, header.snapshot_id, rows.people)
    await snapshots.insert_lines(context.pool, header.snapshot_id, rows.lines)
    await snapshots.insert_indicators(context.pool, header.snapshot_id, rows.indicators)
    proof = computing.section(())
    async for page in computing.evidence(context.pool, question):
        proof.extend(computing.as_values(row) for row in page)
        await snapshots.insert_evidence(context.pool, header.snapshot_id, page)
    sections = rows.sections() | {"evidence": proof.seal()}
    return await _seal(context, asked, header, sections, _unattributed(scores))


async def _seal(
    context: Context,
    asked: Asked,
    header: Header,
    sections: Mapping[str, dict[str, Any]],
    unattributed: dict[str, Any],
) -> SnapshotItem:
    digest = content_hash(header.hashed(), dict(sections))
    try:
        async with context.writing() as connection:
            sealed = await snapshots.seal(connection, header, digest, {**sections, "unattributed": unattributed})
            item = SnapshotItem.of(sealed)
            response = json.loads(item.model_dump_json())
            await freezing.answer(connection, asked.key_id, asked.idempotency_key, CREATED, response)
            await roster.record_audit(connection, asked.key_id, "snapshot.sealed", _audit(sealed))
    except SealRefused as refused:
        raise refusals.seal_refused(str(refused)) from None
    log.info("snapshot.sealed", snapshot=str(header.snapshot_id), period=header.period, scheme=header.scheme)
    return item


def _header(asked: Asked, question: computing.Question, cut: Cut) -> Header:
    request = asked.request
    return Header(
        snapshot_id=uuid4(),
        period=str(asked.period),
        scheme=question.scheme.id,
        scheme_version=question.scheme.version,
        cohort=request.branch,
        view=request.view.value,
        revision=1,
        created_by=asked.key_id,
        cutoff=cut.cutoff,
        roster_version=cut.roster_version,
        definition_version=cut.definition_version,
        core_version=cut.core_version,
        parameters={
            "scheme_sha256": scheme_hash(question.scheme),
            "readings": dict(question.scheme.readings),
            "tables": {
                name: {key: rational(points) for key, points in sorted(table.items())}
                for name, table in sorted(request.parameters.items())
            },
            "excuses": [excuse.model_dump() for excuse in sorted(request.excuse, key=lambda each: each.person)],
            "early": request.early,
            "force": request.force.model_dump() if request.force else None,
            "zone": question.zone,
        },
        idempotency_key=asked.idempotency_key,
    )


def _unattributed(scores: ScoreSet) -> dict[str, Any]:
    """Postings that entered nobody's score because the roster does not explain the id: shown, never dropped silently."""
    actors = sorted({total.actor for total in scores.unattributed if total.actor})
    return {
        "totals": len(scores.unattributed),
        "items": sum(abs(total.n) for total in scores.unattributed),
        "actors": actors[:LISTED_UNATTRIBUTED],
    }


def _audit(sealed: Snapshot) -> dict[str, object]:
    header = sealed.header
    return {
        "snapshot": str(header.snapshot_id),
        "period": header.period,
        "scheme": header.scheme,
        "branch": header.cohort,
        "content_hash": sealed.content_hash.hex(),
        "excuses": header.parameters["excuses"],
        "force": header.parameters["force"],
    }


def parse_period(text: str) -> Month:
    """The month of a path. Raises Problem 422."""
    try:
        return Month.parse(text)
    except ValueError as error:
        raise Problem(422, "invalid-period", "This is no period", str(error)) from None
