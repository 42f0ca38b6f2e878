"""Rewards of answers for reinforcement learning with verifiable rewards.

Pure functions of an answer and the truth. Unless stated otherwise they follow VideoSeg-R1
(arXiv 2511.16077) and VisionReasoner, whose rewards it adopts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from videoseg.errors import ConfigError, ShapeError
from videoseg.metrics import best_assignment
from videoseg.text import shorten
from videoseg.types import BoolArray, FloatArray

__all__ = [
    "LocatedObject",
    "answer_format",
    "group_advantages",
    "localization_accuracy",
    "negative_distance",
    "no_repetition",
    "soft_length_penalty",
    "think_format",
]

XY: TypeAlias = tuple[float, float]

_MOST_OBJECTS = 120
_FULL = 3.0
# Larger numbers and NaN are not coordinates.
_LARGEST = 1e7


@dataclass(frozen=True, slots=True)
class LocatedObject:
    """The predicted or true place of an object, in the coordinates of the training images.

    Args:
        box: (x1, y1, x2, y2).
        point: A point on it, if one is given.
    """

    box: tuple[float, float, float, float]
    point: XY | None = None


def answer_format(
    items: Sequence[Mapping[str, Any]], *, negatives: bool = False, none_there: bool = False
) -> float:
    """Return how many parts of an answer are well-formed, per object.

    Args:
        items: The entries of an answer, as parsed from its JSON.
        negatives: Whether ``neg_point_2d`` counts, too (VideoSeg-R1; its key is unpublished).
        none_there: Whether there is no true object; then an empty answer is well-formed,
            unlike in VisionReasoner's code.

    Returns:
        From 0 to 2, or to 3 with negatives.
    """
    parts = {"bbox_2d": 4, "point_2d": 2} | ({"neg_point_2d": 2} if negatives else {})
    if not items:
        return float(len(parts)) if none_there else 0.0
    formed = sum(
        isinstance(item, Mapping) and _is_numbers(item.get(key), length)
        for item in items
        for key, length in parts.items()
    )
    return formed / len(items)


def localization_accuracy(
    predicted: Sequence[LocatedObject],
    true: Sequence[LocatedObject],
    *,
    least_iou: float = 0.5,
    box_tolerance: float = 10.0,
    point_tolerance: float = 30.0,
) -> float:
    """Return how well the predicted objects match the true ones, from 0 to 3.

    A pair earns 1 for a box IoU above ``least_iou`` (pixels of both corners included), 1 for a
    mean difference of the corners below ``box_tolerance``, and 1 for a point inside its own box
    and nearer to the true point than ``point_tolerance``. Pairs are matched for the largest
    sum, which is divided by the larger number of objects (VisionReasoner). If there are no true
    objects, no prediction earns 3 and any other 0; VisionReasoner's code never rewards that.

    Args:
        predicted: The predicted objects; the first 120 count.
        true: The true objects; the first 120 count.
        least_iou: IoU above which a box is right.
        box_tolerance: Pixels.
        point_tolerance: Pixels, Euclidean.

    Raises:
        ConfigError: If a true object has no valid box or point. Malformed predictions earn 0.
    """
    said, there = list(predicted)[:_MOST_OBJECTS], list(true)[:_MOST_OBJECTS]
    for one in there:
        if not _is_numbers(one.box, 4) or not (one.point is None or _is_numbers(one.point, 2)):
            raise ConfigError(
                "a true object needs a box of four numbers and a point of two or None, got "
                f"{shorten(one.box)} and {shorten(one.point)}"
            )
    if not said or not there:
        return _FULL if not said and not there else 0.0
    earned = np.array(
        [
            [
                _pair_reward(one, other, least_iou, box_tolerance, point_tolerance)
                for other in there
            ]
            for one in said
        ]
    )
    pairs = best_assignment(earned)
    return float(sum(earned[row, column] for row, column in pairs) / max(len(said), len(there)))


def negative_distance(points: Sequence[XY], mask: BoolArray, *, tolerance: float = 40.0) -> float:
    """Return the fraction of negative points just outside all true objects.

    A point is good if its city-block distance to the nearest pixel of the mask is above 0 and
    at most ``tolerance``; points outside the image are not (VideoSeg-R1).

    Args:
        points: The negative points (x, y).
        mask: Union of all true objects, shape (H, W).
        tolerance: Pixels.

    Returns:
        From 0 to 1; 0 without points.

    Raises:
        ShapeError: If the mask is not two-dimensional.
        ConfigError: If the tolerance is not a positive number.
    """
    mask = np.asarray(mask, dtype=bool)
    if mask.ndim != 2:
        raise ShapeError("a mask", actual=mask.shape, expected="(H, W)")
    if not _is_numbers([tolerance], 1) or tolerance <= 0:
        raise ConfigError(f"tolerance must be a positive number, got {shorten(tolerance)}")
    height, width = mask.shape
    reach = int(tolerance)
    good = 0
    for point in points:
        # A malformed point counts as outside.
        if not _is_numbers(point, 2) or not (0 <= point[0] < width and 0 <= point[1] < height):
            continue
        x, y = point
        row, column = int(y), int(x)
        top, left = max(0, row - reach), max(0, column - reach)
        rows, columns = np.nonzero(mask[top : row + reach + 1, left : column + reach + 1])
        if rows.size:
            distance = (np.abs(columns + left - column) + np.abs(rows + top - row)).min()
            good += int(0 < distance <= tolerance)
    return good / len(points) if points else 0.0


def _pair_reward(
    said: LocatedObject,
    true: LocatedObject,
    least_iou: float,
    box_tolerance: float,
    point_tolerance: float,
) -> float:
    if not _is_numbers(said.box, 4):
        return 0.0
    earned = float(_inclusive_iou(said.box, true.box) > least_iou)
    earned += float(np.abs(np.subtract(said.box, true.box)).mean() < box_tolerance)
    if _is_numbers(said.point, 2) and said.point is not None and true.point is not None:
        x, y = said.point
        inside = said.box[0] <= x <= said.box[2] and said.box[1] <= y <= said.box[3]
        near = np.hypot(x - true.point[0], y - true.point[1]) < point_tolerance
        earned += float(inside and near)
    return earned


def _inclusive_iou(a: Sequence[float], b: Sequence[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    shared = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b))
    return shared / (areas - shared) if areas > shared else 0.0


def _is_numbers(value: object, length: int) -> bool:
    return (
        isinstance(value, list | tuple | np.ndarray)
        and len(value) == length
        and all(map(_is_number, value))
    )


def _is_number(value: object) -> bool:
    number = value.item() if isinstance(value, np.generic) else value
    return (
        isinstance(number, int | float)
        and not isinstance(number, bool)
        and abs(number) <= _LARGEST
    )


def soft_length_penalty(
    num_tokens: int, budget: int, *, slope: float = 0.005, floor: float = 0.0
) -> float:
    """Return the factor on a reward: 1 within the budget, then falling with each token.

    1 - slope x (tokens - budget), as in VideoSeg-R1, with a budget that grows with the task's
    difficulty. The slope is unpublished. The paper has no lower bound; here there is one, so
    that a long correct answer is never worse than a wrong one.

    Args:
        num_tokens: Tokens of reasoning.
        budget: The thinking budget of the task.
        slope: The cost of each token above the budget.
        floor: The least factor, in [0, 1].

    Raises:
        ConfigError: If a number is out of range.

    Example:
        >>> [soft_length_penalty(tokens, 40) for tokens in (40, 60, 240, 300)]
        [1.0, 0.9, 0.0, 0.0]
    """
    numbers = (num_tokens, budget, slope, floor)
    # The comparison is false for NaN, so NaN is refused.
    if not all(isinstance(n, Real) and 0 <= n < math.inf for n in numbers) or floor > 1:
        raise ConfigError(
            "a length penalty needs num_tokens, budget and slope of at least 0 and a floor in "
            f"[0, 1], got {', '.join(map(shorten, numbers))}"
        )
    return float(min(1.0, max(floor, 1.0 - slope * max(0, num_tokens - budget))))


_BETWEEN = re.compile(r"</think>\s*<answer>")
_OPENING, _CLOSING = "<think>", "</answer>"
_MOST_REPEATS = 1


def think_format(text: str) -> float:
    """Return 1 if a text is a think block, then an answer block and nothing else; else 0.

    Example:
        >>> think_format("<think>It jumps.</think> <answer>[]</answer>")
        1.0
    """
    inner = text[len(_OPENING) : -len(_CLOSING)]
    whole = text.startswith(_OPENING) and text.endswith(_CLOSING)
    return float(whole and _BETWEEN.search(inner) is not None)


def no_repetition(thought: str) -> float:
    """Return 0 if sentences are repeated at least twice, else 1.

    Sentences end at full stops. One sentence said three times counts, as do two said twice.
    VisionReasoner counts the whole text, where decimals of the answer are sentences, too;
    pass only the reasoning.
    """
    sentences = [sentence.strip() for sentence in thought.split(".")]
    said = [sentence for sentence in sentences if sentence]
    return float(len(said) - len(set(said)) <= _MOST_REPEATS)


_SMALL = 1e-6


def group_advantages(rewards: Sequence[float]) -> FloatArray:
    """Return (reward - mean) / (standard deviation + 1e-6) for answers to one prompt (GRPO).

    Args:
        rewards: One for each answer.

    Returns:
        Shape (N,). The deviation is the unbiased one. A single answer keeps its reward: there
        is nothing to compare it to.

    Raises:
        ConfigError: If there are no rewards, or one is not finite.

    Example:
        >>> group_advantages([1.0, 0.0]).round(4).tolist()
        [0.7071, -0.7071]
    """
    try:
        values = np.array(rewards, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.empty(0)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ConfigError(f"advantages need a list of finite rewards, got {shorten(rewards)}")
    if values.size == 1:
        return values
    advantages: FloatArray = (values - values.mean()) / (values.std(ddof=1) + _SMALL)
    return advantages
