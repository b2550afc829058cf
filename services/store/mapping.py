"""From the contract's words to the core's: a decoded record, or a stored ledger row, as an event that the fold understands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from schemas.codec import Decoded, read_canonical
from services.core.kpi.event import CORRECTION, FACTS, CorrectionFacts, Event, Facts, OtherFacts

_FIELDS: dict[str, tuple[type[Facts], frozenset[str]]] = {
    family: (facts, frozenset(field.name for field in fields(facts)))
    for family, facts in FACTS.items()
    if family != CORRECTION
}
_EMPTY: dict[str, Facts] = {family: facts() for family, (facts, _) in _FIELDS.items()}  # type: ignore[call-arg]
_OTHER = OtherFacts()


def event_from_decoded(decoded: Decoded) -> Event:
    """Return the event of a record that follows the contract. Data fields that the core does not read stay in the ledger."""
    data = decoded.data
    return Event(
        decoded.source,
        decoded.id,
        decoded.family,
        decoded.verb,
        decoded.partitionkey,
        decoded.time_ms,
        decoded.sequence,
        data.get("engineer"),
        data.get("performed_by"),
        _facts(decoded.family, data),
    )


def event_from_ledger(body: bytes) -> Event:
    """Return the event that a ledger row stores in its canonical form."""
    return event_from_decoded(read_canonical(body))


def _facts(family: str, data: Mapping[str, Any]) -> Facts:
    if family == CORRECTION:
        return _correction(data)
    known = _FIELDS.get(family)
    if known is None:
        return _OTHER
    make: Callable[..., Facts] = known[0]
    names = known[1]
    given = {name: value for name, value in data.items() if name in names}
    return make(**given) if given else _EMPTY[family]


def _correction(data: Mapping[str, Any]) -> CorrectionFacts:
    return CorrectionFacts(
        target=data["target"],
        target_source=data.get("target_source"),
        changes=tuple(data.get("changes", {}).items()),
    )
