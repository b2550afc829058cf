"""受理单: custody, responses, resolution and the one owner of each ticket (rules 17–20, 22).

A ticket is open, resolved or closed. `holder` = who has custody, "" = the queue. The owner of a ticket (问题解决率) is its resolver, else the
last who held it; a resolution that stood for the reopen window settles that for good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from services.core.kpi.contribution import Line
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event, TicketFacts
from services.core.kpi.quick import quick

OPEN: Final = "open"
RESOLVED: Final = "resolved"
CLOSED: Final = "closed"


@quick
@dataclass(frozen=True, slots=True)
class TicketState:
    """One ticket.

    `since_ms`, `answered`: the present custody segment. `replied`: the customer's first response is given. `intake` = (instant, engineer), None
    while nobody took it and it has not ended. `taken`: somebody's act of 受理 is counted. `resolved` = (instant, resolver) of the resolution that
    stands. `solved` = the owner's resolution counts; `settled` = for good.
    """

    opened_ms: int
    status: str
    holder: str
    since_ms: int
    answered: bool
    replied: bool
    intake: tuple[int, str] | None
    taken: bool
    resolved: tuple[int, str] | None
    last_holder: str
    owner: str
    solved: bool
    settled: bool


def step(
    state: TicketState | None, event: Event, definitions: Definitions, lines: list[Line], notes: list[str]
) -> TicketState | None:
    """The ticket after one more event; what changes in its standing goes to `lines`, what is impossible or unattributed to `notes`."""
    take = _VERBS.get(event.verb)
    if take is None or not isinstance(event.facts, TicketFacts):
        return state
    if state is not None:
        return take(state, event, definitions, lines, notes)
    if event.verb in ("opened", "accepted"):
        return _open(event, lines)
    notes.append("before opened")
    return None


def _open(event: Event, lines: list[Line]) -> TicketState:
    """Rule 17: the intake is the engineer's who is named here, else the first assignment's. 受理 as work is whoever did it (O18)."""
    at = event.time_ms
    holder = event.holder()
    doer = event.doer()
    lines.append((holder, "ticket.open", "", at, at, 1, 1))
    lines.append((holder, "ticket.owned", "", at, at, 1, 1))
    intake = None
    if holder:
        lines.append((holder, "ticket.unanswered", "", at, at, 1, 1))
        lines.append((holder, "ticket.intake", "", at, at, 1, 1))
        intake = (at, holder)
    if doer:
        lines.append((doer, "workload.accepted", "", at, at, 1, 1))
    return TicketState(
        at, OPEN, holder, at, False, False, intake, bool(doer), None, holder, holder, False, False
    )  # fmt: skip


def _take(state: TicketState, event: Event, lines: list[Line]) -> bool:
    """Count the act of 受理 once for each ticket; return whether it is counted by now."""
    if state.taken:
        return True
    doer = event.doer()
    if not doer:
        return False
    lines.append((doer, "workload.accepted", "", event.time_ms, event.time_ms, 1, 1))
    return True


def _intake(state: TicketState, at: int, engineer: str, lines: list[Line]) -> tuple[int, str]:
    """The intake: the first engineer, or nobody when the ticket ended before anyone was assigned."""
    known = state.intake
    if known is not None:
        if known[1] or not engineer:
            return known
        lines.append(("", "ticket.intake", "", known[0], known[0], 1, -1))
    lines.append((engineer, "ticket.intake", "", at, at, 1, 1))
    return at, engineer


def _own(state: TicketState, owner: str, solved: bool, lines: list[Line]) -> None:
    """Move the ticket between owners in the cohort of its opening (rule 19)."""
    book = state.opened_ms
    if owner != state.owner:
        lines.append((state.owner, "ticket.owned", "", book, book, 1, -1))
        lines.append((owner, "ticket.owned", "", book, book, 1, 1))
    if state.solved and (owner != state.owner or not solved):
        lines.append((state.owner, "ticket.owned_resolved", "", book, book, 1, -1))
    if solved and (owner != state.owner or not state.solved):
        lines.append((owner, "ticket.owned_resolved", "", book, book, 1, 1))


def _release(state: TicketState, at: int, lines: list[Line]) -> None:
    """End the present custody or the wait in the queue."""
    lines.append((state.holder, "ticket.open", "", at, at, 1, -1))
    if state.holder and not state.answered:
        lines.append((state.holder, "ticket.unanswered", "", at, at, 1, -1))


def _take_custody(holder: str, at: int, lines: list[Line]) -> None:
    lines.append((holder, "ticket.open", "", at, at, 1, 1))
    if holder:
        lines.append((holder, "ticket.unanswered", "", at, at, 1, 1))


def _assign(
    state: TicketState, event: Event, _definitions: Definitions, lines: list[Line], notes: list[str]
) -> TicketState:
    """Hand over; without an engineer the ticket goes back to the queue."""
    at = event.time_ms
    engineer = event.holder()
    taken = _take(state, event, lines) if engineer else state.taken
    intake = _intake(state, at, engineer, lines) if engineer else state.intake
    if state.status != OPEN:
        # The first assignment is the intake even now (s02), but starts no custody.
        notes.append("assigned after resolution" if state.resolved else "assigned after closing")
        return replace(state, intake=intake, taken=taken)
    if engineer == state.holder:
        return state if taken == state.taken else replace(state, taken=taken)
    _release(state, at, lines)
    _take_custody(engineer, at, lines)
    last = engineer or state.last_holder
    owner = state.owner if state.settled else last
    if owner != state.owner:
        _own(state, owner, state.solved, lines)
    return TicketState(
        state.opened_ms, OPEN, engineer, at, False, state.replied, intake, taken, None, last, owner,
        state.solved, state.settled,
    )  # fmt: skip


def _accept(
    state: TicketState, event: Event, definitions: Definitions, lines: list[Line], notes: list[str]
) -> TicketState:
    """An explicit acceptance of a ticket that exists: the act of 受理, and custody when it names an engineer."""
    if state.status != OPEN:
        notes.append("accepted while not open")
        return state
    if event.engineer:
        return _assign(state, event, definitions, lines, notes)
    return replace(state, taken=_take(state, event, lines))


def _reply(
    state: TicketState, event: Event, _definitions: Definitions, lines: list[Line], _notes: list[str]
) -> TicketState:
    """A public answer by a person: the customer's first response, and the holder's own in this custody segment (rule 20)."""
    facts = event.facts
    if not isinstance(facts, TicketFacts) or not facts.public or facts.actor != "person":
        return state
    at = event.time_ms
    answerer = event.doer() or state.holder
    own = state.status == OPEN and not state.answered and bool(answerer) and answerer == state.holder
    if state.replied and not own:
        return state
    if not state.replied:
        lines.append((answerer, "ticket.first_response", "", at, at, at - state.opened_ms, 1))
    if own:
        lines.append((answerer, "ticket.engineer_response", "", at, at, at - state.since_ms, 1))
        lines.append((answerer, "ticket.unanswered", "", at, at, 1, -1))
    return TicketState(
        state.opened_ms, state.status, state.holder, state.since_ms, own or state.answered, True, state.intake, state.taken,
        state.resolved, state.last_holder, state.owner, state.solved, state.settled,
    )  # fmt: skip


def _resolve(
    state: TicketState, event: Event, _definitions: Definitions, lines: list[Line], notes: list[str]
) -> TicketState:
    """The holder resolves; a resolving event that names an engineer makes that person the holder (rule 17)."""
    if state.status != OPEN:
        notes.append("resolved while not open")
        return state
    at = event.time_ms
    resolver = event.holder() or state.holder
    if not resolver:
        notes.append("resolved unattributed")
    _release(state, at, lines)
    intake = _intake(state, at, resolver, lines)
    lines.append((resolver, "ticket.resolved", "", at, at, 1, 1))
    owner = state.owner if state.settled else resolver
    _own(state, owner, True, lines)
    return TicketState(
        state.opened_ms, RESOLVED, "", at, False, state.replied, intake, state.taken, (at, resolver),
        resolver or state.last_holder, owner, True, state.settled,
    )  # fmt: skip


def _close(
    state: TicketState, event: Event, _definitions: Definitions, lines: list[Line], notes: list[str]
) -> TicketState:
    """Closing ends stock and custody; it is no resolution (O6)."""
    if state.status == CLOSED:
        notes.append("closed twice")
        return state
    if state.status == RESOLVED:
        return TicketState(
            state.opened_ms, CLOSED, "", state.since_ms, False, state.replied, state.intake, state.taken, state.resolved,
            state.last_holder, state.owner, state.solved, state.settled,
        )  # fmt: skip
    _release(state, event.time_ms, lines)
    intake = _intake(state, event.time_ms, "", lines)
    return replace(state, status=CLOSED, holder="", since_ms=event.time_ms, answered=False, intake=intake)


def _reopen(
    state: TicketState, event: Event, definitions: Definitions, lines: list[Line], notes: list[str]
) -> TicketState:
    """Undo the resolution. Custody starts only when an engineer is named; the last holder is the owner again (O2, O3).

    A reopen after the window leaves the solved rate as it was: the resolution had stood.
    """
    if state.status == OPEN:
        notes.append("reopened while open")
        return state
    at = event.time_ms
    engineer = event.holder()
    taken = _take(state, event, lines) if engineer else state.taken
    settled = state.settled
    if state.resolved is not None:
        resolved_ms, resolver = state.resolved
        lines.append((resolver, "ticket.resolved", "", resolved_ms, resolved_ms, 1, -1))
        settled = settled or at - resolved_ms > definitions.reopen_window_ms
    _take_custody(engineer, at, lines)
    last = engineer or state.last_holder
    owner = state.owner if settled else last
    _own(state, owner, settled, lines)
    intake = _intake(state, at, engineer, lines) if engineer else state.intake
    return TicketState(
        state.opened_ms, OPEN, engineer, at, False, state.replied, intake, taken, None, last, owner, settled, settled
    )  # fmt: skip


def _open_again(
    state: TicketState, _event: Event, _definitions: Definitions, _lines: list[Line], notes: list[str]
) -> TicketState:
    notes.append("opened twice")
    return state


_Take: TypeAlias = Callable[[TicketState, Event, Definitions, list[Line], list[str]], TicketState]

_VERBS: Final[dict[str, _Take]] = {
    "opened": _open_again,
    "accepted": _accept,
    "assigned": _assign,
    "replied": _reply,
    "resolved": _resolve,
    "closed": _close,
    "reopened": _reopen,
}
