"""A small grammar of descriptions: a query becomes a plan of constraints and rankings."""

from videoseg_attributes.grounding.language.descriptions import ASKS_HOW_MANY
from videoseg_attributes.grounding.language.nouns import KnownNouns, list_names
from videoseg_attributes.grounding.language.parser import parse_query, spoken_span
from videoseg_attributes.grounding.language.plan import (
    ColorIs,
    ColorWord,
    Constraint,
    EventIs,
    IgnoredWords,
    MotionIs,
    NameIs,
    NounPhrase,
    Number,
    Phases,
    PositionIs,
    QueryPlan,
    Ranking,
    RelationIs,
    SizeIs,
    When,
)
from videoseg_attributes.grounding.language.tokens import MAX_WORDS

__all__ = [
    "ASKS_HOW_MANY",
    "MAX_WORDS",
    "ColorIs",
    "ColorWord",
    "Constraint",
    "EventIs",
    "IgnoredWords",
    "KnownNouns",
    "MotionIs",
    "NameIs",
    "NounPhrase",
    "Number",
    "Phases",
    "PositionIs",
    "QueryPlan",
    "Ranking",
    "RelationIs",
    "SizeIs",
    "When",
    "list_names",
    "parse_query",
    "spoken_span",
]
