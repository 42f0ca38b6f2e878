"""Finds the words of a query that the parser read but could not place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from videoseg_attributes.grounding.language.plan import IgnoredWords, Phases, QueryPlan
from videoseg_attributes.grounding.language.references import NOT_MEASURED
from videoseg_attributes.grounding.language.tokens import Token

__all__ = ["find_dropped"]

_JUDGEABLE = frozenset(
    {
        *("color", "shade", "size", "superlative", "comparative", "place", "ranked place"),
        *("motion", "direction", "event", "relation", "part", "ordinal"),
    }
)
_ODD_SIGNS = re.compile(r"[^\w\s,;.!?:()&'\"\u2018-\u201f\u2026\u2010-\u2015\-/%]+")
_LONGEST_SIGN, _MOST_DROPPED = 20, 10
_DROPPED = "its place in the sentence is not understood"


def find_dropped(plan: QueryPlan, tokens: Sequence[Token]) -> list[IgnoredWords]:
    """Return the words that could be judged but found no place in the plan, and odd signs."""
    listed = [*plan.used_words, *(item.words for item in plan.ignored)]
    told = f" {' '.join(' '.join(listed).replace(',', ' ').split())} "
    in_steps = any(isinstance(item, Phases) for item in plan.target.constraints)
    dropped: dict[str, IgnoredWords] = {}
    for token in tokens:
        # "first moves left, then right": the steps say it.
        judgeable = token.kind in _JUDGEABLE and not (in_steps and token.kind == "ordinal")
        if judgeable and f" {token.words} " not in told:
            dropped.setdefault(token.words, IgnoredWords(token.words, _DROPPED))
    kinds = {token.kind for token in tokens}
    if "or" in kinds and " or " not in told and not kinds & {"not", "without", "except"}:
        dropped["or"] = IgnoredWords("or", "alternatives are understood of colors only")
    group = plan.target.within
    if plan.target.rest or (group is not None and group.rest):
        others = next(token.words for token in tokens if token.kind == "rest")
        dropped[others] = IgnoredWords(others, "it is not said other than which")
    for sign in _ODD_SIGNS.findall(plan.text):
        dropped.setdefault(sign, IgnoredWords(sign[:_LONGEST_SIGN], NOT_MEASURED))
    return list(dropped.values())[:_MOST_DROPPED]
