"""What producers do to us: events of real histories, late, repeated, contradicted, poisoned, in the wrong partition.

A load is cut into rounds. Everything of a round is acknowledged by the broker before the next round begins, so a conflict,
which comes at least one round after its original, is second in the log for certain.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import orjson

from schemas.wire import STRUCTURED_HEADERS
from services.runtime.partition import shard_of
from tests.chaos.audit import Sent
from tests.chaos.histories import DAY_MS, HOUR_MS, MINUTE_MS, CloudEvent

Headers = tuple[tuple[str, bytes], ...]


class Channel(Enum):
    """Who sends a record, and to which topic."""

    PLAIN = "plain producer, main topic"
    TRANSACTIONAL = "transactional producer, main topic"
    SECOND = "plain producer, second topic"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record to be."""

    channel: Channel
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = STRUCTURED_HEADERS


@dataclass(frozen=True, slots=True)
class Mix:
    """How much of everything: shares of all events."""

    second_topic: float = 0.3
    transactional: float = 0.2
    duplicates: float = 0.05
    late: float = 0.1
    very_late: float = 0.03
    burst: float = 0.3  # a story that a source delivers at once
    conflicts: float = 0.003
    poison: float = 0.004
    misrouted: float = 0.004


@dataclass(frozen=True, slots=True)
class Load:
    """Rounds of deliveries, and what the books must hold after them."""

    rounds: Sequence[Sequence[Delivery]]
    sent: Sent

    @property
    def records(self) -> int:
        """Number of deliveries."""
        return sum(len(round_) for round_ in self.rounds)


POISON: Final[Sequence[bytes]] = (
    b"not json %d",
    b'{"specversion": "1.0", "id": "p%d"}',
    b'["a list", %d]',
    b'{"specversion":"1.0","id":"p%d","source":"crm","type":"kaohe.ticket.vanished.v1","subject":"T","partitionkey":"T","time":"2026-10-08T09:00:00Z","data":{}}',
    b'{"specversion":"1.0","id":"p%d","source":"crm","type":"kaohe.ticket.opened.v9","subject":"T","partitionkey":"T","time":"2026-10-08T09:00:00Z","data":{}}',
    b'{"specversion":"1.0","id":"p%d","source":"crm","type":"kaohe.ticket.opened.v1","subject":"T","partitionkey":"T","time":"2026-10-08T09:00:00","data":{}}',
    b'{"specversion":"1.0","id":"p%d\\u0000","source":"crm","type":"kaohe.ticket.opened.v1","subject":"T","partitionkey":"T","time":"2026-10-08T09:00:00Z","data":{}}',
    b"\xff\xfe %d",
)


def make_load(
    events: Sequence[CloudEvent], chance: random.Random, *, partitions: int, per_round: int, mix: Mix | None = None
) -> Load:
    """Spread events over rounds of about `per_round` records."""
    plan = _Plan(chance, partitions, mix or Mix())
    for event in events:
        plan.add(event)
    return Load(plan.rounds(per_round), plan.sent)


class _Plan:
    """Deliveries with the instant (of event time) at which they arrive; sorted by it at the end."""

    def __init__(self, chance: random.Random, partitions: int, mix: Mix) -> None:
        self.sent = Sent()
        self._chance = chance
        self._partitions = partitions
        self._mix = mix
        self._arrivals: list[tuple[float, Delivery]] = []
        self._contradictions: list[tuple[float, Delivery]] = []
        self._burst: dict[str, float] = {}
        self._poisons = 0

    def add(self, event: CloudEvent) -> None:
        """Plan the deliveries of an event and what goes wrong around it."""
        self.sent.add(event)
        chance, mix = self._chance, self._mix
        at = self._arrival(event)
        if chance.random() < mix.conflicts:
            self._contradict(event, at)
            return
        if chance.random() < mix.misrouted:
            self._arrivals.append((at, self._astray(event)))
        else:
            self._arrivals.append((at, self._delivery(event, self._channel())))
        if chance.random() < mix.duplicates:
            again = at + chance.choice((0.0, MINUTE_MS, DAY_MS, 20 * DAY_MS)) * chance.random()
            self._arrivals.append((again, self._delivery(event, self._channel())))
        if chance.random() < mix.poison:
            self._arrivals.append((at, self._poison()))

    def rounds(self, per_round: int) -> list[list[Delivery]]:
        """All deliveries in the order of their arrival; a contradiction at least a round after its original."""
        self._arrivals.sort(key=lambda arrival: arrival[0])
        count = -(-len(self._arrivals) // per_round)
        cut = [[delivery for _, delivery in self._arrivals[i * per_round : (i + 1) * per_round]] for i in range(count)]
        ends = [self._arrivals[min((i + 1) * per_round, len(self._arrivals)) - 1][0] for i in range(count)]
        cut.append([])
        for at, delivery in self._contradictions:
            original = next(index for index, end in enumerate(ends) if at <= end)
            # Equal instants may be cut apart: one round more is certain.
            cut[min(original + 2, count)].append(delivery)
        if len(cut) > 1 and not cut[-1]:
            cut.pop()
        return cut

    def _arrival(self, event: CloudEvent) -> float:
        chance, mix = self._chance, self._mix
        from schemas.instants import epoch_ms

        at = float(epoch_ms(event["time"]))
        case = event["partitionkey"]
        if case not in self._burst:
            self._burst[case] = at + DAY_MS if chance.random() < mix.burst else 0.0
        if self._burst[case]:
            return self._burst[case] + chance.random() * MINUTE_MS
        dice = chance.random()
        if dice < mix.very_late:
            return at + 20 * DAY_MS * chance.random()
        if dice < mix.very_late + mix.late:
            return at + 6 * HOUR_MS * chance.random()
        return at + MINUTE_MS * chance.random()

    def _channel(self) -> Channel:
        dice = self._chance.random()
        if dice < self._mix.second_topic:
            return Channel.SECOND
        return Channel.TRANSACTIONAL if dice < self._mix.second_topic + self._mix.transactional else Channel.PLAIN

    def _delivery(self, event: CloudEvent, channel: Channel) -> Delivery:
        key = event["partitionkey"]
        return Delivery(channel, shard_of(key, self._partitions), key.encode(), orjson.dumps(event))

    def _contradict(self, event: CloudEvent, at: float) -> None:
        other = {**event, "data": {**event["data"], "customer": "somebody else"}}
        if event["type"].startswith("kaohe.event."):
            other = {**event, "data": {**event["data"], "reason": "something else"}}
        self.sent.add(other)
        self._arrivals.append((at, self._delivery(event, Channel.PLAIN)))
        self._contradictions.append((at, self._delivery(other, Channel.PLAIN)))

    def _astray(self, event: CloudEvent) -> Delivery:
        """A producer with another partitioner than Java's."""
        right = self._delivery(event, Channel.PLAIN if self._chance.random() < 0.6 else Channel.SECOND)
        wrong = (right.partition + self._chance.randrange(1, self._partitions)) % self._partitions
        return Delivery(right.channel, wrong, right.key, right.value)

    def _poison(self) -> Delivery:
        self._poisons += 1
        kind = self._chance.randrange(len(POISON) + 2)
        partition = self._chance.randrange(self._partitions)
        value: bytes | None = POISON[kind] % self._poisons if kind < len(POISON) else None
        if kind == len(POISON):
            value = b'{"deep":' * 40 + b"%d" % self._poisons + b"}" * 40
        self.sent.poison.append(value)
        return Delivery(Channel.PLAIN, partition, b"poison", value)


def ghosts(chance: random.Random, count: int, partitions: int, name: str) -> Iterator[Delivery]:
    """Events of a transaction that will be aborted: whoever counts one of them reads uncommitted records."""
    for number in range(count):
        unit = f"GHOST-{name}-{number}"
        event = {
            "specversion": "1.0",
            "id": unit,
            "source": "crm",
            "type": "kaohe.ticket.opened.v1",
            "subject": unit,
            "partitionkey": unit,
            "time": "2026-10-08T09:00:00Z",
            "data": {"engineer": f"E{chance.randrange(80):03d}"},
        }
        yield Delivery(Channel.TRANSACTIONAL, shard_of(unit, partitions), unit.encode(), orjson.dumps(event))
