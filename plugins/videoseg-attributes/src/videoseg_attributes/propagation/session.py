"""One propagation over one video."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice

import numpy as np

from videoseg.errors import PropagationError
from videoseg.masks import remove_specks
from videoseg.propagation import FrameRun, SessionBase
from videoseg.stages import Segmenter
from videoseg.types import (
    BoolArray,
    Prompt,
    PropagatorCapabilities,
    RoughPlace,
    Size,
    VideoSource,
)
from videoseg_attributes.propagation.competition import Competition
from videoseg_attributes.propagation.cues import CueStream, CueWindow, FrameCues
from videoseg_attributes.propagation.rough_places import RoughPlaces
from videoseg_attributes.propagation.view import (
    LARGEST_SHARE,
    Area,
    RereadFrames,
    View,
    choose_view,
    mask_area,
    middle_of,
    prompt_area,
    suits,
)
from videoseg_attributes.segmentation.cut import CutSegmenter, fill_ellipse
from videoseg_attributes.vision.optical_flow import FloatImage

__all__ = ["FlowSession"]

_logger = logging.getLogger(__name__)

# Parts of an object smaller than this fraction of its largest part are noise.
_SMALLEST_PART = 0.03
# Frames on which every object is visible, and a smaller view would do, before it is narrowed:
# an object that goes behind something is small for a while, and one that is lost looks slow.
_CALM_FRAMES = 6


class FlowSession(SessionBase):
    """Propagates objects through one video; see ``FlowPropagator``.

    Besides the prompts, a run holds a few frames and each object's share of every pixel.

    Args:
        video: The video.
        capabilities: What the propagator declares.
        window: How cues are measured.
        follow: Look at a part of the frame that follows the objects.
        segmenter: Turns boxes and points into masks; None for the built-in one.
    """

    def __init__(
        self,
        video: VideoSource,
        capabilities: PropagatorCapabilities,
        *,
        window: CueWindow,
        follow: bool = False,
        segmenter: Segmenter | None = None,
    ) -> None:
        super().__init__(video, capabilities)
        self._window = window
        self._follow = follow
        self._segmenter = segmenter
        self._places: list[RoughPlace] = []

    def heed(self, place: RoughPlace) -> None:
        """Be told where an object was seen; see ``videoseg.stages.HeedsPlaces``."""
        self.require_open()
        self._places.append(place)

    def close(self) -> None:
        """Free everything the session holds."""
        self._places.clear()
        super().close()

    def propagate(self, frames: FrameRun) -> Iterator[tuple[int, Mapping[int, BoolArray]]]:
        """Yield the masks of one run, frame by frame; see ``SessionBase.propagate``."""
        if self._follow:
            yield from self._propagate_in_view(frames)
            return
        size = self.video.size
        stream = CueStream(frames, size, self._window)
        competition = self._begin(stream, View(0, 0, *size))
        prompted: set[int] = set()
        for cues in stream:
            yield cues.index, self._masks_on(cues, competition, View(0, 0, *size), prompted)

    def _propagate_in_view(
        self, frames: FrameRun
    ) -> Iterator[tuple[int, Mapping[int, BoolArray]]]:
        """Propagate in a view that follows the objects; the whole frame where one is lost."""
        size = self.video.size
        step = 1 if frames.direction == "forward" else -1
        rest = RereadFrames(frames)
        velocity = _Velocity()
        start = rest.peek()
        prompted_areas = self._prompt_areas(start)
        if self._window.lookahead and choose_view(prompted_areas, size).size != tuple(size):
            self._look_at_speed(rest, velocity)
        view = choose_view(prompted_areas, size, velocity=velocity.now)
        prompted: set[int] = set()
        earlier: tuple[Competition, View, Mapping[int, BoolArray]] | None = None
        num_calm = 0
        while rest.peek() is not None:
            stream = CueStream(rest.read(view), view.size, self._window)
            competition = self._begin(stream, view)
            with closing(iter(stream)) as looks:
                for cues in looks:
                    rest.advance_to(cues.index)
                    if earlier is not None:
                        # This frame's masks have been yielded before the view moved.
                        _move(competition, cues, view, *earlier)
                        earlier = None
                        continue
                    masks = self._masks_on(cues, competition, view, prompted)
                    yield cues.index, masks
                    found = all(map(competition.visible, competition.object_ids))
                    areas = _areas_of(masks) if found else []
                    velocity.see(areas)
                    if areas:
                        areas += self._prompt_areas(cues.index + step)
                    now = velocity.now
                    wanted = choose_view(areas, size, velocity=now)
                    is_smaller = wanted.height * LARGEST_SHARE < view.height
                    num_calm = num_calm + 1 if is_smaller else 0
                    least = 0 if num_calm >= _CALM_FRAMES else view.height
                    if not suits(view, areas, size, velocity=now, least_height=least):
                        earlier = competition, view, masks
                        view = choose_view(areas, size, velocity=now, least_height=least)
                        num_calm = 0
                        break
                else:
                    return

    def _look_at_speed(self, rest: RereadFrames, velocity: _Velocity) -> None:
        """See how fast the objects begin to move: on two frames, which are read again later."""
        size = self.video.size
        whole = View(0, 0, *size)
        stream = CueStream(islice(rest.read(whole), 2), size, replace(self._window, lookahead=0))
        competition = self._begin(stream, whole)
        for cues in stream:
            masks = self._masks_on(cues, competition, whole, set())
            velocity.see(_areas_of(masks))
        velocity.begin_again()

    def _begin(self, stream: CueStream, view: View) -> Competition:
        return Competition(
            stream.cue_size, stream.refine_size, places=RoughPlaces(self._places, view)
        )

    def _masks_on(
        self, cues: FrameCues, competition: Competition, view: View, prompted: set[int]
    ) -> dict[int, BoolArray]:
        """Return the masks of the next frame, (H, W) each, and add to what was prompted."""
        size = self.video.size
        competition.advance(cues)
        given = self._given_masks(cues)
        in_view = {object_id: view.cut(mask) for object_id, mask in given.items()}
        placeable = {object_id: mask for object_id, mask in in_view.items() if mask.any()}
        if placeable:
            competition.place(cues, placeable)
        found = _masks_of(competition, view.size)
        masks = {object_id: view.spread(mask, size) for object_id, mask in found.items()}
        # The user's own masks are returned as they were given.
        masks.update(given)
        # What the segmenter could not find is prompted all the same, but not visible.
        prompted.update(given)
        for object_id in prompted.difference(masks):
            masks[object_id] = np.zeros(size, dtype=bool)
        return masks

    def _prompt_areas(self, frame: int | None) -> list[Area]:
        prompts = {} if frame is None else self.prompts_on(frame)
        return list(filter(None, map(prompt_area, prompts.values())))

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


class _Velocity:
    """The motion of the objects' middle along y and x, in pixels a frame."""

    def __init__(self) -> None:
        self._middle: tuple[float, float] | None = None
        self._num_objects = 0
        self._is_known = False
        self.now = (0.0, 0.0)

    def see(self, areas: Sequence[Area]) -> None:
        """Look at what the objects cover on the next frame; nothing if one of them is lost."""
        before, self._middle = self._middle, middle_of(areas)
        is_same = len(areas) == self._num_objects
        self._num_objects = len(areas)
        if self._middle is None:
            self._is_known = False
            self.now = (0.0, 0.0)
        elif before is not None and is_same:
            steps = (self._middle[0] - before[0], self._middle[1] - before[1])
            last = self.now if self._is_known else steps
            self._is_known = True
            self.now = ((last[0] + steps[0]) / 2, (last[1] + steps[1]) / 2)

    def begin_again(self) -> None:
        """Forget where the objects are, not how fast."""
        self._middle = None


def _areas_of(masks: Mapping[int, BoolArray]) -> list[Area]:
    return list(filter(None, map(mask_area, masks.values())))


def _move(
    competition: Competition,
    cues: FrameCues,
    view: View,
    earlier: Competition,
    earlier_view: View,
    masks: Mapping[int, BoolArray],
) -> None:
    """Let a competition in a new view go on from an earlier one, on the same frame."""
    height, width = cues.colors.shape
    earlier_height, earlier_width = earlier.cue_size
    # Pixels of a cell on both grids; the middle of the first cell lies half a cell inside.
    cell = view.width / width, view.height / height
    earlier_cell = earlier_view.width / earlier_width, earlier_view.height / earlier_height
    offset = earlier_view.left - view.left, earlier_view.top - view.top
    scale = earlier_cell[0] / cell[0], earlier_cell[1] / cell[1]
    shift = tuple((offset[axis] + 0.5 * earlier_cell[axis]) / cell[axis] - 0.5 for axis in (0, 1))
    competition.continue_from(
        earlier,
        cues,
        {object_id: view.cut(mask) for object_id, mask in masks.items()},
        scale=scale,
        shift=(shift[0], shift[1]),
    )


def _masks_of(competition: Competition, size: Size) -> dict[int, BoolArray]:
    """Return each object's mask, (H, W); all False for one that is not visible.

    A pixel belongs to the class with the largest share, so masks do not overlap.
    """
    import cv2

    def enlarge(share: FloatImage) -> FloatImage:
        large = cv2.resize(
            np.ascontiguousarray(share), (size[1], size[0]), interpolation=cv2.INTER_LINEAR
        )
        return np.asarray(large, dtype=np.float32)

    shares = competition.posteriors
    if len(competition.object_ids) == 1 and competition.visible(competition.object_ids[0]):
        # Enlarging is linear: one map instead of two.
        winners = np.asarray(enlarge(shares[..., 1] - shares[..., 0]) > 0).view(np.uint8)
    else:
        best = enlarge(shares[..., 0])
        winners = np.zeros(size, dtype=np.int32)
        for number, object_id in enumerate(competition.object_ids, start=1):
            if competition.visible(object_id):
                share = enlarge(shares[..., number])
                np.copyto(winners, number, where=share > best)
                np.maximum(best, share, out=best)
    return {
        object_id: remove_specks(winners == number, _SMALLEST_PART)
        for number, object_id in enumerate(competition.object_ids, start=1)
    }
