"""What a description was resolved to, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeAlias

from videoseg_attributes.grounding.language import (
    Constraint,
    EventIs,
    MotionIs,
    NounPhrase,
    Phases,
    QueryPlan,
    Ranking,
)
from videoseg_attributes.grounding.measurements import MeasuredCandidate

__all__ = [
    "QUESTION_CONFIDENCE",
    "Aspect",
    "Choice",
    "Observation",
    "Resolution",
    "Resolve",
    "classify",
    "doubt_question",
]

QUESTION_CONFIDENCE = 0.3
"""Factor of an answer to what asks for no object, or of which no word was understood. Set by hand;
not measured separately."""

Aspect: TypeAlias = Literal["temporal", "spatial", "linguistic"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate that a description refers to.

    Args:
        candidate: The candidate.
        score: How well it matches, in [0, 1]: the product of its constraints' scores.
        words: Which of several descriptions it is, such as "the dog" of "the dog and the cat";
            empty if there is only one.
    """

    candidate: MeasuredCandidate
    score: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """One statement about the candidates, and the kind of reasoning it belongs to.

    Args:
        aspect: The kind of reasoning.
        text: The statement.
        words: The part of the query that it judges; empty if it judges none.
        scores: By candidate id, how well each fits, in [0, 1]. Without ``words``: by what they
            were ordered.
        measured: By candidate id, what was measured of each.
    """

    aspect: Aspect
    text: str
    words: str = ""
    scores: Mapping[int, float] = field(default_factory=dict)
    measured: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolution:
    """The candidates a description refers to, and why.

    Args:
        choices: The candidates, best first; empty if none matches.
        observations: What was measured, one statement each, in order.
        doubtful: Whether the choice matches only barely.
        enough: Whether there are as many choices as the description asks for.
        reason: Why no candidate matches; empty if one does.
        missing: Of several descriptions ("the dog and the cat") those that nothing matches.
        ran_out: Whether fewer objects were seen than the description, or one within it, counts
            through ("the sixth from the left"); there may be more than were seen.
    """

    choices: tuple[Choice, ...]
    observations: list[Observation] = field(default_factory=list)
    doubtful: bool = False
    enough: bool = True
    reason: str = ""
    ran_out: bool = False
    missing: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether everything that the description asks for was found."""
        return self.enough and not self.missing

    @property
    def candidates(self) -> tuple[MeasuredCandidate, ...]:
        """The chosen candidates."""
        return tuple(choice.candidate for choice in self.choices)


class Resolve(Protocol):
    """Resolves a description that stands within another one."""

    def __call__(self, phrase: NounPhrase, *, without: frozenset[int] = frozenset()) -> Resolution:
        """Return the candidates that the description refers to, leaving some out by id."""


def classify(item: Constraint | Ranking) -> Aspect:
    """Return which kind of reasoning a part of a query belongs to."""
    timed = isinstance(item, (EventIs, MotionIs, Phases)) or item.when is not None
    if isinstance(item, Ranking):
        timed = timed or item.key in (
            "speed", "activity", "travel", "appears", "leaves", "returns", "starts", "stops",
            "duration", "growing",
        )  # fmt: skip
    return "temporal" if timed else "spatial"


def doubt_question(plan: QueryPlan, choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """Return choices with lower scores if the query asks for no object: none is its answer."""
    factor = QUESTION_CONFIDENCE if plan.objection else 1.0
    return tuple(replace(choice, score=factor * choice.score) for choice in choices)
