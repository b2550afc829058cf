"""满意度: a question asked and its answer."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, with_config

from schemas.definition import DATA, Acts, EventType
from schemas.values import Label, Number, Reference


@with_config(DATA)
class SurveyData(Acts, total=False):
    """Facts of a survey: an answer carries a label, or a score with its scale."""

    survey: Annotated[Label, Field(description="Which survey: one answer a unit and survey counts.")]
    label: Annotated[Label, Field(description="非常满意, 满意, 一般, 不满意 …")]
    score: Number
    scale: Annotated[Label, Field(description="1-5, 0-10 or label.")]
    valid: Annotated[bool, Field(description="Whether the answer counts. Default true.")]
    about: Annotated[
        Literal["person", "department", "engineer", "ticket", "dispatch", "call"], Field(description="What is rated.")
    ]
    respondent: Reference
    channel: Label


EVENTS: Final = (
    EventType("survey", "sent", "发出调查", "The question was asked.", SurveyData),
    EventType("survey", "answered", "客户评价", "The question was answered.", SurveyData),
)
