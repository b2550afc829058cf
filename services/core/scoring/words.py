"""A text in the two languages of the product."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """The same statement in Chinese and English."""

    zh: str
    en: str
