"""Which of several objects people would call the main one, and how much each of them moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videoseg_attributes.grounding.measurements import MeasuredCandidate

__all__ = ["measure_activity", "measure_mainness"]

# Priors on where and how the main object of a shot is seen, as in work on salient objects and on
# video object segmentation without a prompt: near the middle (Judd et al., "Learning to predict
# where humans look", 2009), not running on past the border (Wei et al., "Geodesic saliency using
# background priors", 2012), there most of the time and moving as one (Papazoglou and Ferrari,
# "Fast object segmentation in unconstrained video", 2013). Each is a factor with a floor, so none
# decides alone; widths and floors are round numbers, not fitted.
_CENTER_SPREAD, _CENTER_FLOOR = 0.3, 0.25  # of the frame's width and height
_PRESENCE_FLOOR, _COHERENCE_FLOOR = 0.25, 0.5
_SUPPORT_FLOOR = 0.2  # of motion that the picture does not show at all
_PER_SIDE = 0.75  # for each side of the frame that it touches
_NOTABLE_SIZE, _SIZE_POWER = 0.04, 0.5  # of the frame: larger ones are not more important
_STILL_ACTIVITY = 0.01  # activity (see there) that only noise and a shaking camera have
_AT_BORDER = 0.005  # of the frame's width or height
_TINY = 1e-6


def measure_mainness(candidates: Sequence[MeasuredCandidate]) -> list[float]:
    """Return for each candidate how likely it is the main object among these, in [0, 1].

    What stands out by its motion and its colors (its saliency) and what moves much (its
    activity) are weighed alike: the survey sees an object by its motion or by its outline, and
    its saliency is low in the second case though it may move most. A crowd, foliage, water and
    the ground move and stand out, too; but they are small or far from the middle, run on past
    the border, come and go, or move to and fro within; and of spray, smoke and leaves no pixel is
    seen again on the next frame, so the picture does not show that they moved (``support``).
    """
    saliency = [candidate.saliency for candidate in candidates]
    activity = [measure_activity(candidate) for candidate in candidates]
    most_salient = max(saliency, default=0.0) or 1.0
    most_active = max([_STILL_ACTIVITY, *activity])
    return [
        (0.5 * stands_out / most_salient + 0.5 * moves / most_active)
        * min(1.0, candidate.size / _NOTABLE_SIZE) ** _SIZE_POWER
        * _judge_layout(candidate)
        * _judge_coherence(candidate)
        * _lift(candidate.support, _SUPPORT_FLOOR)
        for candidate, stands_out, moves in zip(candidates, saliency, activity, strict=True)
    ]


def measure_activity(candidate: MeasuredCandidate) -> float:
    """Return how much it moves: what "moves most" is not the fastest speck.

    Motion anywhere in it times its extent, in frame diagonals per second times the frame's
    extent, weighed by whether it is laid out like an object or like scenery.
    """
    return candidate.motion_energy * float(np.sqrt(candidate.size)) * _judge_layout(candidate)


def _judge_layout(candidate: MeasuredCandidate) -> float:
    """Return how much it is placed like the main object of a shot, in [0, 1]."""
    if not candidate.visible.any():
        return 0.0
    x, y = candidate.center() or (0.5, 0.5)
    away = float(np.hypot(x - 0.5, y - 0.5))
    middle = float(np.exp(-0.5 * (away / _CENTER_SPREAD) ** 2))
    boxes = candidate.boxes[candidate.visible]
    sides = (boxes[:, :2] <= _AT_BORDER).sum() + (boxes[:, 2:] >= 1 - _AT_BORDER).sum()
    return (
        _lift(middle, _CENTER_FLOOR)
        * _lift(float(candidate.visible.mean()), _PRESENCE_FLOOR)
        * float(_PER_SIDE ** (sides / len(boxes)))
    )


def _judge_coherence(candidate: MeasuredCandidate) -> float:
    """Return how much of its motion is common to all of it, in [0, 1]."""
    speeds = np.hypot(*candidate.velocities.T)
    known = np.isfinite(speeds) & np.isfinite(candidate.motion)
    if not known.any():
        return 1.0
    common = float(speeds[known].mean()) / max(_TINY, float(candidate.motion[known].mean()))
    return _lift(min(1.0, common), _COHERENCE_FLOOR)


def _lift(share: float, floor: float) -> float:
    return floor + (1 - floor) * share
