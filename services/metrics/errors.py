"""What stops a metrics worker. The docstring is the default message; `exit_code` tells the supervisor how to go on."""

from __future__ import annotations

import inspect
from typing import ClassVar

EXIT_BROKEN = 70  # restart at once: the next process reads the truth from PostgreSQL again
EXIT_UNAVAILABLE = 75  # restart, backing off: something we need is away
EXIT_HALTED = 78  # a person has to decide: restarting changes nothing


class MetricsError(Exception):
    """The worker cannot go on."""

    exit_code: ClassVar[int] = EXIT_BROKEN

    def __init__(self, detail: str = "") -> None:
        message = inspect.cleandoc(type(self).__doc__ or "").rstrip(".")
        super().__init__(f"{message}: {detail}" if detail else message)


class InvariantBroken(MetricsError):  # noqa: N818 - the condition is its name
    """What was read contradicts what must always hold."""


class Hole(InvariantBroken):
    """A batch begins above the stored position: records between were never seen."""


class Stalled(MetricsError):  # noqa: N818 - the condition is its name
    """Records are waiting and the position does not move."""


class Unavailable(MetricsError):  # noqa: N818 - the condition is its name
    """A server that the worker needs is away."""

    exit_code = EXIT_UNAVAILABLE


class DatabaseUnavailable(Unavailable):
    """PostgreSQL did not answer within the bounded retries."""


class BrokerUnavailable(Unavailable):
    """Kafka did not answer within the bounded retries."""


class TopicsUnavailable(Unavailable):
    """The input topics are not there as they are declared."""


class Halted(MetricsError):  # noqa: N818 - the condition is its name
    """Something is wrong that only a person can settle."""

    exit_code = EXIT_HALTED


class SettingsRefused(Halted):
    """The settings ask for what this worker must not do."""


class PartitionsRefused(Halted):
    """A topic has another number of partitions than this worker counts with: every shard would be another."""


class LogExpired(Halted):
    """Kafka has deleted records that were never counted: the log starts above the stored position."""


class TopicRecreated(Halted):
    """The topic is not the one that was read before: it was deleted and made anew."""


class LogCut(TopicRecreated):
    """The log ends below the stored position: the topic was made anew, or a broker lost what it had acknowledged."""


class WorkerOutdated(Halted):
    """A newer core has written to this shard: this release may not write to it any more."""
