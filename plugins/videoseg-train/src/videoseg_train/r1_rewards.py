"""The rewards of VideoSeg-R1, for every grounder that answers with boxes and points.

Distances are measured in a square to which the frame is stretched, as in VisionReasoner, whose
images are squares of 840: so they mean the same for every model and every size of frame.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from videoseg_r1 import Difficulty, token_budget
from videoseg_r1.rewards import (
    LocatedObject,
    answer_format,
    localization_accuracy,
    negative_distance,
    no_repetition,
    soft_length_penalty,
    think_format,
)

from videoseg import Box, ConfigError
from videoseg.masks import bounding_box, inner_points
from videoseg.metrics import best_assignment
from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import BoolArray, MaskTrack, Prompt, Size
from videoseg_train.rollout import Rollout
from videoseg_train.samples import Truth

__all__ = [
    "AccuracyReward",
    "BoxReward",
    "FormatReward",
    "LengthFactor",
    "NegativeReward",
    "RepetitionReward",
    "answer_items",
    "count_thought",
    "true_objects",
]

_SIDE = 840
"""Of the square to which VisionReasoner stretches images; its tolerances are pixels of it."""

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_THOUGHT = re.compile(r"<think>(.*?)(?:</think>|\Z)", re.DOTALL)


class FormatReward:
    """1 for a thought and then an answer, and up to 3 for well-formed entries of the answer.

    Component ``r1-format``; from 0 to 4, or to 3 without negative points. Of several turns the
    last is judged. See ``videoseg_r1.rewards``.

    Args:
        negatives: Whether entries must have a negative point.
    """

    judges_errors = True
    lowest = 0.0

    @checked_options("reward 'r1-format'")
    def __init__(self, *, negatives: bool = True) -> None:
        self._negatives = negatives

    def __call__(self, rollout: Rollout, truth: Truth) -> float:
        """Return the reward; see ``Reward``."""
        text = rollout.texts[-1] if rollout.texts else ""
        items = answer_items(text)
        if items is None:
            return think_format(text)
        formed = answer_format(items, negatives=self._negatives, none_there=not truth)
        return think_format(text) + formed


class AccuracyReward:
    """How many of the objects are found, by IoU and distance of boxes and by points; 0 to 3.

    Component ``r1-accuracy``. The truth is that of the frame that is answered on. If nothing is
    to be found, the answer that nothing is there earns 3. See
    ``videoseg_r1.rewards.localization_accuracy``.

    Args:
        side: Of the square in which distances are measured.
        least_iou: IoU above which a box is right.
        box_tolerance: Mean difference of the corners below which a box is right.
        point_tolerance: Distance below which a point is right.
    """

    lowest = 0.0

    @checked_options("reward 'r1-accuracy'")
    def __init__(
        self,
        *,
        side: PositiveInt = _SIDE,
        least_iou: float = 0.5,
        box_tolerance: float = 10.0,
        point_tolerance: float = 30.0,
    ) -> None:
        self._side = side
        self._options = {
            "least_iou": least_iou,
            "box_tolerance": box_tolerance,
            "point_tolerance": point_tolerance,
        }

    def __call__(self, rollout: Rollout, truth: Truth) -> float:
        """Return the reward; see ``Reward``."""
        said, true = _compared(rollout, truth, self._side)
        return localization_accuracy(said, true, **self._options)


class BoxReward:
    """The IoU of the boxes, from 0 to 1: a signal where thresholds give none.

    Component ``box-iou``. The mean over the objects of truth or answer, whichever are more,
    paired for the largest sum; 1 if nothing is to be found and nothing is named.
    """

    lowest = 0.0

    def __call__(self, rollout: Rollout, truth: Truth) -> float:
        """Return the reward; see ``Reward``."""
        said, true = _compared(rollout, truth, _SIDE)
        if not said or not true:
            return float(not said and not true)
        ious = np.array([[_iou(one.box, other.box) for other in true] for one in said])
        pairs = best_assignment(ious)
        return float(sum(ious[pair] for pair in pairs) / max(len(said), len(true)))


class NegativeReward:
    """The share of negative points that lie close to the objects and outside of them; 0 to 1.

    Component ``r1-negative``. The answer that nothing is there earns 1 if it is right. See
    ``videoseg_r1.rewards.negative_distance``.

    Args:
        side: Of the square in which distances are measured.
        tolerance: The largest city-block distance.
    """

    lowest = 0.0

    @checked_options("reward 'r1-negative'")
    def __init__(self, *, side: PositiveInt = _SIDE, tolerance: float = 40.0) -> None:
        self._side, self._tolerance = side, tolerance

    def __call__(self, rollout: Rollout, truth: Truth) -> float:
        """Return the reward; see ``Reward``."""
        grounding = rollout.grounding
        if grounding is None or grounding.keyframe is None or not truth:
            return float(grounding is not None and not grounding.found and not truth)
        size = rollout.sample.video.size
        scale = (self._side / size[1], self._side / size[0])
        points = [
            (point.x * scale[0], point.y * scale[1])
            for prompt in grounding.prompts
            for point in prompt.negative_points
        ]
        mask = _stretched(rollout.sample.mask(grounding.keyframe), self._side)
        return negative_distance(points, mask, tolerance=self._tolerance)


class RepetitionReward:
    """1 if the thoughts of no turn repeat their sentences, else 0; component ``r1-no-repeat``."""

    lowest = 0.0

    def __call__(self, rollout: Rollout, truth: Truth) -> float:  # noqa: ARG002
        """Return the reward; see ``Reward``."""
        return min((no_repetition(_thought(text)) for text in rollout.texts), default=0.0)


class LengthFactor:
    """VideoSeg-R1's soft length penalty, a factor: falls with each token beyond the budget.

    Component ``r1-length``; give it ``use: factor``. A rollout that failed keeps its reward.

    Args:
        budget: Tokens of thought; ``difficulty`` for 40, 60 or 90 by the sample's difficulty, its
            detail ``difficulty``: a rating from 1 to 10 for each axis of
            ``videoseg_r1.budget.AXES``, as ``DifficultyRatings`` adds it.
        slope: The cost of each token beyond the budget.
        floor: The least factor.
        count: Counts the tokens of a thought, such as with the policy's tokenizer. By default
            they are the answer's tokens by the thought's share of its characters.

    Raises:
        ConfigError: If a number is out of range, or, when called, if a sample has no difficulty.
    """

    lowest = 1.0

    @checked_options("reward 'r1-length'")
    def __init__(
        self,
        *,
        budget: PositiveInt | Literal["difficulty"] = "difficulty",
        slope: float = 0.005,
        floor: float = 0.0,
        count: Callable[[str], int] | None = None,
    ) -> None:
        soft_length_penalty(0, 0, slope=slope, floor=floor)
        self._budget, self._slope, self._floor, self._count = budget, slope, floor, count

    def __call__(self, rollout: Rollout, truth: Truth) -> float:  # noqa: ARG002
        """Return the factor; see ``Reward``."""
        budget = self._budget if isinstance(self._budget, int) else _find_budget(rollout)
        if self._count is None:
            used = count_thought(rollout)
        else:
            used = sum(self._count(_thought(text)) for text in rollout.texts)
        return soft_length_penalty(used, budget, slope=self._slope, floor=self._floor)


def count_thought(rollout: Rollout) -> int:
    """Return how many of the answers' tokens are thought, by their share of the characters."""
    return sum(
        round(len(step.tokens) * len(_thought(step.text)) / len(step.text))
        for step in rollout.steps
        if step.stage == "grounder" and step.text
    )


def answer_items(text: str) -> list[Mapping[str, Any]] | None:
    """Return the entries of an answer, a JSON list or an object with ``objects``; else None."""
    blocks = _ANSWER.findall(text)
    try:
        value = json.loads(blocks[-1]) if blocks else None
    except (ValueError, RecursionError):
        return None
    if isinstance(value, Mapping):
        value = value.get("objects")
    return value if isinstance(value, list) else None


def true_objects(truth: Truth, frame: int, *, size: Size, side: int) -> list[LocatedObject]:
    """Return the true objects that show on a frame: box and center, in a square of ``side``.

    The center is that of the mask's pixels; if it lies beside the mask, the deepest point in it.
    """
    found = []
    for track in truth.values():
        mask = _mask_of(track, frame)
        if mask is None:
            continue
        rows, columns = np.nonzero(mask)
        x, y = float(columns.mean()) + 0.5, float(rows.mean()) + 0.5
        if not mask[int(y), int(x)]:
            [point] = inner_points(mask)
            x, y = point.x, point.y
        found.append(_located(bounding_box(mask), (x, y), size, side))
    return found


def _compared(
    rollout: Rollout, truth: Truth, side: int
) -> tuple[list[LocatedObject], list[LocatedObject]]:
    """Return the objects of the answer, and the true ones on its frame."""
    size = rollout.sample.video.size
    grounding = rollout.grounding
    prompts: tuple[Prompt, ...] = () if grounding is None else grounding.prompts
    said = []
    for prompt in prompts:
        box = prompt.box
        point = prompt.points[0] if prompt.points else None
        if box is None and point is not None:
            # Without a box there is nothing to compare but the point.
            box = Box(point.x, point.y, point.x + 1, point.y + 1)
        if box is not None:
            xy = None if point is None else (point.x, point.y)
            said.append(_located(box, xy, size, side))
    if grounding is None or grounding.keyframe is None:
        # It is missed wherever it shows.
        return said, [LocatedObject((0.0, 0.0, 1.0, 1.0)) for _ in truth]
    return said, true_objects(truth, grounding.keyframe, size=size, side=side)


def _located(box: Box, point: tuple[float, float] | None, size: Size, side: int) -> LocatedObject:
    x, y = side / size[1], side / size[0]
    scaled = None if point is None else (point[0] * x, point[1] * y)
    return LocatedObject((box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y), scaled)


def _mask_of(track: MaskTrack, frame: int) -> BoolArray | None:
    mask = None if track.masks[frame] is None else track.mask(frame)
    return mask if mask is not None and mask.any() else None


def _stretched(mask: BoolArray, side: int) -> BoolArray:
    """Return a mask stretched to a square, each pixel as its nearest."""
    rows = np.minimum(((np.arange(side) + 0.5) * mask.shape[0] / side).astype(int), len(mask) - 1)
    columns = ((np.arange(side) + 0.5) * mask.shape[1] / side).astype(int)
    return np.asarray(mask[rows[:, None], np.minimum(columns, mask.shape[1] - 1)])


def _iou(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return shared / (areas - shared) if areas > shared else 0.0


def _thought(text: str) -> str:
    return "\n".join(_THOUGHT.findall(text))


def _find_budget(rollout: Rollout) -> int:
    rated = rollout.sample.details.get("difficulty")
    if not isinstance(rated, Mapping) or not rated:
        raise ConfigError(
            f"reward 'r1-length': sample {rollout.sample.id!r} has no rated difficulty; rate it "
            "first (samples.map(DifficultyRatings(chat))), or give a budget in tokens"
        )
    return token_budget(Difficulty({str(axis): float(value) for axis, value in rated.items()}))
