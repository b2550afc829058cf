"""What an evaluation yields: for each person the figures, the lines and what they add up to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from services.core.scoring.document import Scheme
from services.core.scoring.figures import Figure
from services.core.scoring.period import Month
from services.core.scoring.ranking import Place
from services.core.scoring.rankpay import Money
from services.core.scoring.totals import Total
from services.core.scoring.trace import Line
from services.core.scoring.words import Words


class Status(StrEnum):
    """Definitions 29: only scored people have places and money."""

    SCORED = "scored"
    NOT_APPRAISED = "not_appraised"
    NOT_COMPUTABLE = "not_computable"


@dataclass(frozen=True, slots=True)
class Item:
    """One criterion of one person: the figure, the place in its ranking where it has one, and the points.

    `ranked` = how many are ranked in the person's branch, whether or not the person is one of them; None where nobody is.
    """

    criterion: str
    figure: Figure
    place: Place | None
    ranked: int | None
    points: Fraction | None
    newcomer_default: bool = False


@dataclass(frozen=True, slots=True)
class PersonScore:
    """A person's score: `total` = the sum of `lines`, None unless scored. Ids are surrogates; names stay in the roster."""

    person: str
    branch: str
    status: Status
    reason: Words | None
    newcomer: bool
    regions: tuple[str, ...]
    items: tuple[Item, ...]
    lines: tuple[Line, ...]
    subtotal: Fraction | None
    deducted: Fraction | None
    before_veto: Fraction | None
    veto: str | None
    total: Fraction | None
    place: Place | None
    money: Money | None


@dataclass(frozen=True, slots=True)
class ScoreSet:
    """The scores of a population in order of person id, and the totals that no roster record explains."""

    scheme: Scheme
    period: Month
    people: tuple[PersonScore, ...]
    unattributed: tuple[Total, ...]

    def person(self, person: str) -> PersonScore:
        """The score of one person. KeyError when not in the population."""
        for score in self.people:
            if score.person == person:
                return score
        raise KeyError(person)

    def not_computable(self) -> tuple[PersonScore, ...]:
        """The people who block a freeze until supplied or excused."""
        return tuple(score for score in self.people if score.status is Status.NOT_COMPUTABLE)
