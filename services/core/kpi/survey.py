"""满意度 (rule 23): of each unit and survey the latest valid answer counts, in its own period, credited when it was given."""

from __future__ import annotations

from dataclasses import dataclass

from services.core.kpi.contribution import Line
from services.core.kpi.definitions import Definitions
from services.core.kpi.event import Event, SurveyFacts
from services.core.kpi.exact import MILLION, millionths


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer that counts for one survey."""

    survey: str
    at_ms: int
    engineer: str
    satisfied: bool


@dataclass(frozen=True, slots=True)
class SurveyState:
    """The counting answers of a unit, one for each survey."""

    answers: tuple[Answer, ...]


def step(
    state: SurveyState | None, event: Event, rated: str, definitions: Definitions, lines: list[Line]
) -> SurveyState | None:
    """A valid answer replaces the earlier one. `rated` = who completed what is rated, "" = unknown."""
    facts = event.facts
    if event.verb != "answered" or not isinstance(facts, SurveyFacts) or not facts.valid:
        return state
    answer = Answer(facts.survey or "", event.time_ms, rated or event.holder(), is_satisfied(facts, definitions))
    others = []
    for earlier in state.answers if state is not None else ():
        if earlier.survey == answer.survey:
            _stand(earlier, -1, lines)
        else:
            others.append(earlier)
    _stand(answer, 1, lines)
    return SurveyState((*others, answer))


def is_satisfied(facts: SurveyFacts, definitions: Definitions) -> bool:
    """Whether an answer is among the declared labels, or its score among those of its scale."""
    if facts.label is not None and facts.label in definitions.satisfied_labels:
        return True
    score = None if facts.score is None else millionths(str(facts.score))
    return score is not None and any(
        facts.scale == scale and score in (good * MILLION for good in scores)
        for scale, scores in definitions.satisfied_scores
    )


def _stand(answer: Answer, n: int, lines: list[Line]) -> None:
    lines.append((answer.engineer, "survey.answered", "", answer.at_ms, answer.at_ms, 1, n))
    if answer.satisfied:
        lines.append((answer.engineer, "survey.satisfied", "", answer.at_ms, answer.at_ms, 1, n))
