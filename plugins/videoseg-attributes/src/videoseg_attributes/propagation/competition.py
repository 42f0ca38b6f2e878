"""Objects and background compete for every pixel, frame after frame.

Each cue adds to the score of every class, class 0 being the background; a softmax over the classes
gives their posteriors. Objects tracked one by one, each against everything else, would claim one
another's pixels; here they cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from videoseg.types import BoolArray, Size
from videoseg_attributes.propagation.class_maps import (
    append_empty_class,
    blur_classes,
    insert_given,
    normalize_classes,
    resize_classes,
    sum_classes,
    warp_classes,
)
from videoseg_attributes.propagation.class_models import (
    StillBackground,
    color_model,
    motion_bins,
    motion_layers,
    motion_model,
)
from videoseg_attributes.propagation.cues import FrameCues
from videoseg_attributes.propagation.presence import Presence
from videoseg_attributes.propagation.rough_places import RoughPlaces
from videoseg_attributes.propagation.view import View
from videoseg_attributes.vision.guided_filter import guided_filter
from videoseg_attributes.vision.optical_flow import FloatImage, resize_image

__all__ = ["Competition", "CueWeights"]

# Lengths are given in pixels of a cue grid of this many pixels and scale with the grid.
_REFERENCE_PIXELS = 25_600
# Posterior above which background is not refined any more.
_CERTAIN = 0.98
# Overlap of a correction with the track below which the track is taken for another object.
_SAME_OBJECT = 0.2
_ABSENT_SCORE = -30.0  # of a hidden object
_UNTRUSTED_BLUR = 4.0  # reference pixels, where flow is not trusted
_SURE = 0.8  # posterior from which a pixel is a sample of a class
_NEAR_BLUR = 4.0  # the width of the neighborhood over the blur of its edge
_FAR_WEIGHT = 0.1  # of background far from objects
_GROUP = 8  # classes that are worked on together; bounds memory where there are many


@dataclass(frozen=True, slots=True)
class CueWeights:
    """How much each cue counts.

    ``prior``, ``color``, ``motion``, ``gate`` and ``prior_floor`` come from a study on six DAVIS
    clips (blackswan, camel, car-shadow, dance-twirl, dog, rollerblade), with six others in view;
    eleven other settings gave J within 1.5 points there. The others were set by hand later, on
    those clips and dogs-jump.

    Args:
        prior: Where the object was, warped along the flow.
        color: What colors it has.
        motion: How strongly it moves by itself.
        layers: Which object a pixel moves with, where there are several.
        still: How much unchanged background counts for the background.
        gate: How strongly a pixel far from the warped mask is refused.
        prior_floor: Probability below which the prior no longer counts against a class.
        gate_base: Width of the gate for an object at rest, in reference pixels.
        gate_speed: How much wider the gate is for each pixel per frame of own motion.
        gate_limit: Largest width of the gate.
        sharpness: How strongly the refined probabilities are pushed towards 0 and 1.
        radius: Radius of the edge-preserving filter on the refinement grid, in pixels.
        epsilon: Guide variance below which that filter sees a flat region.
    """

    prior: float = 0.8
    color: float = 1.4
    motion: float = 1.4
    layers: float = 2.0
    still: float = 4.0
    gate: float = 6.0
    prior_floor: float = 0.03
    gate_base: float = 5.0
    gate_speed: float = 2.0
    gate_limit: float = 14.0
    sharpness: float = 2.0
    radius: int = 6
    epsilon: float = 3e-4


class Competition:
    """The state of one run: the posteriors of the classes, and their appearance.

    Args:
        cue_size: (height, width) of the cue grid.
        refine_size: (height, width) of the refinement grid.
        weights: How much each cue counts.
        places: Where objects were seen on other frames, if that is known.
    """

    def __init__(
        self,
        cue_size: Size,
        refine_size: Size,
        *,
        weights: CueWeights | None = None,
        places: RoughPlaces | None = None,
    ) -> None:
        self._size = cue_size
        self._refine_size = refine_size
        self._weights = weights or CueWeights()
        self._unit = float(np.sqrt(cue_size[0] * cue_size[1] / _REFERENCE_PIXELS))
        self._color = color_model()
        self._motion = motion_model()
        self._posteriors: FloatImage = np.ones((*cue_size, 1), dtype=np.float32)
        self._refined: FloatImage = np.ones((*refine_size, 1), dtype=np.float32)
        self._still = StillBackground(self._unit)
        self._presence: list[Presence] = []
        self._places = places or RoughPlaces((), View(0, 0, *cue_size))
        self.object_ids: list[int] = []

    @property
    def cue_size(self) -> Size:
        """(height, width) of the cue grid."""
        return self._size

    @property
    def posteriors(self) -> FloatImage:
        """Posterior of each class at each pixel, on the refinement grid, (h, w, C)."""
        return self._refined

    def visible(self, object_id: int) -> bool:
        """Whether the object was found on the current frame."""
        return self._presence[self.object_ids.index(object_id)].visible

    def advance(self, cues: FrameCues) -> None:
        """Move on to the next frame."""
        if not self.object_ids:
            return
        if cues.is_cut or cues.flow is None:
            self._cross_cut(cues)
            return
        posteriors = self._assign_pixels(cues)
        self._refine(posteriors, cues)
        self._search_hidden(cues)
        self._learn(cues)

    def place(self, cues: FrameCues, masks: dict[int, BoolArray]) -> None:
        """Take given masks as the truth on the current frame.

        Args:
            cues: The current frame.
            masks: For each object its mask, (H, W) bool at the source's size; not empty.
        """
        for object_id in masks:
            if object_id not in self.object_ids:
                self._add(object_id)
        classes = self._classes(masks)
        before = self._posteriors
        self._keep_given(masks)
        for number in classes:
            if _overlap(before[..., number], self._posteriors[..., number]) < _SAME_OBJECT:
                # The track was on another object, so its appearance is dropped.
                self._color.forget(number)
                self._motion.forget(number)
            self._presence[number - 1].place(self._posteriors[..., number], cues)
            object_id = self.object_ids[number - 1]
            self._places.learn(object_id, cues.index, self._posteriors[..., number])
        self._anchor(cues, classes)
        self._still.learn(cues, self._posteriors[..., 0])

    def continue_from(
        self,
        earlier: Competition,
        cues: FrameCues,
        masks: dict[int, BoolArray],
        *,
        scale: tuple[float, float],
        shift: tuple[float, float],
    ) -> None:
        """Take over the objects of a competition over another part of the same frame.

        What objects look like is kept; how they move is measured anew, since it is relative to
        what else moves in view. The other competition must not be used any more.

        Args:
            earlier: The other one, after this frame.
            cues: This frame, in this part.
            masks: The mask of each visible object in this part, (H, W) bool.
            scale: How many new cue cells an old one is, along x and y.
            shift: The (x, y) of the old grid's origin on the new one.
        """
        visible = {object_id for object_id in masks if earlier.visible(object_id)}
        for object_id, presence in zip(earlier.object_ids, earlier._presence, strict=True):
            self._add(object_id)
            presence.move(scale, shift, unit=self._unit)
            self._presence[-1] = presence
        self._color = earlier._color
        self._places.take_over(earlier._places)
        self._keep_given({key: masks[key] for key in self.object_ids if key in visible})
        for number in self._classes(visible):
            self._presence[number - 1].place(self._posteriors[..., number], cues)
        histograms, _ = self._motion.measure(motion_bins(cues.motion), self._sample_weights())
        self._motion.anchor(histograms, [0, *self._classes(visible)])
        self._still.learn(cues, self._posteriors[..., 0])

    def _classes(self, object_ids: Iterable[int]) -> list[int]:
        return [self.object_ids.index(object_id) + 1 for object_id in object_ids]

    def _keep_given(self, masks: dict[int, BoolArray]) -> None:
        if not masks:
            return
        # Where given masks overlap, they share the pixel.
        shared = np.zeros(next(iter(masks.values())).shape, dtype=np.float32)
        for mask in masks.values():
            shared += mask
        np.maximum(shared, 1.0, out=shared)
        classes = self._classes(masks)
        on_grids = [
            np.empty((*size, len(classes)), dtype=np.float32)
            for size in (self._size, self._refine_size)
        ]
        for place, mask in enumerate(masks.values()):
            share = mask / shared
            for given in on_grids:
                given[..., place] = resize_image(share, given.shape[:2])
        self._posteriors = insert_given(self._posteriors, on_grids[0], classes)
        self._refined = insert_given(self._refined, on_grids[1], classes)

    def _add(self, object_id: int) -> None:
        self.object_ids.append(object_id)
        self._presence.append(Presence(self._unit))
        self._color.add_class()
        self._motion.add_class()
        self._posteriors = append_empty_class(self._posteriors)
        self._refined = append_empty_class(self._refined)

    def _anchor(self, cues: FrameCues, classes: list[int]) -> None:
        weights = self._sample_weights()
        for model, bins in (
            (self._color, cues.colors),
            (self._motion, motion_bins(cues.motion)),
        ):
            histograms, _ = model.measure(bins, weights)
            model.anchor(histograms, [0, *classes])

    def _assign_pixels(self, cues: FrameCues) -> FloatImage:
        weights = self._weights
        carried = self._warp_posteriors(cues)
        score = np.maximum(carried, np.float32(weights.prior_floor))
        np.log(score, out=score)
        score *= np.float32(weights.prior)
        for model, bins, weight in (
            (self._color, cues.colors, weights.color),
            (self._motion, motion_bins(cues.motion), weights.motion),
        ):
            for some in _groups(0, score.shape[2]):
                score[..., some] += np.float32(weight) * model.log_ratios(bins, some)
        unchanged = self._still.evidence(cues)
        if unchanged is not None:
            score[..., 0] += np.float32(weights.still) * unchanged
        several = len(self.object_ids) > 1
        if several and cues.residual is not None and cues.confidence is not None:
            score[..., 1:] += np.float32(weights.layers) * motion_layers(
                cues.residual, cues.confidence, carried[..., 1:]
            )
        for number, presence in enumerate(self._presence, start=1):
            if presence.visible:
                score[..., number] += self._places.weigh(
                    self.object_ids[number - 1],
                    cues.index,
                    self._gate(cues, carried[..., number]),
                    carried[..., number],
                    partial(self._color.log_ratios, cues.colors, slice(number, number + 1)),
                )
            else:
                score[..., number] = _ABSENT_SCORE
        best = np.maximum.reduce([score[..., n] for n in range(score.shape[2])])
        for number in range(score.shape[2]):
            score[..., number] -= best
        np.exp(score, out=score)
        return normalize_classes(score)

    def _warp_posteriors(self, cues: FrameCues) -> FloatImage:
        """Warp the last posteriors along the flow, blurred where the flow cannot be trusted."""
        assert cues.flow is not None and cues.confidence is not None  # not across a cut
        carried = np.empty_like(self._posteriors)
        for some in _groups(0, carried.shape[2]):
            sharp = warp_classes(self._posteriors[..., some], cues.flow)
            blurred = blur_classes(sharp, _UNTRUSTED_BLUR * self._unit)
            sharp = sharp - blurred
            for place in range(sharp.shape[2]):
                sharp[..., place] *= cues.confidence
            np.add(sharp, blurred, out=carried[..., some])
        return normalize_classes(carried)

    def _gate(self, cues: FrameCues, carried: FloatImage) -> FloatImage | np.float32:
        import cv2

        weights = self._weights
        inside = carried > 0.5
        if not inside.any() or cues.residual is None:
            return np.float32(-weights.gate)
        speed = np.hypot(*cues.residual[inside].T)
        reach = weights.gate_base * self._unit + weights.gate_speed * float(
            np.percentile(speed, 80)
        )
        reach = max(1.0, min(weights.gate_limit * self._unit, reach))
        distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 3)
        beyond = np.maximum(distance - 0.5 * reach, 0.0) / (0.5 * reach)
        gate: FloatImage = np.float32(weights.gate) * (np.exp(-0.5 * beyond * beyond) - 1.0)
        return gate

    def _refine(self, posteriors: FloatImage, cues: FrameCues) -> None:
        """Align posteriors with image edges, sharpen them and make them the current state."""
        weights = self._weights
        size = self._refine_size
        refined = np.zeros((*size, posteriors.shape[2]), dtype=np.float32)
        refined[..., 0] = 1.0
        rows, columns = _region(posteriors[..., 0] < _CERTAIN, size, margin=3 * weights.radius)
        if rows.stop > rows.start:
            guide = cues.guide[rows, columns].astype(np.float32) * np.float32(1 / 255)
            part = refined[rows, columns]
            # A few classes at a time: what is computed on the way then does not grow with them.
            for some in _groups(1, posteriors.shape[2]):
                objects = resize_classes(posteriors[..., some], size)[rows, columns]
                part[..., some] = guided_filter(
                    guide, objects, radius=weights.radius, epsilon=weights.epsilon
                )
            np.clip(part[..., 1:], 0.0, 1.0, out=part[..., 1:])
            part[..., 0] = np.clip(1.0 - sum_classes(part[..., 1:]), 0.0, 1.0)
            normalize_classes(part)
            if weights.sharpness == 2:  # many times as fast as a power
                np.square(part, out=part)
            else:
                np.power(part, weights.sharpness, out=part)
            normalize_classes(part)
        self._refined = refined
        self._posteriors = resize_classes(refined, self._size)
        for number, presence in enumerate(self._presence, start=1):
            if presence.visible and not presence.follow(self._posteriors[..., number], cues):
                self._hide(number)

    def _hide(self, number: int) -> None:
        for posteriors in (self._posteriors, self._refined):
            posteriors[..., 0] += posteriors[..., number]
            posteriors[..., number] = 0.0

    def _search_hidden(self, cues: FrameCues) -> None:
        hidden = [n for n, presence in enumerate(self._presence, start=1) if not presence.visible]
        if not hidden:
            return
        probabilities = self._color.probabilities()
        for number in hidden:
            presence = self._presence[number - 1]
            free = 1.0 - sum_classes(self._posteriors[..., 1:])
            area = self._places.search_area(self.object_ids[number - 1], cues.index, self._size)
            found = presence.search(
                cues, probabilities[:, number], probabilities[:, 0], free, within=area
            )
            if found is None:
                continue
            self._claim(number, found)
            presence.regain(self._posteriors[..., number], cues)

    def _claim(self, number: int, found: BoolArray) -> None:
        mask = found.astype(np.float32)
        large = resize_image(mask, self._refine_size)
        self._posteriors = insert_given(self._posteriors, mask[..., None], [number])
        self._refined = insert_given(self._refined, large[..., None], [number])

    def _cross_cut(self, cues: FrameCues) -> None:
        """Start a new shot: only the appearance of the objects is kept."""
        self._still.forget()
        for number, presence in enumerate(self._presence, start=1):
            presence.lose(everywhere=True)
            self._hide(number)
        # The new scene has its own background. Until the objects are found in it, the whole
        # frame stands for it.
        self._color.forget(0)
        self._motion.forget(0)
        self._anchor(cues, [])
        self._search_hidden(cues)
        if any(presence.visible for presence in self._presence):
            self._color.forget(0)
            self._motion.forget(0)
            self._anchor(cues, [])

    def _learn(self, cues: FrameCues) -> None:
        self._still.learn(cues, self._posteriors[..., 0])
        weights = self._sample_weights()
        for number, presence in enumerate(self._presence, start=1):
            if not presence.visible:
                weights[..., number] = 0.0
        for model, bins in (
            (self._color, cues.colors),
            (self._motion, motion_bins(cues.motion)),
        ):
            histograms, usable = model.measure(bins, weights)
            model.follow(histograms, usable)

    def _sample_weights(self) -> FloatImage:
        """Return how much each pixel says about the appearance of each class, (h, w, C)."""
        import cv2

        posteriors = self._posteriors
        weights = np.where(posteriors > _SURE, posteriors, np.float32(0.0))
        for number in range(1, posteriors.shape[2]):
            if not weights[..., number].any():
                weights[..., number] = np.square(posteriors[..., number])
        # Objects must be distinguished from the background near them above all.
        side = max(1, int(21 * self._unit)) | 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        objects = (posteriors[..., 0] < 0.5).astype(np.uint8)
        near = blur_classes(cv2.dilate(objects, kernel).astype(np.float32), side / _NEAR_BLUR)
        weights[..., 0] = (posteriors[..., 0] > _SURE) * (_FAR_WEIGHT + near)
        return weights


def _groups(first: int, num_classes: int) -> Iterator[slice]:
    """Yield the classes from one on in groups of bounded size."""
    for start in range(first, num_classes, _GROUP):
        yield slice(start, min(start + _GROUP, num_classes))


def _region(wanted: BoolArray, size: Size, *, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns of a finer grid that hold all wanted pixels, and a margin."""
    rows, columns = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
    if len(rows) == 0:
        return slice(0, 0), slice(0, 0)
    slices = []
    for found, coarse, fine in (
        (rows, wanted.shape[0], size[0]),
        (columns, wanted.shape[1], size[1]),
    ):
        factor = fine / coarse
        start = int(found[0] * factor) - margin
        stop = int(np.ceil((found[-1] + 1) * factor)) + margin
        slices.append(slice(max(0, start), min(fine, stop)))
    return slices[0], slices[1]


def _overlap(first: FloatImage, second: FloatImage) -> float:
    union = float(np.maximum(first, second).sum())
    return float(np.minimum(first, second).sum()) / union if union > 0 else 0.0
