"""Which submitted events may pass: contract, source, time and size; and how they go to the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from schemas.codec import interpret, read_envelope
from schemas.envelope import RESERVED_SOURCE, STAMP_PREFIX
from schemas.errors import ContractError, Finding, UnknownType, UnknownVersion
from schemas.registry import CORRECTIONS
from schemas.wire import check_depth, parts_of, structured
from services.ingest.ledgercases import FindCases, RecentCases
from services.ingest.settings import GatewaySettings
from services.ingest.verdicts import Admitted, Refused, Ruling
from services.runtime.clock import Clock
from services.runtime.partition import shard_of
from services.runtime.security import ApiKey
from services.store.ledger import Identity

_PAGE: Final = 250  # events between two looks at the event loop: other requests must not wait for a large batch


class Admission:
    """Rules on submitted events, one by one and in order."""

    def __init__(self, settings: GatewaySettings, clock: Clock, find_cases: FindCases, recent: RecentCases) -> None:
        self._settings = settings
        self._clock = clock
        self._find_cases = find_cases
        self._recent = recent

    async def rule(self, events: Sequence[Any], key: ApiKey) -> list[Ruling]:
        """A ruling for each event. Raises LedgerUnavailable when a correction needs the ledger and it does not answer."""
        cases = await self._cases_of_targets(events)
        stamps = {f"{STAMP_PREFIX}received": _rfc3339(self._clock.now_ms()), f"{STAMP_PREFIX}key": key.key_id}
        rulings: list[Ruling] = []
        for number, event in enumerate(events):
            if number % _PAGE == _PAGE - 1:
                await asyncio.sleep(0)
            ruling = self._rule(event, key, cases, stamps)
            if isinstance(ruling, Admitted):
                cases.setdefault((ruling.source, ruling.id), [ruling.partitionkey])
            rulings.append(ruling)
        return rulings

    def _rule(
        self, event: Any, key: ApiKey, cases: Mapping[Identity, Sequence[str]], stamps: Mapping[str, str]
    ) -> Ruling:
        source, identity = _identity(event)
        try:
            check_depth(event, self._settings.ingest_max_depth)
            attributes, data = parts_of(event)
            attributes = {
                name: value
                for name, value in attributes.items()
                if not name.startswith(STAMP_PREFIX) and value is not None
            }
            problem = _fill_in_case(attributes, data, cases)
            if problem is not None:
                return Refused(source, identity, [problem])
            read = _read(attributes, data)
        except ContractError as fault:
            return Refused(source, identity, fault.findings)
        value = structured({**attributes, **stamps}, data)
        findings = [
            *_source_findings(read.source, key),
            *self._time_findings(read.time_ms),
            *self._size_findings(value),
        ]
        if findings:
            return Refused(source, identity, findings)
        shard = shard_of(read.partitionkey, self._settings.partitions)
        return Admitted(read.source, read.id, read.partitionkey, shard, value, read.note)

    def _time_findings(self, time_ms: int) -> list[Finding]:
        ahead = self._settings.ingest_future_seconds
        if time_ms <= self._clock.now_ms() + ahead * 1000:
            return []
        return [("/time", f"lies in the future by more than {ahead} seconds: is the source's clock or offset wrong?")]

    def _size_findings(self, value: bytes) -> list[Finding]:
        limit = self._settings.ingest_max_event_bytes
        return [] if len(value) <= limit else [("", f"the event is larger than {limit} bytes")]

    async def _cases_of_targets(self, events: Sequence[Any]) -> dict[Identity, Sequence[str]]:
        """The cases of the events that corrections name, for those that do not say it themselves."""
        targets = {target for event in events if (target := _target(event)) is not None}
        if not targets:
            return {}
        recorded = dict(await self._find_cases(sorted(targets)))
        for target in targets - recorded.keys():
            case = self._recent.find(target)
            if case is not None:
                recorded[target] = [case]
        return recorded


class _Read(NamedTuple):
    source: str
    id: str
    partitionkey: str
    time_ms: int
    note: str | None = None


def _read(attributes: dict[str, Any], data: Any) -> _Read:
    """What the gateway needs of an event that follows the contract. An unknown type passes with a note. Raises ContractError."""
    try:
        decoded = interpret(attributes, data)
    except UnknownType as fault:  # with a sound envelope: it is kept in quarantine until its type is known
        envelope, time_ms = read_envelope(attributes)
        note = "unknown_version" if isinstance(fault, UnknownVersion) else "unknown_type"
        return _Read(envelope["source"], envelope["id"], envelope["partitionkey"], time_ms, note)
    return _Read(decoded.source, decoded.id, decoded.partitionkey, decoded.time_ms)


def _fill_in_case(attributes: dict[str, Any], data: Any, cases: Mapping[Identity, Sequence[str]]) -> Finding | None:
    """Add the partition key where it is missing: the subject, or the case of the event that is corrected."""
    if "partitionkey" in attributes:
        return None
    name = attributes.get("type")
    if not (isinstance(name, str) and name in CORRECTIONS):
        if "subject" in attributes:
            attributes["partitionkey"] = attributes["subject"]
        return None
    target = _target({**attributes, "data": data})
    if target is None:
        return None
    known = cases.get(target, ())
    if len(known) == 1:
        attributes["partitionkey"] = known[0]
        return None
    reason = (
        "the event that it names is recorded under several cases: send the partitionkey of one of them"
        if known
        else "the event that it names is not recorded: send it first, or send its partitionkey with the correction"
    )
    return ("/partitionkey", reason)


def _target(event: Any) -> Identity | None:
    """The identity of the event that a correction without partition key names, if it can be read at all."""
    match event:
        case {"type": str(name), "source": str(source), "data": {"target": str(target)}} if (
            name in CORRECTIONS and event.get("partitionkey") is None and "\0" not in source + target
        ):
            return source, target
        case _:
            return None


def _identity(event: Any) -> tuple[str | None, str | None]:
    """Source and id as far as they are texts: a client finds its event by them."""
    if not isinstance(event, dict):
        return None, None
    source, identity = event.get("source"), event.get("id")
    return source if isinstance(source, str) else None, identity if isinstance(identity, str) else None


def _source_findings(source: str, key: ApiKey) -> list[Finding]:
    if source == RESERVED_SOURCE:
        return [("/source", f"{RESERVED_SOURCE} is reserved for the system's own corrections")]
    return [] if key.sends_as(source) else [("/source", "this API key may not send events of this source")]


def _rfc3339(epoch_ms: int) -> str:
    seconds, milliseconds = divmod(epoch_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"
