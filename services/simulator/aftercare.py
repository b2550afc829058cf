"""After a completion: 回访, 满意度, 投诉 and its judgement, findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from services.simulator.occurrence import HEADQUARTERS, Occurrence, happened

if TYPE_CHECKING:
    from services.simulator.organisation import Worker
    from services.simulator.world import World

FOLLOWED_UP: Final = 0.9
ATTEMPTED_FIRST: Final = 0.15
SURVEYED: Final = 0.7
ANSWERED: Final = 0.5
ANSWERED_AGAIN: Final = 0.03
COMPLAINED: Final = 0.12  # of those who are not content
JUDGED: Final = 0.85
UPHELD: Final = 0.6
PROBLEM_FOUND: Final = 0.02
FALSE_COMPLETION: Final = 0.002
VIOLATION: Final = 0.002
_PROBLEMS: Final = ("attitude", "missed_appointment", "misdiagnosis")
_COMPLAINT_CLASSES: Final = {"general": 60, "internal": 33, "major": 6, "media": 1}


@dataclass(frozen=True, slots=True)
class Job:
    """A unit of field work and who is on it. `outsider`: the id in use is one that no roster knows."""

    unit: str
    region: str
    representative: Worker
    engineer: Worker
    outsider: str | None = None

    @property
    def worker(self) -> str:
        """The id under which the work is booked."""
        return self.outsider or self.engineer.id


def aftercare(world: World, job: Job, done: datetime) -> Iterator[Occurrence]:
    """What follows the completion of a job at `done`; not sorted."""
    content = world.chance(0.35 + 0.62 * job.engineer.care)
    if world.chance(FOLLOWED_UP):
        yield from _followed_up(world, job, done, content=content)
    if world.chance(SURVEYED):
        yield from _surveyed(world, job, done, content=content)
    if not content and world.chance(COMPLAINED):
        yield from _complained(world, job, done)
    yield from _findings(world, job, done)


def finding(job: Job, person: str, at: datetime, kind: str, problem: str | None = None) -> Occurrence:
    """A finding about a person, made by the job's representative."""
    return happened(
        at,
        "inspection",
        "found",
        job.unit,
        engineer=person,
        performed_by=job.representative.id,
        kind=kind,
        problem=problem,
    )


def _followed_up(world: World, job: Job, done: datetime, *, content: bool) -> Iterator[Occurrence]:
    caller = job.representative
    at = world.at_work(caller, done + timedelta(hours=2), median_minutes=60 * 9)
    if world.chance(ATTEMPTED_FIRST):
        yield happened(
            at, "followup", "attempted", job.unit, performed_by=caller.id, target="customer", reason="no_answer"
        )
        at = world.at_work(caller, at + timedelta(hours=3), median_minutes=90)
    yield happened(at, "followup", "done", job.unit, performed_by=caller.id, target="customer", satisfied=content)


def _surveyed(world: World, job: Job, done: datetime, *, content: bool) -> Iterator[Occurrence]:
    sent = done + timedelta(hours=2)
    yield happened(sent, "survey", "sent", job.unit, survey="csat")
    if not world.chance(ANSWERED):
        return
    answered = world.after(sent, median_minutes=60 * 7, spread=1.2)
    yield _answer(world, job, answered, content=content)
    if world.chance(ANSWERED_AGAIN):
        yield _answer(world, job, world.after(answered, median_minutes=60 * 24), content=True)


def _answer(world: World, job: Job, at: datetime, *, content: bool) -> Occurrence:
    label = world.rng.choice(("非常满意", "满意", "满意") if content else ("一般", "一般", "不满意"))
    return happened(at, "survey", "answered", job.unit, survey="csat", label=label)


def _complained(world: World, job: Job, done: datetime) -> Iterator[Occurrence]:
    complaint = world.unit("TS")
    registered = world.after(done, median_minutes=60 * 20)
    yield happened(
        registered, "complaint", "registered", job.unit, source=HEADQUARTERS, complaint=complaint, reason="service"
    )
    if not world.chance(JUDGED):
        return
    upheld = world.chance(UPHELD)
    yield happened(
        world.after(registered, median_minutes=60 * 24 * 4, spread=0.4),
        "complaint",
        "judged",
        job.unit,
        source=HEADQUARTERS,
        complaint=complaint,
        complaint_class=world.rng.choices(list(_COMPLAINT_CLASSES), list(_COMPLAINT_CLASSES.values()))[0],
        upheld=upheld,
        person=world.rng.choice((job.worker, job.representative.id)) if upheld else None,
    )


def _findings(world: World, job: Job, done: datetime) -> Iterator[Occurrence]:
    if world.chance(PROBLEM_FOUND + 0.06 * (1 - job.engineer.care)):
        at = world.at_work(job.representative, done, median_minutes=60 * 20)
        yield finding(job, job.worker, at, "engineer_problem", world.rng.choice(_PROBLEMS))
    if world.chance(FALSE_COMPLETION):
        yield finding(job, job.worker, world.after(done, median_minutes=60 * 48), "false_completion")
    if world.chance(VIOLATION):
        yield finding(job, job.representative.id, world.after(done, median_minutes=60 * 48), "violation")
