"""Histories as service desks make them: tickets and dispatch orders with follow-ups, surveys, complaints and corrections.

Seeded: the same seed tells the same stories. Each story is the events of one case, in the order of their times.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

CloudEvent = dict[str, Any]

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
SHANGHAI: Final = timezone(timedelta(hours=8))
ORDER_TYPES: Final = ("上门维修", "上门安装", "上门调试", "用户机内修")


def stamp(time_ms: int, *, local: bool = False) -> str:
    """RFC 3339 with milliseconds, in UTC or with Shanghai's offset."""
    seconds, ms = divmod(time_ms, 1000)
    instant = datetime.fromtimestamp(seconds, SHANGHAI if local else UTC)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{ms:03d}{'+08:00' if local else 'Z'}"


@dataclass(slots=True)
class Story:
    """The events of one case as they are told, one after the other."""

    chance: random.Random
    source: str
    unit: str
    time_ms: int
    events: list[CloudEvent] = field(default_factory=list)

    def tell(self, family: str, verb: str, within_ms: int = 0, **data: Any) -> CloudEvent:
        """Add an event up to `within_ms` after the one before; at the same instant the sequence decides their order."""
        step = self.chance.randrange(within_ms) if within_ms else 0
        self.time_ms += step
        event: CloudEvent = {
            "specversion": "1.0",
            # Two sources use the same ids for different events: only source and id together are an identity.
            "id": f"{self.unit[3:]}-{len(self.events)}",
            "source": self.source,
            "type": f"kaohe.{family}.{verb}.v1",
            "subject": self.unit,
            "partitionkey": self.unit,
            "time": stamp(self.time_ms, local=self.chance.random() < 0.5),
            "datacontenttype": "application/json",
            "data": data,
        }
        if not step:
            event["sequence"] = str(len(self.events))
        self.events.append(event)
        return event

    def correct(self, verb: str, target: CloudEvent, **data: Any) -> CloudEvent:
        """Add a correction of an event, some hours later."""
        event = self.tell("event", verb, 30 * HOUR_MS, target=target["id"], **data)
        del event["subject"]
        return event


def ticket(story: Story, staff: Sequence[str]) -> None:
    """受理单: queue, assignment, answers, pauses, hand-overs, resolution, now and then a reopen."""
    chance = story.chance
    holder = chance.choice(staff)
    story.tell("ticket", "opened", queue=f"队列{chance.randrange(4)}", channel="phone", priority="normal")
    story.tell("ticket", "assigned", 40 * MINUTE_MS, engineer=holder)
    if chance.random() < 0.3:
        story.tell("ticket", "messaged", 30 * MINUTE_MS, actor="customer")
    if chance.random() < 0.2:
        holder = chance.choice(staff)
        story.tell("ticket", "assigned", 50 * MINUTE_MS, engineer=holder)
    story.tell("ticket", "replied", 90 * MINUTE_MS, engineer=holder, public=chance.random() < 0.9)
    if chance.random() < 0.3:
        story.tell("ticket", "paused", 60 * MINUTE_MS, reason="customer")
        story.tell("ticket", "resumed", DAY_MS)
    if chance.random() < 0.85:
        story.tell("ticket", "resolved", 8 * HOUR_MS, engineer=holder)
        if chance.random() < 0.15:
            story.tell("ticket", "reopened", 2 * DAY_MS, reason="customer")
            story.tell("ticket", "resolved", 5 * HOUR_MS, engineer=holder)
        story.tell("ticket", "closed", DAY_MS)


def dispatch(story: Story, staff: Sequence[str]) -> None:
    """派工单: from acceptance to completion, with its follow-up, survey and complaint in the same case."""
    chance = story.chance
    clerk, engineer = chance.choice(staff), chance.choice(staff)
    story.tell("dispatch", "accepted", order_type=chance.choice(ORDER_TYPES), region="园区", performed_by=clerk)
    story.tell("dispatch", "dispatched", 3 * HOUR_MS, engineer=engineer, performed_by=clerk)
    if chance.random() < 0.3:
        agreed = stamp(story.time_ms + chance.randrange(6) * DAY_MS, local=True)[:10]
        reason = chance.choice(("customer", "company", "parts"))
        story.tell("dispatch", "rescheduled", 5 * HOUR_MS, engineer=engineer, reason=reason, agreed=agreed)
    if chance.random() < 0.15:
        engineer = chance.choice(staff)
        story.tell("dispatch", "dispatched", DAY_MS, engineer=engineer, performed_by=clerk)
    if chance.random() < 0.1:
        story.tell("dispatch", "cancelled", 9 * DAY_MS, reason="customer")
        return
    if chance.random() < 0.1:
        return
    story.tell("dispatch", "arrived", chance.choice((1, 1, 3, 9)) * DAY_MS, engineer=engineer)
    story.tell("dispatch", "completed", 3 * HOUR_MS, engineer=engineer)
    story.tell("dispatch", "reported", engineer=engineer, performed_by=clerk)
    _aftercare(story, clerk, engineer)


def _aftercare(story: Story, clerk: str, engineer: str) -> None:
    chance = story.chance
    if chance.random() < 0.7:
        satisfied = chance.random() < 0.8
        story.tell("followup", "done", 3 * DAY_MS, performed_by=clerk, target="customer", satisfied=satisfied)
    if chance.random() < 0.4:
        story.tell("survey", "answered", DAY_MS, survey="visit", label=chance.choice(("满意", "一般", "非常满意")))
    if chance.random() < 0.1:
        story.tell("dispatch", "reopened", 2 * DAY_MS, reason="customer")
        story.tell("dispatch", "completed", DAY_MS, engineer=engineer)
    if chance.random() < 0.05:
        story.tell("complaint", "registered", DAY_MS, complaint="c1", complaint_class="general", person=engineer)
        story.tell(
            "complaint", "judged", DAY_MS, complaint="c1", complaint_class="general", upheld=True, person=engineer
        )


def corrected(story: Story, staff: Sequence[str]) -> None:
    """Amend or withdraw events of the story; now and then withdraw the correction again."""
    chance = story.chance
    target = chance.choice(story.events)
    match chance.randrange(4):
        case 0:
            earlier = story.time_ms - chance.randrange(2 * DAY_MS)
            made = story.correct("amended", target, changes={"time": stamp(earlier)}, reason="typed wrong")
        case 1:
            made = story.correct("amended", target, changes={"engineer": chance.choice(staff)})
        case 2:
            made = story.correct("withdrawn", target, reason="never happened")
        case _:
            made = story.correct("amended", target, changes={"time": stamp(story.time_ms), "engineer": staff[0]})
    if chance.random() < 0.3:
        story.correct("withdrawn", made)


KINDS: Final[Sequence[tuple[str, str, Callable[[Story, Sequence[str]], None]]]] = (
    ("crm", "TK", ticket),
    ("dispatch-system", "PG", dispatch),
)


def histories(count: int, chance: random.Random, *, now_ms: int, people: int = 80, days: int = 25) -> list[CloudEvent]:
    """At least `count` distinct events of whole stories that begin in the `days` before now, story after story."""
    staff = [f"E{number:03d}" for number in range(people)]
    events: list[CloudEvent] = []
    told = dict.fromkeys(KINDS, 0)
    while len(events) < count:
        source, prefix, kind = sort = KINDS[chance.randrange(len(KINDS))]
        # The square leaves most stories near now, where buckets are hours.
        begun = now_ms - int(days * DAY_MS * chance.random() ** 2)
        story = Story(chance, source, f"{prefix}-{told[sort]:06d}", begun)
        kind(story, staff)
        if chance.random() < 0.12:
            corrected(story, staff)
        events.extend(story.events)
        told[sort] += 1
    return events
