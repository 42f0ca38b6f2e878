"""The thinking budget: a rating of the task's difficulty, and the tokens for it."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videoseg import ChatModel
from videoseg.types import MessagePart
from videoseg_r1.parsing.json_text import read_values
from videoseg_r1.parsing.times import strip_reasoning
from videoseg_r1.prompts import PromptTemplate
from videoseg_r1.questions import ask_about

__all__ = ["AXES", "Difficulty", "parse_difficulty", "rate_difficulty", "token_budget"]

AXES: tuple[str, ...] = (
    "scene_complexity",
    "segmentation_challenge",
    "temporal_ambiguity",
    "motion_complexity",
    "linguistic_ambiguity",
)
"""The axes of difficulty (arXiv 2511.16077, section on the length penalty)."""

_SCALE = re.compile(r"(\d)\s{0,3}(?:/|(?:out\s)?of\b)\s{0,3}10(?:\.0)?\b(?!\.\d)", re.IGNORECASE)
_SEPARATOR = re.compile(r"[\s_-]+")
_NUMBER = re.compile(r"-?\d{1,9}(?:\.\d{1,9})?")
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
# "four" and "medium: four", but not "one of the hardest".
_WORD = re.compile(rf"(?:^|:)\W{{0,5}}({'|'.join(_WORDS)})\W{{0,5}}$", re.IGNORECASE)
_LINE = re.compile(
    rf"(?P<axis>{'|'.join(axis.replace('_', '[ _-]') for axis in AXES)})"
    r"[\"'*\s]{0,4}[:=\u2013-][\"'*\s]{0,4}(?P<rating>[^\n,;}]{1,80})",
    re.IGNORECASE,
)

_EASY, _HARD = 4.0, 7.0
_BUDGETS = {"easy": 40, "medium": 60, "hard": 90}
_DEFAULT = 5
_NUM_RATINGS = 3
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Difficulty:
    """The difficulty of a task.

    Args:
        axes: From 1 (trivial) to 10 (extreme) for each of ``AXES``.
        rated: Whether a model rated it; if it gave no usable answer, every axis is 5.
        replies: The model's answers, verbatim.
    """

    axes: Mapping[str, float]
    rated: bool = True
    replies: tuple[str, ...] = ()

    @property
    def mean(self) -> float:
        """The mean of the axes, in [1, 10]."""
        return statistics.fmean(self.axes.values())

    @property
    def level(self) -> str:
        """``easy`` up to 4, ``hard`` from 7, else ``medium`` (the paper names no bounds)."""
        return "easy" if self.mean <= _EASY else "hard" if self.mean >= _HARD else "medium"

    def to_dict(self) -> dict[str, Any]:
        """Return the facts that a trace keeps."""
        return {
            "axes": dict(self.axes),
            "mean": self.mean,
            "level": self.level,
            "rated": self.rated,
            "replies": list(self.replies),
        }


def token_budget(difficulty: Difficulty) -> int:
    """Return how many tokens of reasoning a task gets: 40, 60 or 90.

    The paper's mapping is unpublished; these fit the mean lengths in its Table 7.
    """
    return _BUDGETS[difficulty.level]


def rate_difficulty(
    chat: ChatModel,
    prompt: PromptTemplate,
    parts: Sequence[MessagePart],
    query: str,
    *,
    seed: int = 0,
) -> Difficulty:
    """Ask a model three times how hard a task is, and take the median on each axis.

    If none of the three answers is usable, the question is repeated, at most twice.
    """
    said: list[str] = []
    messages = ask_about(parts, prompt.fill(query=query))
    for attempt in range(_ATTEMPTS):
        replies = chat.chat(
            messages,
            num_samples=_NUM_RATINGS,
            temperature=0.7,
            max_tokens=128,
            seed=seed + attempt,
        )
        said += [reply.text for reply in replies]
        ratings = [parse_difficulty(reply.text) for reply in replies]
        usable = [rating for rating in ratings if rating is not None]
        if usable:
            axes = {axis: statistics.median(rating[axis] for rating in usable) for axis in AXES}
            return Difficulty(axes, replies=tuple(said))
    return Difficulty(dict.fromkeys(AXES, float(_DEFAULT)), rated=False, replies=tuple(said))


def parse_difficulty(text: str) -> dict[str, float] | None:
    """Return the rating on each axis, or None if one is missing or outside 1 to 10.

    Reads JSON, else one line for each axis. A rating may be a number or a text that holds just
    one, as ``"4/10"``, ``"4 out of 10"``, ``"high: 8"`` and ``"four"`` do.
    """
    text = _SCALE.sub(r"\1", strip_reasoning(text))
    for value in (*read_values(text), _read_lines(text)):
        rating = _read_rating(value)
        if rating is not None:
            return rating
    return None


def _read_rating(value: Any) -> dict[str, float] | None:
    if isinstance(value, list) and len(value) == len(AXES):
        value = dict(zip(AXES, value, strict=True))
    if not isinstance(value, Mapping):
        return None
    given = {_SEPARATOR.sub("_", str(key).strip().lower()): part for key, part in value.items()}
    numbers = {axis: _read_number(given.get(axis)) for axis in AXES}
    known = {axis: n for axis, n in numbers.items() if n is not None and 1 <= n <= 10}
    return known if len(known) == len(AXES) else None


def _read_number(value: Any) -> float | None:
    if isinstance(value, str):
        numbers = _NUMBER.findall(value[:200])
        # Two numbers may be another scale, or a range.
        if numbers:
            return float(numbers[0]) if len(numbers) == 1 else None
        word = _WORD.search(value[:200])
        return None if word is None else 1.0 + _WORDS.index(word[1].lower())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _read_lines(text: str) -> dict[str, str]:
    """Return the text after the name of each axis, for answers without JSON."""
    return {match["axis"]: match["rating"] for match in _LINE.finditer(text)}
