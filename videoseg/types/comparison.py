"""How the candidates of an answer compare: what each is, how it was judged, which were taken.

A grounder that chooses among things it has found may add a ``Comparison`` to its ``Grounding``.
Reports draw its candidates with their numbers and list what was judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from videoseg.errors import ConfigError
from videoseg.text import shorten
from videoseg.types.geometry import Box
from videoseg.types.scalars import (
    optional,
    real_number,
    set_fields,
    text_of,
    whole_number,
    whole_numbers,
)

__all__ = ["Candidate", "Comparison", "Judgement"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Judgement:
    """How one candidate was judged by one part of the query.

    Args:
        words: The part of the query, such as ``red``.
        score: How well the candidate fits it, in [0, 1]; None if the candidates were only put in
            order by it.
        measured: What was measured, in a few words.
    """

    words: str
    score: float | None = None
    measured: str = ""

    def __post_init__(self) -> None:
        what = "of a judgement"
        set_fields(
            self,
            words=text_of(self.words, f"the words {what}"),
            score=optional(real_number, self.score, f"the score {what}"),
            measured=text_of(self.measured, f"what was measured {what}"),
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that was seen and may be what the query asks for.

    Args:
        number: Its number, as the reasoning calls it; different for each candidate.
        frame: A frame that shows it.
        box: Where it is there, in pixels of the source frame.
        judgements: What was judged of it, one for each part of the query.
        object_id: The object of the answer that it became; None if it was not taken.
        label: What a detector calls it, if one has found it.
        verdict: Why it was not taken, in a few words; or by what it was taken.

    Raises:
        ConfigError: If a part is of another type.
    """

    number: int
    frame: int
    box: Box
    judgements: tuple[Judgement, ...] = ()
    object_id: int | None = None
    label: str = ""
    verdict: str = ""

    def __post_init__(self) -> None:
        what = "of a candidate"
        set_fields(
            self,
            number=whole_number(self.number, f"the number {what}", least=0),
            frame=whole_number(self.frame, f"the frame {what}", least=0),
            judgements=_all_of(Judgement, self.judgements, f"the judgements {what}"),
            object_id=optional(whole_number, self.object_id, f"the object {what}", least=1),
            label=text_of(self.label, f"the label {what}"),
            verdict=text_of(self.verdict, f"the verdict {what}"),
        )
        if not isinstance(self.box, Box):
            raise ConfigError(f"the box {what} must be a Box, got {shorten(self.box)}")


@dataclass(frozen=True, slots=True)
class Comparison:
    """The candidates that a grounder chose among.

    Args:
        candidates: The candidates, those taken among them; empty if nothing was seen.
        frames: The frames that were searched for them.
        decision: How it was decided between several that fit, in a sentence; empty if only those
            that were taken fit.

    Raises:
        ConfigError: If two candidates have one number, or a part is of another type.

    Example:
        >>> seen = Candidate(2, frame=8, box=Box(10, 20, 40, 60), object_id=1)
        >>> [one.number for one in Comparison((seen,), frames=(0, 8, 16)).taken]
        [2]
    """

    candidates: tuple[Candidate, ...] = ()
    frames: tuple[int, ...] = ()
    decision: str = ""

    def __post_init__(self) -> None:
        what = "of a comparison"
        set_fields(
            self,
            candidates=_all_of(Candidate, self.candidates, f"the candidates {what}"),
            frames=whole_numbers(self.frames, f"the frames {what}"),
            decision=text_of(self.decision, f"the decision {what}"),
        )
        numbers = [candidate.number for candidate in self.candidates]
        if twice := sorted({number for number in numbers if numbers.count(number) > 1}):
            raise ConfigError(f"two candidates have the number {twice[0]}; numbers must differ")

    @property
    def taken(self) -> tuple[Candidate, ...]:
        """The candidates that became objects of the answer."""
        return tuple(one for one in self.candidates if one.object_id is not None)

    @property
    def tells_why(self) -> bool:
        """Whether it says by what was chosen, so that it can stand for the reasoning."""
        return bool(self.candidates) and bool(self.words or self.decision)

    @property
    def words(self) -> tuple[str, ...]:
        """The parts of the query by which candidates were judged, each once, in order."""
        return tuple(
            dict.fromkeys(item.words for one in self.candidates for item in one.judgements)
        )


def _all_of(kind: type[_T], given: Any, what: str) -> tuple[_T, ...]:
    parts = tuple(given) if isinstance(given, Iterable) else (given,)
    for part in parts:
        if not isinstance(part, kind):
            raise ConfigError(f"{what} must be a sequence of {kind.__name__}, got {shorten(part)}")
    return parts
