"""Places: equal values share the mean of the places they occupy."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING

from services.core.scoring.document import Direction, RankingOfOne, RankProportional

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Place:
    """A place among `n`: `mean` is shared by all who are equal; `first` to `last` are the places they occupy together."""

    first: int
    last: int
    n: int

    @property
    def mean(self) -> Fraction:
        """The mean of the places occupied.

        >>> Place(2, 3, 4).mean
        Fraction(5, 2)
        """
        return Fraction(self.first + self.last, 2)


def places(values: Mapping[str, Fraction], direction: Direction = Direction.HIGHEST_FIRST) -> dict[str, Place]:
    """The place of each person by exact value; nothing but the value decides.

    >>> places({"a": Fraction(2, 3), "b": Fraction(4, 6), "c": Fraction(1)})["a"]
    Place(first=2, last=3, n=3)
    """
    downwards = direction is Direction.HIGHEST_FIRST
    ordered = sorted(values.items(), key=lambda item: (item[1], item[0]), reverse=downwards)
    found: dict[str, Place] = {}
    taken = 0
    for _, group in groupby(ordered, key=lambda item: item[1]):
        members = [person for person, _ in group]
        place = Place(taken + 1, taken + len(members), len(ordered))
        found |= dict.fromkeys(members, place)
        taken += len(members)
    return found


def proportional_points(rule: RankProportional, place: Place) -> Fraction | None:
    """Maximum × (n − place) ÷ (n − 1): first → maximum, last → 0; a ranking of one by its option (None = undefined).

    Source: 000:175 「按排名在[0分,20分]范围内等比例得分」; the closed interval includes 0, ties share (catalogue S01, ambiguities).

    >>> proportional_points(RankProportional(Fraction(20)), Place(2, 3, 4))
    Fraction(10, 1)
    """
    if place.n == 1:
        return rule.maximum if rule.of_one is RankingOfOne.MAX else None
    return rule.maximum * (place.n - place.mean) / (place.n - 1)
