"""The seven rewards of VideoSEG-O3 in their four groups, and a soft one.

``released`` is what the released code computes, ``fixed`` what it documents:

==================== ================================== ====================================
component (group)    ``released``                       ``fixed``
==================== ================================== ====================================
o3-format (format)   1 if each turn has the form, else  the same; and nothing else in a turn,
                     -1; 0 without a turn               the last is an answer, others selects
o3-steps (format)    share of the four headings in the  the same
                     thoughts, mean over turns
o3-window (temporal) 0.5 p if p >= 0.5, else -0.5; p is 0.5 p likewise; p is the IoU of the
                     the visible share of [start, end)  frames start to end and the visible
                                                        ones
o3-keyframe          1 if the target shows on the last  the same; 1 if nothing is to be found
(temporal)           keyframe named, else -1            and the last turn can be read
o3-mask (mask)       mean over the overview's frames of the same
                     min(3 (IoU - 0.4), 1.5) above 0.4,
                     0 above 0.2, else -1
o3-keyframe-gain     d = keyframe's IoU - mean IoU of   the same, but min(5 (d - 0.1), 2) above
(progress)           the overview in the last turn: 0.5 0.2
                     above 0.1, 0 above -0.05, else -1
o3-progress          d = keyframe's IoU - the best of   the same, but min(10 (d - 0.05), 2)
(progress)           earlier turns: 0.5 above 0.05, 0   above 0.1
                     above -0.05, else -1
IoU of empty masks   overview 1, keyframe 0             1
==================== ================================== ====================================

Source: the released code (projects/open_r1/rewards.py, rewards_dense.py).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from videoseg_o3 import Turn, parse_turn

from videoseg import Window
from videoseg.plugins import checked_options
from videoseg.types import BoolArray
from videoseg_train.masks import SegMasks
from videoseg_train.rewards import Reward, RewardTerm
from videoseg_train.rollout import Rollout
from videoseg_train.samples import TrainingSample, Truth

__all__ = [
    "O3_GROUPS",
    "GroupOfRewards",
    "KeyframeGainReward",
    "KeyframeReward",
    "MaskReward",
    "ProgressReward",
    "StepsReward",
    "TurnFormatReward",
    "Variant",
    "VisibleAreaReward",
    "WindowReward",
    "keyframe_gain",
    "keyframe_hit",
    "mask_gain",
    "mask_ious",
    "o3_terms",
    "progress_gain",
    "steps_share",
    "turns_format",
    "window_score",
]

Variant: TypeAlias = Literal["fixed", "released"]
GroupOfRewards: TypeAlias = Literal["format", "temporal", "mask", "progress"]

_KEYS = frozenset({"start", "end", "keyframe"})
_HEADINGS = ("step 1", "step 2", "step 3", "action")
_TURN = r"<think>.*?</think>\s*<(answer|select)>(.*?)</\1>"
_SEARCHED = re.compile(_TURN, re.DOTALL)
_WHOLE = re.compile(rf"\s*{_TURN}\s*", re.DOTALL)
_VTG = re.compile(r"<VTG>(.*?)</VTG>", re.DOTALL)
_REF_SEG = re.compile(r"<RefSeg>(.*?)</RefSeg>", re.DOTALL)
_THINK = re.compile(r"<think>(.*?)</think>", re.DOTALL | re.IGNORECASE)
_BLOCK = re.compile(r"<(select|answer)>.*?<VTG>(.*?)</VTG>.*?</\1>", re.DOTALL)


# -- pure functions --------------------------------------------------------------------------


def turns_format(texts: Sequence[str], *, variant: Variant = "fixed") -> float:
    """Return 1 if every turn has the form that is asked for, else -1; 0 if there is no turn.

    A thought, then a select or an answer with frames (all of start, end and keyframe, as strict
    JSON in ``<VTG>``) and ``[SEG]`` in ``<RefSeg>``. In ``fixed``, the form of answers in text
    counts, too: the frames without ``<VTG>``, and ``objects`` instead of ``[SEG]``, alone if
    nothing is there.
    """
    if not texts:
        return 0.0
    is_right = all(
        _turn_is_formed(text, is_last=number == len(texts) - 1, variant=variant)
        for number, text in enumerate(texts)
    )
    return 1.0 if is_right else -1.0


def _turn_is_formed(text: str, *, is_last: bool, variant: Variant) -> bool:
    if variant == "released":
        match = _SEARCHED.search(text)
        return match is not None and _has_frames_and_seg(match[2])
    match = _WHOLE.fullmatch(text)
    if match is None or match[1] != ("answer" if is_last else "select"):
        return False
    return _has_frames_and_seg(match[2]) or _has_frames_in_text(match[2], is_last)


def _has_frames_and_seg(body: str) -> bool:
    frames, seg = _VTG.search(body), _REF_SEG.search(body)
    if frames is None or seg is None or "[SEG]" not in seg[1]:
        return False
    return _read_object(frames[1]).keys() >= _KEYS


def _has_frames_in_text(body: str, is_answer: bool) -> bool:
    value = _read_object(body)
    if not is_answer:
        return value.keys() >= _KEYS
    objects = value.get("objects")
    return isinstance(objects, list) and (value.keys() >= _KEYS or not objects)


def _read_object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def steps_share(texts: Sequence[str]) -> float:
    """Return the share of the four headings that thoughts have, mean over turns; 0 to 1.

    The headings are "Step 1", "Step 2", "Step 3" and "Action", in any case and order.
    """
    shares = []
    for text in texts:
        thought = _THINK.search(text)
        said = thought[1].lower() if thought else ""
        shares.append(sum(heading in said for heading in _HEADINGS) / len(_HEADINGS))
    return float(np.mean(shares)) if shares else 0.0


def window_score(texts: Sequence[str], visible: BoolArray, *, variant: Variant = "fixed") -> float:
    """Return how well the frames that the last turn names cover those where the target shows.

    Args:
        texts: What was said in each turn.
        visible: On which frames the target shows, shape (T,).
        variant: See the table above. In ``released`` the range is half-open.

    Returns:
        -0.5, or from 0.25 to 0.5. If the target never shows, any range earns 0.5, and in
        ``fixed`` an answer that names none, too.
    """
    count = len(visible)
    absent = not visible.any()
    if variant == "released":
        frames = _read_released(texts[-1] if texts else "", count)
        if frames is None or frames[0] >= frames[1]:
            return -0.5
        start, end, _ = frames
        share = 1.0 if absent else float(visible[start:end].sum() / (end - start + 1e-6))
        return -0.5 if share < 0.5 else 0.5 * share
    turn = _read_turn(texts, count)
    if turn is None:
        return -0.5
    if absent:
        return 0.5
    if turn.window is None:
        return -0.5
    named = np.zeros(count, dtype=bool)
    named[turn.window.start : turn.window.stop] = True
    share = float((named & visible).sum() / (named | visible).sum())
    return -0.5 if share < 0.5 else 0.5 * share


def keyframe_hit(texts: Sequence[str], visible: BoolArray, *, variant: Variant = "fixed") -> float:
    """Return 1 if the target shows on the keyframe that the last turn names, else -1.

    Args:
        texts: What was said in each turn.
        visible: On which frames the target shows, shape (T,).
        variant: See the table above.
    """
    count = len(visible)
    if variant == "released":
        frames = _read_released(texts[-1] if texts else "", count)
        return 1.0 if frames is not None and visible[frames[2]] else -1.0
    turn = _read_turn(texts, count)
    if turn is None:
        return -1.0
    if not visible.any():
        return 1.0
    return 1.0 if turn.keyframe is not None and visible[turn.keyframe] else -1.0


def mask_gain(ious: Sequence[float]) -> float:
    """Return the mean over frames of what each IoU earns, from -1 to 1.5; -1 without frames."""
    if not ious:
        return -1.0
    return float(np.mean([_iou_gain(value) for value in ious]))


def _iou_gain(value: float) -> float:
    if value > 0.4:
        return min(3 * (value - 0.4), 1.5)
    return 0.0 if value > 0.2 else -1.0


def keyframe_gain(
    overview: Sequence[Sequence[float]], keyframe: Sequence[float], *, variant: Variant = "fixed"
) -> float:
    """Return what the last turn's keyframe is better by than its overview.

    Args:
        overview: For each turn the IoU on each frame of the overview.
        keyframe: For each turn the IoU on the pending keyframe.
        variant: See the table above.

    Returns:
        -1, 0 or 0.5; in ``fixed`` up to 2. 0 for a single turn.
    """
    if len(overview) < 2 or len(keyframe) < 2:
        return 0.0
    last = overview[-1]
    gain = keyframe[-1] - (sum(last) / len(last) if last else 0.0)
    if variant == "fixed" and gain > 0.2:
        return min(5 * (gain - 0.1), 2.0)
    return 0.5 if gain > 0.1 else 0.0 if gain > -0.05 else -1.0


def progress_gain(keyframe: Sequence[float], *, variant: Variant = "fixed") -> float:
    """Return what the last turn's keyframe is better by than the best of the turns before.

    Args:
        keyframe: For each turn the IoU on the pending keyframe.
        variant: See the table above.

    Returns:
        -1, 0 or 0.5; in ``fixed`` up to 2. 0 for a single turn.
    """
    if len(keyframe) < 2:
        return 0.0
    gain = keyframe[-1] - max(keyframe[:-1])
    if variant == "fixed" and gain > 0.1:
        return min(10 * (gain - 0.05), 2.0)
    return 0.5 if gain > 0.05 else 0.0 if gain > -0.05 else -1.0


def _read_released(text: str, count: int) -> tuple[int, int, int] | None:
    """Return start, end and keyframe as the released rewards read them."""
    blocks = _BLOCK.findall(text)
    if not blocks:
        return None
    try:
        data = ast.literal_eval(blocks[-1][1].strip())
        start, end, keyframe = (int(data.get(key, 0)) for key in ("start", "end", "keyframe"))
    except Exception:  # It may raise anything; the released code catches all, too.
        return None
    return (
        max(0, min(start, count)),
        max(0, min(end, count)),
        max(0, min(keyframe, count - 1)),
    )


def _read_turn(texts: Sequence[str], count: int) -> Turn | None:
    """Return the last turn as the grounder reads it; None if it cannot be read."""
    if not texts:
        return None
    turn = parse_turn(texts[-1], whole=Window(0, count), must_answer=True)
    return None if turn.kind == "malformed" else turn


# -- masks -----------------------------------------------------------------------------------


def mask_ious(
    rollout: Rollout, *, variant: Variant = "fixed"
) -> tuple[list[list[float]], list[float]]:
    """Return the IoU of each turn's masks with the truth.

    The logits are enlarged to the frame's size and cut at 0. Several ``[SEG]`` of a turn are
    averaged on the overview; on the keyframe the last counts. Without a ``[SEG]`` all are 0.

    Returns:
        For each turn the IoU on each frame of the overview, and that on the pending keyframe.
    """
    return _mask_ious(rollout, variant)


# Three rewards ask for those of the same rollout, one after the other.
@lru_cache(maxsize=2)
def _mask_ious(rollout: Rollout, variant: Variant) -> tuple[list[list[float]], list[float]]:
    turns = sorted({step.turn for step in rollout.steps if step.stage == "grounder"})
    made: dict[int, list[SegMasks]] = {turn: [] for turn in turns}
    for masks in rollout.masks:
        made[masks.turn].append(masks)
    overview: list[list[float]] = []
    keyframe: list[float] = []
    for turn in turns:
        values = [_ious(rollout.sample, masks, variant) for masks in made[turn]]
        if values:
            overview.append(np.mean([value[:-1] for value in values], axis=0).tolist())
            keyframe.append(values[-1][-1])
        else:
            overview.append([0.0])
            keyframe.append(0.0)
    return overview, keyframe


def _ious(sample: TrainingSample, masks: SegMasks, variant: Variant) -> list[float]:
    with torch.no_grad():
        enlarged = torch.nn.functional.interpolate(
            masks.logits.float()[:, None], sample.video.size, mode="bilinear", align_corners=False
        )[:, 0]
    found = (enlarged > 0).cpu().numpy()
    values = []
    for number, frame in enumerate(masks.frames):
        true = sample.mask(frame)
        union = int((found[number] | true).sum())
        shared = int((found[number] & true).sum())
        is_keyframe = number == len(masks.frames) - 1
        empty = 0.0 if is_keyframe and variant == "released" else 1.0
        values.append(shared / union if union else empty)
    return values


# -- components ------------------------------------------------------------------------------


class _VariantReward:
    """A reward that has the two variants.

    Args:
        variant: ``fixed`` or ``released``; see the table of the module.
    """

    @checked_options("a reward of VideoSEG-O3")
    def __init__(self, *, variant: Variant = "fixed") -> None:
        self._variant: Variant = variant


class TurnFormatReward(_VariantReward):
    """The form of every turn; component ``o3-format``, see ``turns_format``."""

    judges_errors = True
    lowest = -1.0

    def __call__(self, rollout: Rollout, truth: Truth) -> float:  # noqa: ARG002
        """Return the reward; see ``Reward``."""
        return turns_format(rollout.texts, variant=self._variant)


class StepsReward:
    """The headings of the thoughts; component ``o3-steps``, see ``steps_share``."""

    judges_errors = True
    lowest = 0.0

    def __call__(self, rollout: Rollout, truth: Truth) -> float:  # noqa: ARG002
        """Return the reward; see ``Reward``."""
        return steps_share(rollout.texts)


class WindowReward(_VariantReward):
    """The frames that the last turn names; component ``o3-window``, see ``window_score``."""

    lowest = -0.5

    def __call__(self, rollout: Rollout, truth: Truth) -> float:  # noqa: ARG002
        """Return the reward; see ``Reward``."""
        return window_score(rollout.texts, rollout.sample.visible(), variant=self._variant)


class KeyframeReward(_VariantReward):
    """The last keyframe that is named; component ``o3-keyframe``, see ``keyframe_hit``."""

    lowest = -1.0

    def __call__(self, rollout: Rollout, truth: Truth) -> float:  # noqa: ARG002
        """Return the reward; see ``Reward``."""
        return keyframe_hit(rollout.texts, rollout.sample.visible(), variant=self._variant)


class MaskReward(_VariantReward):
    """The masks of the last turn on the overview; component ``o3-mask``, see ``mask_gain``."""

    lowest = -1.0

    def __call__(self, rollout: Rollout, truth: Truth) -> float:  # noqa: ARG002
        """Return the reward; see ``Reward``."""
        overview, _ = mask_ious(rollout, variant=self._variant)
        return mask_gain(overview[-1]) if overview else 0.0


class KeyframeGainReward(_VariantReward):
    """The keyframe beside the overview; component ``o3-keyframe-gain``; ``keyframe_gain``."""

    lowest = -1.0

    def __call__(self, rollout: Rollout, truth: Truth) -> float:  # noqa: ARG002
        """Return the reward; see ``Reward``."""
        return keyframe_gain(*mask_ious(rollout, variant=self._variant), variant=self._variant)


class ProgressReward(_VariantReward):
    """The keyframe beside those before; component ``o3-progress``, see ``progress_gain``."""

    lowest = -1.0

    def __call__(self, rollout: Rollout, truth: Truth) -> float:  # noqa: ARG002
        """Return the reward; see ``Reward``."""
        _, keyframe = mask_ious(rollout, variant=self._variant)
        return progress_gain(keyframe, variant=self._variant)


class VisibleAreaReward:
    """How much of the target the keyframe of the answer shows, from 0 to 1.

    Component ``o3-visible-area``, in place of the binary ``o3-keyframe``: the target's area on
    the keyframe, as a share of its largest (ReVSeg, arXiv 2512.02835, where such a soft reward
    does better). 1 if nothing is to be found and the answer can be read.
    """

    lowest = 0.0

    def __call__(self, rollout: Rollout, truth: Truth) -> float:
        """Return the reward; see ``Reward``."""
        areas = np.sum([track.areas for track in truth.values()], axis=0) if truth else np.zeros(1)
        grounding = rollout.grounding
        if not areas.max():
            return float(grounding is not None)
        if grounding is None or grounding.keyframe is None:
            return 0.0
        return float(areas[grounding.keyframe] / areas.max())


O3_GROUPS: Mapping[GroupOfRewards, tuple[str, ...]] = MappingProxyType(
    {
        "format": ("o3-format", "o3-steps"),
        "temporal": ("o3-window", "o3-keyframe"),
        "mask": ("o3-mask",),
        "progress": ("o3-keyframe-gain", "o3-progress"),
    }
)
"""The rewards of each of the paper's groups, by the names of the components."""


def o3_terms(
    *,
    variant: Variant = "fixed",
    weights: Mapping[GroupOfRewards, float] | None = None,
    visible_area: bool = False,
) -> list[RewardTerm]:
    """Return the terms of VideoSEG-O3's reward; released, each has the weight 1.

    Args:
        variant: ``fixed`` or ``released``.
        weights: The weight of a group, such as ``{"format": 0.5}``; by default 1.
        visible_area: Whether the soft reward takes the place of ``o3-keyframe``.
    """
    rewards: dict[str, Reward] = {
        "o3-format": TurnFormatReward(variant=variant),
        "o3-steps": StepsReward(),
        "o3-window": WindowReward(variant=variant),
        "o3-keyframe": VisibleAreaReward() if visible_area else KeyframeReward(variant=variant),
        "o3-mask": MaskReward(variant=variant),
        "o3-keyframe-gain": KeyframeGainReward(variant=variant),
        "o3-progress": ProgressReward(variant=variant),
    }
    given = weights or {}
    return [
        RewardTerm(
            "o3-visible-area" if visible_area and name == "o3-keyframe" else name,
            rewards[name],
            given.get(group, 1.0),
        )
        for group, names in O3_GROUPS.items()
        for name in names
    ]
