"""One propagation over one video."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from videoseg.errors import PropagationError
from videoseg.masks import remove_specks
from videoseg.propagation import FrameRun, SessionBase
from videoseg.stages import Segmenter
from videoseg.types import BoolArray, Prompt, PropagatorCapabilities, Size, VideoSource
from videoseg_attributes.propagation.competition import Competition
from videoseg_attributes.propagation.cues import CueStream, CueWindow, FrameCues
from videoseg_attributes.segmentation.cut import CutSegmenter, fill_ellipse

__all__ = ["FlowSession"]

_logger = logging.getLogger(__name__)

# Parts of an object smaller than this fraction of its largest part are noise.
_SMALLEST_PART = 0.03


class FlowSession(SessionBase):
    """Propagates objects through one video; see ``FlowPropagator``.

    Besides the prompts, a run holds a few frames and each object's share of every pixel.

    Args:
        video: The video.
        capabilities: What the propagator declares.
        window: How cues are measured.
        segmenter: Turns boxes and points into masks; None for the built-in one.
    """

    def __init__(
        self,
        video: VideoSource,
        capabilities: PropagatorCapabilities,
        *,
        window: CueWindow,
        segmenter: Segmenter | None = None,
    ) -> None:
        super().__init__(video, capabilities)
        self._window = window
        self._segmenter = segmenter

    def propagate(self, frames: FrameRun) -> Iterator[tuple[int, Mapping[int, BoolArray]]]:
        """Yield the masks of one run, frame by frame; see ``SessionBase.propagate``."""
        size = self.video.size
        stream = CueStream(frames, size, self._window)
        competition = Competition(stream.cue_size, stream.refine_size)
        prompted: set[int] = set()
        for cues in stream:
            competition.advance(cues)
            given = self._given_masks(cues)
            placeable = {object_id: mask for object_id, mask in given.items() if mask.any()}
            if placeable:
                competition.place(cues, placeable)
            masks = _masks_of(competition, size)
            # The user's own masks are returned as they were given.
            masks.update(given)
            # What the segmenter could not find is prompted all the same, but not visible.
            prompted.update(given)
            for object_id in prompted.difference(masks):
                masks[object_id] = np.zeros(size, dtype=bool)
            yield cues.index, masks

    def _given_masks(self, cues: FrameCues) -> dict[int, BoolArray]:
        given = self.masks_on(cues.index)
        rest = [p for p in self.prompts_on(cues.index).values() if p.mask is None]
        if rest:
            given.update(self._segment(rest))
        return given

    def _segment(self, prompts: Sequence[Prompt]) -> dict[int, BoolArray]:
        """Turn boxes and points of one frame into masks."""
        if self._segmenter is None:
            self._segmenter = CutSegmenter()
        answers = self._segmenter.segment(self.video, prompts)
        masks: dict[int, BoolArray] = {}
        for prompt, answer in zip(prompts, answers, strict=True):
            mask = np.asarray(answer.mask, dtype=bool)
            if mask.shape != tuple(self.video.size):
                raise PropagationError(
                    f"the segmenter gave object {prompt.object_id} a mask of shape "
                    f"{mask.shape} on a frame of {tuple(self.video.size)}"
                )
            if not mask.any() and prompt.box is not None:
                _logger.warning(
                    "the segmenter found nothing in the box of object %d on frame %d; the "
                    "ellipse that fills the box is used",
                    prompt.object_id,
                    prompt.frame,
                )
                mask = fill_ellipse(prompt.box, self.video.size)
            elif not mask.any():
                _logger.warning(
                    "the segmenter found nothing at the points of object %d on frame %d",
                    prompt.object_id,
                    prompt.frame,
                )
            masks[prompt.object_id] = mask
        return masks


def _masks_of(competition: Competition, size: Size) -> dict[int, BoolArray]:
    """Return each object's mask, (H, W); all False for one that is not visible.

    A pixel belongs to the class with the largest share, so masks do not overlap.
    """
    import cv2

    height, width = size
    posteriors = competition.posteriors
    masks: dict[int, BoolArray] = {}
    background = np.ascontiguousarray(posteriors[..., 0])
    best = np.asarray(cv2.resize(background, (width, height), interpolation=cv2.INTER_LINEAR))
    for number, object_id in enumerate(competition.object_ids, start=1):
        if not competition.visible(object_id):
            masks[object_id] = np.zeros(size, dtype=bool)
            continue
        posterior = np.ascontiguousarray(posteriors[..., number])
        large = np.asarray(cv2.resize(posterior, (width, height), interpolation=cv2.INTER_LINEAR))
        mine = large > best
        for earlier in masks.values():
            earlier &= ~mine
        best = np.maximum(best, large)
        masks[object_id] = mine
    return {key: remove_specks(mask, _SMALLEST_PART) for key, mask in masks.items()}
