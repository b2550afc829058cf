"""工作量 (rule 26): 受理, 派工, 反馈完单 and 回访 by who did the act, each unit once for each person, act and calendar month.

受理 happens once for each order or ticket and is counted where that is known (dispatch, ticket).
"""

from __future__ import annotations

from dataclasses import dataclass

from services.core.kpi.contribution import Line
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event
from services.core.kpi.quick import quick


@quick
@dataclass(frozen=True, slots=True)
class WorkloadState:
    """Which (doer, act, month) are counted already; month = 12 × year + month − 1."""

    counted: tuple[tuple[str, str, int], ...]


_NOTHING = WorkloadState(())


def step(
    state: WorkloadState | None, event: Event, act: str, definitions: Definitions, lines: list[Line]
) -> WorkloadState | None:
    """Count an act on the unit, unless this person's is counted in this month."""
    doer = event.doer()
    at = event.time_ms
    counted = (state or _NOTHING).counted
    entry = (doer, act, definitions.month(at))
    if entry in counted:
        return state
    lines.append((doer, f"workload.{act}", "", at, at, 1, 1))
    return WorkloadState((*counted, entry))


def alone(event: Event, act: str, lines: list[Line]) -> None:
    """Count an act that is its own unit: an acceptance, a follow-up that concerns no order."""
    lines.append((event.doer(), f"workload.{act}", "", event.time_ms, event.time_ms, 1, 1))
