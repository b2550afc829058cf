"""Evaluating a scheme over the journal below a cut. The freeze and its verification compute by the same lines.

Figures are summed page by page; the evaluation itself runs in a thread, so that the event loop goes on answering.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

import asyncpg

from services.core.roster import Roster
from services.core.scoring.canonical import Section, indicator_rows, line_rows, person_rows
from services.core.scoring.document import Scheme
from services.core.scoring.evaluate import population_of, score
from services.core.scoring.evidence import Evidence, EvidenceOfShard
from services.core.scoring.gathering import Gathering, Selection, View
from services.core.scoring.needs import needs_of
from services.core.scoring.period import Month
from services.core.scoring.result import ScoreSet
from services.store import freezing


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that a score set is a function of, apart from the journal itself. `branch` None = every branch."""

    scheme: Scheme
    period: Month
    branch: str | None
    view: View
    zone: str
    roster: Roster
    parameters: Mapping[str, Mapping[str, Fraction]]
    cutoff: Mapping[int, int]

    @property
    def population(self) -> tuple[str, ...]:
        """The people to score."""
        return population_of(self.scheme, self.roster, self.branch, self.period)

    @property
    def selection(self) -> Selection:
        """The postings that enter the score."""
        return Selection.of(needs_of(self.scheme), self.period, self.zone, self.view)


async def evaluate(pool: asyncpg.Pool, question: Question) -> ScoreSet:
    """Score the population. Raises ParameterMissingError, PriceMissingError."""
    selection = question.selection
    gathering = Gathering(selection)
    for shard, below in sorted(question.cutoff.items()):
        async for page in freezing.postings(pool, shard, below, selection):
            for posting in page:
                gathering.add(posting)
    return await asyncio.to_thread(
        lambda: score(
            question.scheme,
            question.population,
            gathering.totals(),
            gathering.occurrences(),
            question.roster,
            period=question.period,
            parameters=question.parameters,
        )
    )


async def evidence(pool: asyncpg.Pool, question: Question) -> AsyncIterator[list[Evidence]]:
    """The evidence shard by shard: memory is bounded by one shard's postings of the period."""
    selection, population = question.selection, question.population
    for shard, below in sorted(question.cutoff.items()):
        collected = EvidenceOfShard(question.scheme, population, question.roster, selection)
        async for page in freezing.postings(pool, shard, below, selection):
            for posting in page:
                collected.add(posting)
        yield collected.rows()


def section(rows: Sequence[Any]) -> Section:
    """The hash of rows of one kind, in their order."""
    return Section().extend(as_values(row) for row in rows)


def as_values(row: Any) -> list[Any]:
    """A row as the hash sees it: the values of its fields in their order."""
    return [getattr(row, field.name) for field in fields(row)]


@dataclass(frozen=True, slots=True)
class Rows:
    """A score set in its frozen form, evidence aside."""

    people: Sequence[Any]
    lines: Sequence[Any]
    indicators: Sequence[Any]

    @classmethod
    def of(cls, scores: ScoreSet) -> Rows:
        """The rows of a score set."""
        return cls(list(person_rows(scores)), list(line_rows(scores)), list(indicator_rows(scores)))

    def sections(self) -> dict[str, dict[str, Any]]:
        """Rows and hash of each kind."""
        return {
            "people": section(self.people).seal(),
            "lines": section(self.lines).seal(),
            "indicators": section(self.indicators).seal(),
        }
