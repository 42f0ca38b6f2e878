"""The masks of a ``[SEG]`` policy in training: on which frames, as sampled, and in truth.

In VideoSEG-O3's training, each ``[SEG]`` of each turn is decoded on the frames of the overview
(the larger ones of the first selection) and on the keyframe that is pending in its turn: in the
first turn the middle of the video, later the frame that the turn before has asked for. SAM 2's
memory plays no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from videoseg_o3 import FrameFeatures, SegModel

from videoseg import Episode
from videoseg_train.samples import TrainingSample

__all__ = [
    "FrameFeatureCache",
    "SegMasks",
    "SegPlace",
    "decode_masks",
    "overview_frames",
    "pending_keyframe",
    "true_masks",
]

# Frames in one pass of SAM 2's image encoder, and masks in one of its decoder.
_MAX_FRAMES = 8
_MAX_MASKS = 32


@dataclass(frozen=True, slots=True, eq=False)
class SegMasks:
    """The masks that one ``[SEG]`` of a rollout stands for.

    Args:
        step: Which of the rollout's steps it is in.
        turn: The turn of that step.
        index: Which ``[SEG]`` of the step it is, counted from 0.
        overview: The frames of the overview.
        keyframe: The keyframe that is pending in its turn.
        logits: On these frames and then on the keyframe, shape (number of frames + 1, S, S),
            dtype float32, above 0 is inside; without gradient.
    """

    step: int
    turn: int
    index: int
    overview: tuple[int, ...]
    keyframe: int
    logits: Tensor

    @property
    def frames(self) -> tuple[int, ...]:
        """The frame of each mask."""
        return (*self.overview, self.keyframe)


def overview_frames(episode: Episode) -> tuple[int, ...]:
    """Return the frames on which the masks of every turn are trained and judged.

    The larger frames (``detail``) that were shown first; all that were if there are none.
    """
    first = episode.selections[0]
    return first.of_role("detail") or first.indices


def pending_keyframe(episode: Episode, turn: int) -> int:
    """Return the frame that the ``[SEG]`` of a turn is to segment before others.

    The keyframe that was shown in this turn. If there is none: in the first turn the middle of the
    video, as in the released trainer, later the middle of what was shown.
    """
    selection = episode.selections[turn]
    if selection.keyframe is not None:
        return selection.keyframe
    if turn == 0:
        return len(episode.video) // 2
    return selection.indices[len(selection.indices) // 2]


class FrameFeatureCache:
    """SAM 2's features of frames, each computed once; SAM 2's image encoder is not trained.

    Args:
        model: The model.
    """

    def __init__(self, model: SegModel) -> None:
        self._model = model
        # By the sample itself, which is kept beside so that its id stays its own.
        self._kept: dict[tuple[int, int], tuple[TrainingSample, FrameFeatures]] = {}

    def of(self, wanted: Sequence[tuple[TrainingSample, int]]) -> FrameFeatures:
        """Return the features of frames of samples, in order."""
        keys = [(id(sample), frame) for sample, frame in wanted]
        missing = {
            key: sample
            for key, (sample, _) in zip(keys, wanted, strict=True)
            if key not in self._kept
        }
        names = list(missing)
        for start in range(0, len(names), _MAX_FRAMES):
            part = names[start : start + _MAX_FRAMES]
            frames = [missing[key].video[key[1]] for key in part]
            made = self._model.encode_images(self._model.image_input(frames))
            for number, key in enumerate(part):
                alone = made.select(torch.tensor([number], device=made.coarse.device))
                self._kept[key] = (missing[key], alone)
        return FrameFeatures.join([self._kept[key][1] for key in keys])

    def clear(self) -> None:
        """Forget all features."""
        self._kept.clear()


@dataclass(frozen=True, slots=True)
class SegPlace:
    """A ``[SEG]`` that is to be decoded, and where."""

    sample: TrainingSample
    step: int
    turn: int
    index: int
    overview: tuple[int, ...]
    keyframe: int
    state: Tensor


def decode_masks(
    model: SegModel, places: Sequence[SegPlace], features: FrameFeatureCache
) -> list[SegMasks]:
    """Return the masks of ``[SEG]`` on their frames, without gradient."""
    made = []
    with torch.no_grad():
        for place in places:
            frames = (*place.overview, place.keyframe)
            shown = features.of([(place.sample, frame) for frame in frames])
            vector = model.project(place.state[None]).expand(len(frames), -1, -1)
            logits = torch.cat(
                [
                    model.mask_logits(
                        shown.select(torch.arange(start, stop, device=vector.device)),
                        vector[start:stop],
                    )
                    for start, stop in _spans(len(frames), _MAX_MASKS)
                ]
            )
            made.append(
                SegMasks(
                    place.step, place.turn, place.index, place.overview, place.keyframe, logits
                )
            )
    return made


def true_masks(sample: TrainingSample, frames: Sequence[int]) -> Tensor:
    """Return the union of the true objects on frames, shape (number of frames, H, W), bool."""
    return torch.stack([torch.from_numpy(sample.mask(frame)) for frame in frames])


def _spans(length: int, size: int) -> list[tuple[int, int]]:
    return [(start, min(start + size, length)) for start in range(0, length, size)]
