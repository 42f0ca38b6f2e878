"""The segmenter ``cut``: boxes and points to masks by color, motion and a minimum cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videoseg.masks import bounding_box
from videoseg.propagation import check_segmenter_prompt
from videoseg.types import BoolArray, Box, Frame, ObjectMask, Point, Prompt, Size, VideoSource
from videoseg_attributes.segmentation.region_cut import RegionCut, RegionHint, cut_region
from videoseg_attributes.vision.motion import MotionEvidence, motion_around
from videoseg_attributes.vision.optical_flow import FloatImage

__all__ = [
    "CutSegmenter",
    "cut_around_points",
    "fill_ellipse",
    "find_moving_part",
    "measure_contrast",
]

# Set by hand while looking at DAVIS clips and drawn ones; not measured separately.
_CLEARLY_ANOTHERS = 0.5  # nats by which another object must explain a pixel better
_KEPT_SHARE = 0.1  # of an object's pixels: if less remains, objects may overlap
_REACHES = (0.05, 0.09, 0.15, 0.24)  # tried half sizes, in frame diagonals
_STILL = 0.6  # source pixels a frame; slower is not taken as motion
_WHOLE_MOTION = 0.85  # of the frame: if more moves, motion does not show the object
_NEAR_TIE = 0.95  # of the best contrast: then the larger extent is taken
_MOTION_BLUR = 1.5  # pixels of the motion's grid
_OF_MOTION_HERE = 0.35  # of the motion under the points: what moves as much belongs to it
_LEAST_MOVING = 0.0005  # of the frame
_BOX_MARGIN = 0.05  # of the longer side
_PART_OUTSIDE, _PART_INSIDE = 0.05, 0.9  # probability outside a moving part; added inside
_CONTRAST_PAD, _CONTRAST_BAND = 0.2, 0.25  # of the box's side; of the root of the area
_POINT_OUTSIDE, _POINT_INSIDE = 0.05, 0.85  # probability far from points; added under them
_POINT_SPREAD = 0.55  # of the tried extent


class CutSegmenter:
    """Segment objects from boxes and points, without weights.

    Uses color models of object and surroundings, motion against the neighboring frames, and a
    minimum cut along color edges. Deterministic.

    Args:
        use_motion: Read the frames next to the prompted one. Without motion, and for still
            objects, only color and place separate an object from its surroundings.

    Example:
        >>> import numpy as np
        >>> from videoseg.types import Box, Prompt
        >>> from videoseg.video import Video
        >>> frame = np.full((40, 60, 3), 30, np.uint8)
        >>> frame[10:30, 20:45] = (220, 60, 40)
        >>> video = Video.from_frames(frame[None])
        >>> [answer] = CutSegmenter().segment(video, [Prompt(1, 0, box=Box(18, 8, 47, 32))])
        >>> int(answer.mask.sum())
        500
    """

    def __init__(self, *, use_motion: bool = True) -> None:
        self._use_motion = use_motion

    def segment(self, video: VideoSource, prompts: Sequence[Prompt]) -> list[ObjectMask]:
        """Return one mask for each prompt, in order.

        Args:
            video: The video; frames beside the prompted ones are read for motion.
            prompts: Boxes, points or both. A prompt that has a mask gets this mask back.
                Masks of one frame are disjoint, except where that would leave an object
                next to nothing (two prompts for the same object) and for masks given.

        Returns:
            Masks of the source's size, never empty, with a score in [0, 1].

        Raises:
            ConfigError: If a box or point lies outside the frame or a given mask is empty.
            ShapeError: If a given mask is not of the frame's size.
            IncompatibleStagesError: If a prompt has nothing but an embedding.
            VideoError: If there is no such frame.
        """
        for prompt in prompts:
            check_segmenter_prompt(prompt, video.size, segmenter="cut")
        answers: dict[int, ObjectMask] = {}
        for frame in sorted({prompt.frame for prompt in prompts}):
            here = [index for index, prompt in enumerate(prompts) if prompt.frame == frame]
            on_frame = [prompts[index] for index in here]
            answers.update(zip(here, self._segment_frame(video, frame, on_frame), strict=True))
        return [answers[index] for index in range(len(prompts))]

    def _segment_frame(
        self, video: VideoSource, frame: int, prompts: Sequence[Prompt]
    ) -> list[ObjectMask]:
        image = video[frame]
        given = [None if prompt.mask is None else prompt.mask.decode() for prompt in prompts]
        wanted = [index for index, mask in enumerate(given) if mask is None]
        motion = MotionEvidence(())
        if wanted and self._use_motion:
            motion = motion_around(video, frame, image=image)
        taken = np.zeros(image.shape[:2], dtype=bool)
        for mask in given:
            if mask is not None:
                taken |= mask
        cuts = _separate(image, motion, [prompts[index] for index in wanted], taken)
        answers: list[ObjectMask] = []
        remaining = iter(cuts)
        for mask in given:
            answers.append(ObjectMask(mask, 1.0) if mask is not None else next(remaining))
        return answers


def _separate(
    image: Frame, motion: MotionEvidence, prompts: Sequence[Prompt], taken: BoolArray
) -> list[ObjectMask]:
    boxes: list[Box] = []
    cuts: list[RegionCut] = []
    for prompt in prompts:
        others = [other for other in prompts if other is not prompt]
        cut, box = _first_cut(image, motion, prompt, others, taken)
        cuts.append(cut)
        boxes.append(box)
    if len(cuts) > 1:
        cuts = [
            _recut_without_others(image, motion, index, prompts, boxes, cuts, taken)
            for index in range(len(cuts))
        ]
    masks = _make_disjoint(cuts)
    return [
        _make_answer(mask, cut, prompt, box)
        for mask, cut, prompt, box in zip(masks, cuts, prompts, boxes, strict=True)
    ]


def _first_cut(
    image: Frame,
    motion: MotionEvidence,
    prompt: Prompt,
    others: Sequence[Prompt],
    taken: BoolArray,
) -> tuple[RegionCut, Box]:
    size = (image.shape[0], image.shape[1])
    negative = (*prompt.negative_points, *(point for other in others for point in other.points))
    blocked = taken if taken.any() else None
    if prompt.box is None:
        return cut_around_points(image, motion, prompt.points, negative, blocked)
    box = _extend_to_points(prompt.box, prompt.points, size)
    # Where objects meet, one may hide the side of the other that its box shows.
    is_alone = not any(other.box is not None and other.box.iou(box) > 0 for other in others)
    hint = RegionHint(box, prompt.points, negative, blocked=blocked, is_tight=is_alone)
    return cut_region(image, motion, hint), box


def _recut_without_others(
    image: Frame,
    motion: MotionEvidence,
    index: int,
    prompts: Sequence[Prompt],
    boxes: Sequence[Box],
    cuts: Sequence[RegionCut],
    taken: BoolArray,
) -> RegionCut:
    own = cuts[index]
    blocked = taken.copy()
    contested = False
    for other in range(len(cuts)):
        if other == index or boxes[index].iou(boxes[other]) == 0:
            continue
        better = cuts[other].log_odds > own.log_odds + _CLEARLY_ANOTHERS
        theirs = cuts[other].mask & better
        contested |= bool((theirs & own.mask).any())
        blocked |= theirs
    if not contested:
        return own
    others = tuple(p for i, prompt in enumerate(prompts) if i != index for p in prompt.points)
    negative = (*prompts[index].negative_points, *others)
    hint = RegionHint(boxes[index], prompts[index].points, negative, blocked=blocked)
    again = cut_region(image, motion, hint)
    return again if again.mask.sum() >= _KEPT_SHARE * own.mask.sum() else own


def _make_disjoint(cuts: Sequence[RegionCut]) -> list[BoolArray]:
    if len(cuts) < 2:
        return [cut.mask for cut in cuts]
    odds = np.stack([np.where(cut.mask, cut.log_odds, -np.inf) for cut in cuts])
    best = odds.argmax(axis=0)
    masks: list[BoolArray] = []
    for index, cut in enumerate(cuts):
        own = cut.mask & (best == index)
        masks.append(own if own.sum() >= _KEPT_SHARE * cut.mask.sum() else cut.mask)
    return masks


def _make_answer(mask: BoolArray, cut: RegionCut, prompt: Prompt, box: Box) -> ObjectMask:
    if not mask.any():
        return ObjectMask(
            fill_ellipse(box, (mask.shape[0], mask.shape[1]), prompt.negative_points), 0.0
        )
    fit = bounding_box(mask).iou(box) if prompt.box is not None else 0.5
    score = 0.5 * cut.certainty + 0.5 * fit
    return ObjectMask(mask, float(np.clip(score, 0.0, 1.0)))


def fill_ellipse(box: Box, size: Size, negative: Sequence[Point] = ()) -> BoolArray:
    """Return the ellipse that fills a box, cut to the frame; never empty.

    Args:
        box: The box.
        size: (height, width) of the frame.
        negative: Points inside the frame that are left out.

    Returns:
        Shape (H, W), dtype bool.
    """
    height, width = size
    u = (np.arange(width)[None, :] + 0.5 - box.center.x) / (box.width / 2)
    v = (np.arange(height)[:, None] + 0.5 - box.center.y) / (box.height / 2)
    inside: BoolArray = u * u + v * v <= 1
    for point in negative:
        inside[int(point.y), int(point.x)] = False
    if not inside.any():
        # The center may lie outside the frame, or be rounded onto its border.
        row = int(np.clip(box.center.y, 0, height - 1))
        column = int(np.clip(box.center.x, 0, width - 1))
        inside[row, column] = True
    return inside


def _extend_to_points(box: Box, points: Sequence[Point], size: Size) -> Box:
    x1, y1, x2, y2 = box.as_tuple()
    for point in points:
        x1, y1 = min(x1, np.floor(point.x)), min(y1, np.floor(point.y))
        x2, y2 = max(x2, np.floor(point.x) + 1), max(y2, np.floor(point.y) + 1)
    return Box(x1, y1, x2, y2).clipped(size) or box


def cut_around_points(
    image: Frame,
    motion: MotionEvidence,
    positive: tuple[Point, ...],
    negative: tuple[Point, ...],
    blocked: BoolArray | None,
) -> tuple[RegionCut, Box]:
    """Cut the object that holds some points, and return the box it was searched in.

    The moving part under the points is taken if there is one; otherwise several extents are
    tried and the cut that stands out most from what is around it is kept.
    """
    size = (image.shape[0], image.shape[1])
    hints = []
    moving = find_moving_part(motion, positive, size)
    if moving is not None:
        prior, box = moving
        hints.append(RegionHint(box, positive, negative, prior, blocked=blocked))
    else:
        hints = [_hint_of_reach(size, reach, positive, negative, blocked) for reach in _REACHES]
    best: tuple[float, RegionCut, Box] | None = None
    for hint in hints:
        cut = cut_region(image, motion, hint)
        score = measure_contrast(image, cut.mask, hint.box)
        # Near ties go to the larger extent, since parts of an object stand out, too.
        if best is None or score > _NEAR_TIE * best[0]:
            best = (max(score, 1e-6), cut, hint.box)
    if best is None:
        raise AssertionError("at least one extent is tried")
    return best[1], best[2]


def find_moving_part(
    motion: MotionEvidence, points: tuple[Point, ...], size: Size
) -> tuple[FloatImage, Box] | None:
    """Return the moving part of the frame under some points: probability and box.

    Returns:
        Probability on the motion's own grid, (h, w), and the part's box widened a little, in
        source pixels; None if the points do not move or nearly everything does.
    """
    import cv2

    if not motion.residuals:
        return None
    strength = motion.strength()
    height, width = strength.shape
    to_source = np.hypot(size[0], size[1]) / np.hypot(height, width)
    strength = np.asarray(cv2.GaussianBlur(strength, (0, 0), _MOTION_BLUR) * to_source, np.float32)
    rows = [min(height - 1, int(point.y * height / size[0])) for point in points]
    columns = [min(width - 1, int(point.x * width / size[1])) for point in points]
    here = float(np.median(strength[rows, columns]))
    if here < _STILL or here < 3 * float(np.median(strength)):
        return None
    part = (strength > max(_STILL, _OF_MOTION_HERE * here)).astype(np.uint8)
    _, parts = cv2.connectedComponents(part)
    wanted = [label for label in np.unique(parts[rows, columns]) if label]
    chosen = np.isin(parts, wanted)
    share = float(chosen.mean())
    if not _LEAST_MOVING <= share <= _WHOLE_MOTION:
        return None
    ys, xs = np.nonzero(chosen)
    factor_x, factor_y = size[1] / width, size[0] / height
    x1, x2 = xs.min() * factor_x, (xs.max() + 1) * factor_x
    y1, y2 = ys.min() * factor_y, (ys.max() + 1) * factor_y
    margin = _BOX_MARGIN * max(x2 - x1, y2 - y1)
    box = Box(x1 - margin, y1 - margin, x2 + margin, y2 + margin).clipped(size)
    if box is None:
        return None
    soft = cv2.GaussianBlur(chosen.astype(np.float32), (0, 0), 2.0)
    return np.asarray(_PART_OUTSIDE + _PART_INSIDE * soft, dtype=np.float32), box


def measure_contrast(image: Frame, mask: BoolArray, box: Box) -> float:
    """Return how unlike its surroundings a mask is, in [0, 1].

    The distance of the colors inside to those in a band around the mask, lowered by the
    share of the border that merely follows the box.
    """
    import cv2

    pad = max(8, int(_CONTRAST_PAD * max(box.width, box.height)))
    top, left = max(0, int(box.y1) - pad), max(0, int(box.x1) - pad)
    patch = (slice(top, int(np.ceil(box.y2)) + pad), slice(left, int(np.ceil(box.x2)) + pad))
    inside = mask[patch]
    if not inside.any():
        return 0.0
    radius = max(2, int(_CONTRAST_BAND * np.sqrt(inside.sum())))
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    around = (cv2.dilate(inside.astype(np.uint8), kernel) > 0) & ~inside
    if not around.any():
        return 0.0
    bins = (image[patch] >> 5).astype(np.intp)
    index = bins[..., 0] * 64 + bins[..., 1] * 8 + bins[..., 2]
    first, second = (
        np.bincount(index[region], minlength=512) / region.sum() for region in (inside, around)
    )
    distance = float(np.sqrt(max(0.0, 1.0 - float(np.sum(np.sqrt(first * second))))))
    border = inside & (cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    ys, xs = np.nonzero(border)
    on_box = (
        (xs + left <= box.x1 + 1)
        | (xs + left >= box.x2 - 2)
        | (ys + top <= box.y1 + 1)
        | (ys + top >= box.y2 - 2)
    )
    return distance * (1.0 - float(on_box.mean()) if len(xs) else 1.0) ** 2


def _hint_of_reach(
    size: Size,
    reach: float,
    positive: tuple[Point, ...],
    negative: tuple[Point, ...],
    blocked: BoolArray | None,
) -> RegionHint:
    radius = max(2.0, reach * float(np.hypot(*size)))
    xs, ys = [point.x for point in positive], [point.y for point in positive]
    wanted = Box(min(xs) - radius, min(ys) - radius, max(xs) + radius, max(ys) + radius)
    box = wanted.clipped(size) or Box(0, 0, size[1], size[0])
    return RegionHint(
        box, positive, negative, _points_prior(size, positive, radius), blocked=blocked
    )


def _points_prior(size: Size, points: tuple[Point, ...], radius: float) -> FloatImage:
    grid = (max(1, min(size[0], 120)), max(1, min(size[1], 160)))
    x = (np.arange(grid[1]) + 0.5)[None, :] * size[1] / grid[1]
    y = (np.arange(grid[0]) + 0.5)[:, None] * size[0] / grid[0]
    nearest = np.min([np.hypot(x - p.x, y - p.y) for p in points], axis=0)
    near: FloatImage = (
        _POINT_OUTSIDE
        + _POINT_INSIDE * np.exp(-0.5 * np.square(nearest / (_POINT_SPREAD * radius)))
    ).astype(np.float32)
    return near
