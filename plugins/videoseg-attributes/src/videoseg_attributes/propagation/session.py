"""One propagation over one video."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from types import TracebackType

import numpy as np

from videoseg.errors import PropagationError
from videoseg.stages import Direction, Segmenter
from videoseg.types import BoolArray, FrameMasks, Prompt, VideoSource
from videoseg_attributes.propagation.competition import Competition
from videoseg_attributes.propagation.cues import CueStream, CueWindow, FrameCues
from videoseg_attributes.propagation.output import masks_from_shares
from videoseg_attributes.propagation.prompts import check_prompt, ellipse_in_box

__all__ = ["FlowSession"]

_logger = logging.getLogger(__name__)


class FlowSession:
    """Carries objects through one video; see ``FlowPropagator``.

    Besides the prompts, a running propagation holds a few frames and one set of shares.

    Args:
        video: The video.
        window: How cues are measured.
        max_objects: How many objects there may be; None for no limit.
        segmenter: Turns boxes and points into masks; None for the built-in one.
    """

    def __init__(
        self,
        video: VideoSource,
        window: CueWindow,
        *,
        max_objects: int | None = None,
        segmenter: Segmenter | None = None,
    ) -> None:
        self._video = video
        self._window = window
        self._max_objects = max_objects
        self._segmenter = segmenter
        self._prompts: dict[int, dict[int, Prompt]] = {}
        self._closed = False

    def prompt(self, prompt: Prompt) -> None:
        """Say where one object is on one frame. Allowed at any time before ``close``.

        A prompt for a frame that a running propagation has not reached takes effect there.
        One for a frame already yielded takes effect in the next run.

        Raises:
            PropagationError: If the prompt cannot be used; the session is unharmed.
        """
        self._require_open()
        check_prompt(prompt, size=self._video.size, num_frames=self._video.num_frames)
        on_frame = self._prompts.get(prompt.frame, {})
        if prompt.object_id in on_frame:
            raise PropagationError(
                f"object {prompt.object_id} already has a prompt on frame {prompt.frame}; "
                "put box, points and mask of one object into one prompt"
            )
        known = {object_id for prompts in self._prompts.values() for object_id in prompts}
        if self._max_objects is not None and len(known | {prompt.object_id}) > self._max_objects:
            raise PropagationError(
                f"object {prompt.object_id} is one too many: this propagator was told to "
                f"carry at most {self._max_objects} (max_objects_per_pass)"
            )
        self._prompts.setdefault(prompt.frame, {})[prompt.object_id] = prompt

    def run(
        self, direction: Direction = "forward", *, stop: int | None = None
    ) -> Iterator[FrameMasks]:
        """Yield masks frame by frame, releasing each as soon as it is yielded.

        Args:
            direction: ``forward`` from the earliest prompted frame, or ``backward`` from the
                latest.
            stop: Forward: the frame to stop before. Backward: the last frame to yield.

        Raises:
            PropagationError: If nothing was prompted, the session is closed, or direction or
                stop is not allowed.
        """
        self._require_open()
        if direction not in ("forward", "backward"):
            raise PropagationError(f"direction must be forward or backward, got {direction!r}")
        if not self._prompts:
            raise PropagationError("nothing to propagate: prompt at least one object before run")
        if stop is not None and stop < 0:
            raise PropagationError(f"stop must be a frame index of at least 0, got {stop}")
        if direction == "forward":
            first = min(self._prompts)
            frames = self._video.iter_frames(first, self._end(stop))
        else:
            frames = self._video.iter_frames(stop or 0, max(self._prompts) + 1, reverse=True)
        return self._propagate(frames)

    def close(self) -> None:
        """Free everything the session holds. Using it afterwards is a PropagationError."""
        self._closed = True
        self._prompts.clear()

    def __enter__(self) -> FlowSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _end(self, stop: int | None) -> int | None:
        num_frames = self._video.num_frames
        if stop is None or num_frames is None:
            return stop
        return min(stop, num_frames)

    def _require_open(self) -> None:
        if self._closed:
            raise PropagationError("this session is closed; open a new one on the propagator")

    def _propagate(self, frames: Iterator[tuple[int, np.ndarray]]) -> Iterator[FrameMasks]:
        stream = CueStream(frames, self._video.size, self._window)
        competition = Competition(stream.cue_size, stream.refine_size)
        prompted: set[int] = set()
        for cues in stream:
            self._require_open()
            competition.advance(cues)
            given = self._given_masks(cues)
            placeable = {object_id: mask for object_id, mask in given.items() if mask.any()}
            if placeable:
                competition.place(cues, placeable)
            masks = masks_from_shares(competition, self._video.size)
            # The user's own masks are returned as they were given.
            masks.update(given)
            # What the segmenter could not find is prompted all the same, but not visible.
            prompted.update(given)
            for object_id in prompted.difference(masks):
                masks[object_id] = np.zeros(self._video.size, dtype=bool)
            yield FrameMasks(cues.index, masks, self._video.size)
            self._require_open()

    def _given_masks(self, cues: FrameCues) -> dict[int, BoolArray]:
        prompts = self._prompts.get(cues.index)
        if not prompts:
            return {}
        given = {
            object_id: prompt.mask.decode()
            for object_id, prompt in prompts.items()
            if prompt.mask is not None
        }
        rest = [prompt for prompt in prompts.values() if prompt.mask is None]
        if rest:
            given.update(self._segment(rest))
        return given

    def _segment(self, prompts: Sequence[Prompt]) -> dict[int, BoolArray]:
        """Turn boxes and points of one frame into masks."""
        if self._segmenter is None:
            from videoseg_attributes.segmentation.cut import CutSegmenter

            self._segmenter = CutSegmenter()
        answers = self._segmenter.segment(self._video, prompts)
        masks: dict[int, BoolArray] = {}
        for prompt, answer in zip(prompts, answers, strict=True):
            mask = np.asarray(answer.mask, dtype=bool)
            if mask.shape != tuple(self._video.size):
                raise PropagationError(
                    f"the segmenter gave object {prompt.object_id} a mask of shape "
                    f"{mask.shape} on a frame of {tuple(self._video.size)}"
                )
            if not mask.any() and prompt.box is not None:
                _logger.warning(
                    "the segmenter found nothing in the box of object %d on frame %d; the "
                    "ellipse that fills the box is used",
                    prompt.object_id,
                    prompt.frame,
                )
                mask = ellipse_in_box(prompt.box, self._video.size)
            elif not mask.any():
                _logger.warning(
                    "the segmenter found nothing at the points of object %d on frame %d",
                    prompt.object_id,
                    prompt.frame,
                )
            masks[prompt.object_id] = mask
        return masks
