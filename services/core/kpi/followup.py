"""回访 (rule 25): each completion of an order owes one follow-up of the customer within a limit, owed by who accepted the order.

It counts at the follow-up or at the limit, whichever is first (O17): late by clock, without an event. A reopen before the limit takes the
obligation back; one that was missed stays missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.core.kpi.contribution import Line
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event, FollowupFacts
from services.core.kpi.quick import quick

_CUSTOMER: Final = (None, "customer")


@quick
@dataclass(frozen=True, slots=True)
class FollowupState:
    """The obligation of the latest completion: who owes it, until when, and whether it is met."""

    owner: str
    limit_ms: int
    done: bool


def completed(
    owner: str, order_type: str, completed_ms: int, definitions: Definitions, lines: list[Line]
) -> FollowupState | None:
    """A completion owes a follow-up, when its order type is among those of the policy."""
    types = definitions.followup_order_types
    if types and order_type not in types:
        return None
    limit = completed_ms + definitions.followup_limit_ms
    lines.append((owner, "followup.due", "", limit, limit, 1, 1))
    return FollowupState(owner, limit, False)


def reopened(state: FollowupState | None, at: int, lines: list[Line]) -> None:
    """The completion is undone: nothing is owed any more, unless the limit is past."""
    if state is not None and not state.done and at <= state.limit_ms:
        lines.append((state.owner, "followup.due", "", state.limit_ms, state.limit_ms, 1, -1))


def step(state: FollowupState | None, event: Event, lines: list[Line]) -> FollowupState | None:
    """A follow-up of the customer that was done meets the obligation; an attempt does not, nor does one of dealer or provider."""
    facts = event.facts
    if state is None or state.done or event.verb != "done" or not isinstance(facts, FollowupFacts):
        return state
    if facts.target not in _CUSTOMER:
        return state
    at = event.time_ms
    limit = state.limit_ms
    owner = state.owner
    book = min(at, limit)
    if at < limit:
        lines.append((owner, "followup.due", "", limit, limit, 1, -1))
        lines.append((owner, "followup.due", "", at, at, 1, 1))
    lines.append((owner, "followup.reached", "", at, book, 1, 1))
    if at <= limit:
        lines.append((owner, "followup.timely", "", at, book, 1, 1))
    if facts.satisfied:
        lines.append((owner, "followup.satisfied", "", at, book, 1, 1))
    return FollowupState(owner, limit, True)
