"""The state of one case: an optional aspect for each family, and one step that takes an event in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.core.kpi import (
    attendance,
    complaint,
    dispatch,
    finding,
    followup,
    measure,
    survey,
    ticket,
    workload,
)
from services.core.kpi.complaint import ComplaintState
from services.core.kpi.contribution import Line
from services.core.kpi.definitions import Definitions
from services.core.kpi.dispatch import DispatchState
from services.core.kpi.event import Event, Identity, OrderKey
from services.core.kpi.followup import FollowupState
from services.core.kpi.listed import Listed, listed
from services.core.kpi.measure import MeasureState
from services.core.kpi.quick import quick
from services.core.kpi.survey import SurveyState
from services.core.kpi.ticket import TicketState
from services.core.kpi.workload import WorkloadState


@quick
@dataclass(frozen=True, slots=True)
class CaseState:
    """What the next event in order needs to know of a case.

    `last` = the greatest order key of what is folded, amended times included; `named` = the events that corrections of the case name;
    `impossible` and `corrections` = what is listed.
    """

    last: OrderKey | None = None
    named: tuple[Identity, ...] = ()
    impossible: tuple[Listed, ...] = ()
    corrections: tuple[Listed, ...] = ()
    dispatch: DispatchState | None = None
    ticket: TicketState | None = None
    followup: FollowupState | None = None
    survey: SurveyState | None = None
    complaint: ComplaintState | None = None
    measure: MeasureState | None = None
    workload: WorkloadState | None = None

    @property
    def listed(self) -> tuple[Listed, ...]:
        """Everything that the case lists: impossible or unattributed events, then corrections without effect."""
        return self.impossible + self.corrections


INITIAL: Final = CaseState()


def step(state: CaseState, event: Event, key: OrderKey, definitions: Definitions, lines: list[Line]) -> CaseState:
    """The case after one more event that comes after all before it, by its order key; the change of its standing goes to `lines`."""
    match event.family:
        case "dispatch":
            return _dispatch(state, event, key, definitions, lines)
        case "ticket":
            notes: list[str] = []
            after = ticket.step(state.ticket, event, definitions, lines, notes)
            return CaseState(
                key, state.named, _with_notes(state, event, notes), state.corrections, state.dispatch, after,
                state.followup, state.survey, state.complaint, state.measure, state.workload,
            )  # fmt: skip
        case _:
            return _other(state, event, key, definitions, lines)


def _with_notes(state: CaseState, event: Event, notes: list[str]) -> tuple[Listed, ...]:
    return (*state.impossible, *(listed(event, why) for why in notes)) if notes else state.impossible


def _dispatch(state: CaseState, event: Event, key: OrderKey, definitions: Definitions, lines: list[Line]) -> CaseState:
    """An event of the order itself; when it is possible, it may be work as well and may owe a follow-up."""
    notes: list[str] = []
    order = dispatch.step(state.dispatch, event, definitions, lines, notes)
    work = state.workload
    owed = state.followup
    if order is not None and not notes:
        match event.verb:
            case "accepted":
                workload.alone(event, "accepted", lines)
            case "dispatched" | "reported" as act:
                work = workload.step(work, event, act, definitions, lines)
            case "completed":
                owed = followup.completed(order.accepted_by, order.order_type, event.time_ms, definitions, lines)
            case "reopened":
                followup.reopened(owed, event.time_ms, lines)
                owed = None
    return CaseState(
        key, state.named, _with_notes(state, event, notes), state.corrections, order, state.ticket,
        owed, state.survey, state.complaint, state.measure, work,
    )  # fmt: skip


def _other(state: CaseState, event: Event, key: OrderKey, definitions: Definitions, lines: list[Line]) -> CaseState:
    """An event of a family whose aspects are small or empty; calls, roster records and unknown families only take their place."""
    notes: list[str] = []
    owed, answers, complaints = state.followup, state.survey, state.complaint
    figures, work = state.measure, state.workload
    match event.family:
        case "followup":
            owed = followup.step(owed, event, lines)
            if event.verb == "done" and (state.dispatch is None and state.ticket is None):
                workload.alone(event, "followed_up", lines)
            elif event.verb == "done":
                work = workload.step(work, event, "followed_up", definitions, lines)
        case "survey":
            answers = survey.step(answers, event, _rated(state), definitions, lines)
        case "complaint":
            complaints = complaint.step(complaints, event, lines, notes)
        case "inspection":
            finding.step(event, lines, notes)
        case "attendance":
            attendance.step(event, definitions, lines, notes)
        case "measure":
            figures = measure.step(figures, event, definitions, lines, notes)
    return CaseState(
        key, state.named, _with_notes(state, event, notes), state.corrections, state.dispatch, state.ticket,
        owed, answers, complaints, figures, work,
    )  # fmt: skip


def _rated(state: CaseState) -> str:
    """Who completed what a survey rates: the order's last completer, also when a reopen undid that."""
    return state.dispatch.completer if state.dispatch is not None else ""
