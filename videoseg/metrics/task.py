"""A sample checked against a protocol and cut to the frames that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import numpy as np

from videoseg.errors import EvaluationError
from videoseg.metrics.protocol import EvalProtocol
from videoseg.types import BoolArray, IntArray, Rle, Size

__all__ = [
    "MaskSequence",
    "PredictedMasks",
    "ScoringTask",
    "fitted_masks",
    "prepare",
    "resized_nearest",
]

_T = TypeVar("_T")

MaskSequence: TypeAlias = Sequence[Rle | None]
"""One mask for each frame; None where there is nothing."""

PredictedMasks: TypeAlias = Mapping[int, MaskSequence]
"""For each object id one mask for each annotated frame; None where it is not visible."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoringTask:
    """A sample as given to ``score_sample``; after ``prepare`` only the frames that count."""

    size: Size
    protocol: EvalProtocol
    predicted: PredictedMasks
    truth: PredictedMasks
    foreground: MaskSequence | None = None
    foreground_pixels: Sequence[int] | None = None
    ignored: MaskSequence | None = None
    repeated: MaskSequence | None = None
    mask_values: Sequence[int] | None = None
    object_frames: Mapping[int, Sequence[int | None]] | None = None
    num_frames: int = 0


def prepare(task: ScoringTask) -> ScoringTask:
    """Check a sample against its protocol and cut it to the frames that count, of one size.

    Raises:
        EvaluationError: If something does not fit; every problem is listed.
    """
    size, protocol = task.size, task.protocol
    given = {
        **{f"predicted object {key}": masks for key, masks in task.predicted.items()},
        **{f"true object {key}": masks for key, masks in task.truth.items()},
        "the foreground": task.foreground,
        "the ignored pixels": task.ignored,
        "the repeated pixels": task.repeated,
    }
    named = {name: masks for name, masks in given.items() if masks is not None}
    lengths = [len(masks) for name, masks in named.items() if not name.startswith("predicted")]
    lengths = lengths or [len(masks) for masks in named.values()]
    # With neither prediction nor target, one empty frame gives the same score as any number.
    num_frames = lengths[0] if lengths else 1
    counted = _counted(num_frames, protocol) if lengths else range(1)
    problems = _object_problems(task.predicted, task.truth, protocol)
    if not counted:
        problems.append(f"of {num_frames} annotated frames none counts ({protocol})")
    for name, masks in named.items():
        resizable = name.startswith("predicted") and protocol.resolution == "nearest"
        problems += _mask_problems(name, masks, num_frames, None if resizable else size)
    for what, numbers in (
        ("foreground pixels", task.foreground_pixels),
        ("mask values", task.mask_values),
    ):
        if numbers is not None and len(numbers) != num_frames:
            problems.append(f"{len(numbers)} {what} for {num_frames} annotated frames")
    own_frames = task.object_frames
    if own_frames is not None:
        # Each object is cut to its own frames when it is scored.
        counted = range(num_frames)
        own_frames = {key: _inner(places, protocol) for key, places in own_frames.items()}
        problems += _own_frame_problems(own_frames, task.truth, num_frames, protocol)
    if problems:
        raise EvaluationError("; ".join(problems))
    part = slice(counted.start, counted.stop)
    proposals, truth = _proposals(task.predicted, protocol), _true_objects(task.truth, protocol)
    return replace(
        task,
        num_frames=len(counted),
        object_frames=own_frames,
        predicted={key: fitted_masks(masks[part], size) for key, masks in proposals.items()},
        truth={key: masks[part] for key, masks in truth.items()},
        foreground=_cut(task.foreground, part),
        foreground_pixels=_cut(task.foreground_pixels, part),
        ignored=None if protocol.void == "background" else _cut(task.ignored, part),
        repeated=_cut(task.repeated, part),
        mask_values=_cut(task.mask_values, part),
    )


def _cut(values: Sequence[_T] | None, part: slice) -> Sequence[_T] | None:
    return None if values is None else values[part]


def _true_objects(truth: PredictedMasks, protocol: EvalProtocol) -> PredictedMasks:
    if protocol.objects == "union" or protocol.true_objects == "all":
        return truth
    shown = [
        key
        for key, masks in truth.items()
        if len(masks) and (first := masks[0]) is not None and first.area
    ]
    highest = max(shown, default=-1)
    return {key: masks for key, masks in truth.items() if key <= highest}


def _proposals(predicted: PredictedMasks, protocol: EvalProtocol) -> PredictedMasks:
    if protocol.matching == "id" or protocol.true_objects == "all":
        return predicted
    # Pictures of ids do not say how many objects beyond the highest id were predicted.
    found = [key for key, masks in predicted.items() if any(rle and rle.area for rle in masks)]
    highest = max(found, default=0)
    return {key: masks for key, masks in predicted.items() if key <= highest}


def _counted(num_frames: int, protocol: EvalProtocol) -> range:
    return range(1, max(1, num_frames - 1)) if protocol.frames == "inner" else range(num_frames)


def _inner(places: Sequence[_T], protocol: EvalProtocol) -> Sequence[_T]:
    return places[1:-1] if protocol.frames == "inner" else places


def _own_frame_problems(
    own_frames: Mapping[int, Sequence[int | None]],
    truth: PredictedMasks,
    num_frames: int,
    protocol: EvalProtocol,
) -> list[str]:
    if protocol.objects == "union":
        return ["the objects have frames of their own, but this protocol scores their union"]
    problems = []
    for key in truth:
        places = own_frames.get(key, ())
        if not places:
            problems.append(f"of the annotated frames of true object {key} none counts")
        elif any(place is not None and not 0 <= place < num_frames for place in places):
            problems.append(
                f"true object {key} has frames outside the {num_frames} annotated ones"
            )
    return problems


def _object_problems(
    predicted: PredictedMasks, truth: PredictedMasks, protocol: EvalProtocol
) -> list[str]:
    if protocol.objects == "union":
        return []
    problems = []
    limit = protocol.max_proposals
    if limit is not None and len(predicted) > limit:
        problems.append(
            f"{len(predicted)} objects are predicted, {protocol.name} allows {limit}; "
            "keep the best of them"
        )
    extra = sorted(set(predicted) - set(truth)) if protocol.matching == "id" else []
    if extra and protocol.extra_objects == "error":
        problems.append(
            f"predicted objects {extra} are not among the true objects {sorted(truth)}; "
            "leave them out or give them the ids of the truth"
        )
    return problems


def _mask_problems(
    name: str, masks: MaskSequence, num_frames: int, size: Size | None
) -> list[str]:
    if len(masks) != num_frames:
        return [f"{name} has {len(masks)} masks for {num_frames} annotated frames"]
    if size is None:
        return []
    wrong = [
        (index, rle.size)
        for index, rle in enumerate(masks)
        if rle is not None and tuple(rle.size) != tuple(size)
    ]
    if not wrong:
        return []
    index, (height, width) = wrong[0]
    return [
        f"{name} has masks of another size on {len(wrong)} frames (on annotated frame {index} "
        f"{height}x{width} instead of {size[0]}x{size[1]}); predict at the size of the truth, "
        "or use a protocol with resolution='nearest'"
    ]


def fitted_masks(masks: Sequence[Rle | None], size: Size) -> tuple[Rle | None, ...]:
    """Return masks with those of another size resized; see ``resized_nearest``."""
    return tuple(
        rle
        if rle is None or tuple(rle.size) == tuple(size)
        else Rle.encode(resized_nearest(np.asarray(rle.decode()), size))
        for rle in masks
    )


def resized_nearest(mask: BoolArray, size: Size) -> BoolArray:
    """Return a mask at another size by nearest neighbor, sampled at the centers of pixels.

    This picks the same pixels as Pillow, with which benchmarks resize masks; OpenCV's nearest
    neighbor picks others.

    Args:
        mask: Shape (H, W).
        size: (height, width) of the result.
    """
    rows, columns = (_picked(old, new) for old, new in zip(mask.shape, size, strict=True))
    resized: BoolArray = mask[rows[:, None], columns[None, :]]
    return resized


def _picked(old: int, new: int) -> IntArray:
    steps = np.full(new, old / new)
    steps[:1] /= 2
    # As in Pillow, steps are added up: multiplying would round some centers differently.
    picked: IntArray = np.cumsum(steps).astype(np.intp).clip(0, old - 1)
    return picked
