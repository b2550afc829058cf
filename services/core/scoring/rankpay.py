"""Money by place: the first places are rewarded, the last ones fined; tied people share what their places earn together."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from services.core.scoring.exact import half_up
from services.core.scoring.words import Words

if TYPE_CHECKING:
    from services.core.scoring.document import RankPay
    from services.core.scoring.ranking import Place

CENTS = 2


@dataclass(frozen=True, slots=True)
class Money:
    """What a place earns and what is proposed to be paid, rounded half up to cents; `remark` says why they differ."""

    place_amount: Decimal | None
    proposed: Decimal
    remark: str | None
    words: Words | None


def money_for(pay: RankPay, place: Place, *, newcomer: bool) -> Money:
    """The proposal for one place. Source: 000:177, readings B15.

    Fewer ranked people than `minimum_population`: no money. All tied: nothing. A newcomer keeps the place, a fine falls away and is not
    passed on to the next one.
    """
    zero = half_up(Fraction(0), CENTS)
    if place.n < pay.minimum_population:
        remark = f"min_population: {place.n} ranked, {pay.minimum_population} needed"
        words = Words(f"参加排名 {place.n} 人,不足 {pay.minimum_population} 人,不计奖罚", f"no money: {remark}")
        return Money(None, zero, remark, words)
    if (place.first, place.last) == (1, place.n):
        return Money(zero, zero, "all_tied", Words("全部并列,不计奖罚", "no money: all places are tied"))
    amount = sum((_amount(pay, number, place.n) for number in range(place.first, place.last + 1)), Fraction(0))
    share = half_up(amount / (place.last - place.first + 1), CENTS)
    if newcomer and share < 0 and not pay.newcomer_fined:
        return Money(
            share,
            zero,
            "newcomer_fined: no",
            Words("首月不罚款,名次保留", "a newcomer is not fined in the first month"),
        )
    return Money(share, share, None, None)


def _amount(pay: RankPay, place: int, n: int) -> Fraction:
    from_top = pay.top[place - 1] if place <= len(pay.top) else Fraction(0)
    from_bottom = pay.bottom[n - place] if n - place < len(pay.bottom) else Fraction(0)
    return from_top - from_bottom
