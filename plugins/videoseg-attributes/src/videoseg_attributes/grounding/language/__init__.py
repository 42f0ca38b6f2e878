"""From a sentence to what can be judged of it."""

from videoseg_attributes.grounding.language.parser import parse_query, spoken_span
from videoseg_attributes.grounding.language.plan import (
    ColorIs,
    ColorWord,
    Constraint,
    EventIs,
    MotionIs,
    NounPhrase,
    Number,
    Phases,
    PositionIs,
    QueryPlan,
    Ranking,
    RelationIs,
    SizeIs,
    Unjudged,
    When,
)

__all__ = [
    "ColorIs",
    "ColorWord",
    "Constraint",
    "EventIs",
    "MotionIs",
    "NounPhrase",
    "Number",
    "Phases",
    "PositionIs",
    "QueryPlan",
    "Ranking",
    "RelationIs",
    "SizeIs",
    "Unjudged",
    "When",
    "parse_query",
    "spoken_span",
]
