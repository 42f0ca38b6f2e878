"""Cuts one object out of one frame, given its rough place."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from videoseg.masks import bounding_box, remove_specks
from videoseg.types import BoolArray, Box, Frame, Point
from videoseg_attributes.segmentation.graph_cut import CERTAIN, edge_image, graph_cut
from videoseg_attributes.vision.histograms import HistogramCue, color_cue, motion_cue, to_lab
from videoseg_attributes.vision.motion import MotionEvidence
from videoseg_attributes.vision.optical_flow import FloatImage, resize_image

__all__ = ["RegionCut", "RegionHint", "cut_region"]

# Set by hand while looking at DAVIS clips and drawn ones; not measured separately.
_CROP_SIDE = 320  # working pixels of the box's longer side, at most
_MARGIN = 0.35  # surroundings looked at, as a share of the box's longer side
_COLOR_WEIGHT = 1.5  # of the colors, in log odds
_MOTION_WEIGHT = 0.3  # of the motion, in log odds
_SEED_STRENGTH = 3.0  # log odds a clearly moving pixel starts with
_SEED_KEPT = 0.6  # share of them that stays once colors have been learned
_PLACE_KEPT = 1.0  # factor of ``_PLACE_WEIGHT``
_SMOOTHNESS = 8.0  # nats; see ``graph_cut``
_LEARNING_ROUNDS = 6  # before the first cut
_CUT_ROUNDS = 3  # cuts, with colors learned again between them
_POINT_WEIGHT = 10.0  # a pixel under a point counts as so many others
_POINT_ODDS = 3.0  # log odds at a positive point; twice as much against at a negative one
_POINT_COLOR = 20.0  # Lab distance at which a pixel is unlike the one under a point
_POINT_REACH = 0.35  # of the box's longer side
_MOVING_SHARE = 0.1  # of a box: below this the object counts as still
_SMALLEST_PIECE = 0.05  # of the largest piece's area: smaller ones are dropped
_NOISE = 0.3  # source pixels a frame
_UNSUPPORTED = 0.15  # weight of motion that the picture does not show, as in a survey
# Chosen among three settings on 31 boxes of a detector in eleven DAVIS clips; see
# docs/decisions/067.
_LOOSE = 0.15  # of a box's side: an object ends at most so far inside of its box
_WIDENING, _WIDENINGS = 0.5, 4  # nats for each further cut; how many
_ALL = 0.92  # of what is possible: a mask of more says nothing
_HALF_PIXEL = 0.45  # a little less than half a working pixel
_PLACE_WEIGHT = 0.25  # of the place's log odds once colors have been learned
_STRONG_FLOOR = 0.15  # pixels a frame, added to the strongest motion in the box
_OTSU_WEIGHT, _OTSU_OVER = 0.8, 0.25  # of Otsu's threshold; relative motion from -1 to 1
_NOISE_OF_MEDIAN = 1.5  # noise over the median motion outside the box
_MASK_BLUR, _SURE_INSIDE, _SURE_OUTSIDE = 1.5, 0.7, 0.3  # pixels; of a blurred mask
_UNCERTAIN = 0.94  # of CERTAIN: evidence alone fixes no pixel
_LEAST_MARGIN = 12.0  # source pixels
_PLACE_PEAK, _PLACE_FALL = 1.2, 1.3  # log odds in the middle of a box, and their fall outwards
_DISC_LEAST, _DISC = 1.5, 0.015  # working pixels; of the crop's longer side
_PRIOR_LIMITS = (0.02, 0.98)  # limits of a probability before its logarithm is taken


@dataclass(frozen=True, eq=False, slots=True)
class RegionHint:
    """The rough place of an object.

    Args:
        box: Nothing outside belongs to the object; inside the frame.
        positive: Points on the object.
        negative: Points that are not.
        prior: Probability of the object, shape (h, w) over the whole frame on any grid; None
            for the middle of the box.
        prior_weight: How far the prior still counts once colors have been learned.
        blocked: Pixels that belong to something else, shape (H, W).
        is_tight: The object reaches all four sides of the box, or nearly.
    """

    box: Box
    positive: tuple[Point, ...] = ()
    negative: tuple[Point, ...] = ()
    prior: FloatImage | None = None
    prior_weight: float = 0.35
    blocked: BoolArray | None = None
    is_tight: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class RegionCut:
    """An object cut out of a frame.

    Args:
        mask: Shape (H, W).
        log_odds: Evidence at each pixel, shape (H, W); very negative outside the box.
        certainty: Mean probability of the mask's pixels, in [0, 1].
    """

    mask: BoolArray
    log_odds: FloatImage
    certainty: float


@dataclass(frozen=True, eq=False, slots=True)
class _Crop:
    top: int
    left: int
    bottom: int
    right: int
    size: tuple[int, int]  # of the working grid

    def of(self, image: FloatImage | Frame | BoolArray) -> FloatImage:
        """Bring a picture of the whole frame, on any grid, to the working grid."""
        return resize_image(image[self.top : self.bottom, self.left : self.right], self.size)


@dataclass(eq=False, slots=True)
class _Evidence:
    inside: BoolArray
    fixed: FloatImage
    start: FloatImage
    cues: list[tuple[float, HistogramCue]] = field(default_factory=list)

    def log_odds(self, foreground: FloatImage, background: FloatImage) -> FloatImage:
        import cv2

        odds = self.fixed.copy()
        for weight, cue in self.cues:
            odds += np.float32(weight) * cue.log_ratio(foreground, background)
        return np.asarray(cv2.blur(odds, (3, 3)), dtype=np.float32)


def cut_region(image: Frame, motion: MotionEvidence, hint: RegionHint) -> RegionCut:
    """Cut one object out of a frame.

    Color and motion models of the object and its surroundings are learned in turn with the
    labels they imply, starting from what moves (or, if little does, from the middle of the
    box); a minimum cut then draws the border along color edges.

    Args:
        image: The frame, shape (H, W, 3), RGB uint8.
        motion: Camera-free motion of this frame; may be empty.
        hint: Where the object is.

    Returns:
        The cut; its mask may be empty if everything in the box is blocked.
    """
    height, width = image.shape[:2]
    crop = _crop_around(hint.box, (height, width))
    small = resize_image(image[crop.top : crop.bottom, crop.left : crop.right], crop.size)
    lab = to_lab(small)
    evidence = _gather(lab, motion, hint, crop, (height, width))
    positive, negative = (_discs(points, crop) for points in (hint.positive, hint.negative))
    if hint.negative:
        from_points = _point_evidence(lab, hint, crop)
        evidence.start = evidence.start + from_points
        evidence.fixed = evidence.fixed + from_points
    blocked = negative
    if hint.blocked is not None:
        blocked = blocked | (crop.of(hint.blocked.astype(np.float32)) > 0.5)
    possible = evidence.inside & ~blocked | positive
    surroundings = np.where(possible, np.float32(0), np.float32(1))
    surroundings[negative & ~positive] = _POINT_WEIGHT
    probability = _sigmoid(evidence.start) * possible
    odds = evidence.start
    for step in range(_LEARNING_ROUNDS):
        unlike = np.square(1 - probability) * possible if step else np.float32(0)
        like = np.where(positive, np.float32(_POINT_WEIGHT), np.square(probability))
        odds = evidence.log_odds(like, surroundings + unlike)
        probability = _sigmoid(odds) * possible
    edges = edge_image(lab)
    cut = _cut_to_sides if hint.is_tight else _cut
    mask = cut(odds, edges, possible, positive)
    for _ in range(_CUT_ROUNDS - 1):
        odds = _relearn(evidence, mask, possible, surroundings)
        mask = cut(odds, edges, possible, positive)
    mask = remove_specks(mask, _SMALLEST_PIECE, keep=positive)
    odds = np.where(possible, odds, -CERTAIN).astype(np.float32)
    certainty = float(_sigmoid(odds)[mask].mean()) if mask.any() else 0.0
    return _to_source(mask, odds, certainty, crop, (height, width))


def _gather(
    lab: FloatImage, motion: MotionEvidence, hint: RegionHint, crop: _Crop, size: tuple[int, int]
) -> _Evidence:
    height, width = crop.size
    scale_y, scale_x = height / (crop.bottom - crop.top), width / (crop.right - crop.left)
    x1, x2 = ((x - crop.left) * scale_x for x in (hint.box.x1, hint.box.x2))
    y1, y2 = ((y - crop.top) * scale_y for y in (hint.box.y1, hint.box.y2))
    x = np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5)
    y = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
    # A box thinner than a working pixel still holds the pixel it falls into.
    inside = (x > min(x1, np.floor(x1) + _HALF_PIXEL)) & (x < max(x2, np.ceil(x2) - _HALF_PIXEL))
    inside = (
        inside
        & (y > min(y1, np.floor(y1) + _HALF_PIXEL))
        & (y < max(y2, np.ceil(y2) - _HALF_PIXEL))
    )
    place = _middle(x, y, (x1, y1, x2, y2))
    kept_place = np.float32(_PLACE_WEIGHT * _PLACE_KEPT) * place
    if hint.prior is not None:
        prior = _full_frame_crop(hint.prior, crop, size)
        prior_odds = _logit(prior)
        start = prior_odds
        fixed = np.float32(hint.prior_weight) * prior_odds
    else:
        start, fixed = place, kept_place
    evidence = _Evidence(inside, fixed, start)
    evidence.cues.append((_COLOR_WEIGHT, color_cue(lab)))
    fields = [
        _full_frame_crop(residual, crop, size) * _source_pixels(residual, size)
        for residual in motion.residuals
    ]
    if fields:
        supports = [_full_frame_crop(support, crop, size) for support in motion.supports]
        _add_motion(evidence, fields, supports, seeded=hint.prior is None)
    return evidence


def _point_evidence(lab: FloatImage, hint: RegionHint, crop: _Crop) -> FloatImage:
    """Return evidence against pixels that are near a negative point and look like it.

    The colors of the surroundings are not enough: a negative point often marks the one object
    in the box that looks unlike them.
    """
    height, width = crop.size
    scale = height / (crop.bottom - crop.top)
    reach = _POINT_REACH * scale * max(hint.box.width, hint.box.height)
    x = np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5)
    y = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
    from_points = np.zeros(crop.size, dtype=np.float32)
    for points, weight in ((hint.negative, -2 * _POINT_ODDS), (hint.positive, _POINT_ODDS)):
        nearest = np.zeros(crop.size, dtype=np.float32)
        for point in points:
            disc = _discs((point,), crop)
            if not disc.any():
                continue
            color = np.square(lab - lab[disc].mean(axis=0)).sum(axis=2) / _POINT_COLOR**2
            at_y, at_x = np.argwhere(disc).mean(axis=0)
            place = (np.square(x - at_x) + np.square(y - at_y)) / max(reach, 1.0) ** 2
            nearest = np.maximum(nearest, np.exp(-0.5 * (color + place)))
        from_points += np.float32(weight) * nearest
    return from_points


def _add_motion(
    evidence: _Evidence, fields: list[FloatImage], supports: list[FloatImage], *, seeded: bool
) -> None:
    import cv2

    inside = evidence.inside
    lengths: FloatImage = np.min([np.hypot(f[..., 0], f[..., 1]) for f in fields], axis=0)
    within, around = lengths[inside], lengths[~inside]
    strong = float(np.percentile(within, 90))
    quiet = max(float(np.percentile(around, 60)) if around.size else 0.0, _NOISE)
    if np.mean(within > max(quiet, 2 * _NOISE)) < _MOVING_SHARE:
        return
    separation = float(np.clip((strong - quiet) / (strong + _NOISE), 0, 1))
    if seeded:
        relative = np.clip(lengths / (strong + _STRONG_FLOOR), 0, 1)
        levels = np.round(relative[inside] * 255).astype(np.uint8).reshape(-1, 1)
        otsu, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)
        moving = np.clip((relative - otsu / 255 * _OTSU_WEIGHT) / _OTSU_OVER, -1, 1).astype(
            np.float32
        )
        if supports:
            # Over flat ground beside a thing its flow is no evidence, for it or against it.
            shown = _UNSUPPORTED + (1 - _UNSUPPORTED) * np.min(supports, axis=0)
            moving = np.where(moving > 0, moving * shown.astype(np.float32), moving)
        seed = np.float32(_SEED_STRENGTH * separation) * moving
        evidence.start = evidence.start + seed
        evidence.fixed = evidence.fixed + np.float32(_SEED_KEPT) * seed
    for residual in fields:
        outside = np.hypot(residual[..., 0], residual[..., 1])[~inside]
        noise = max(
            _NOISE, _NOISE_OF_MEDIAN * float(np.median(outside)) if outside.size else _NOISE
        )
        evidence.cues.append((_MOTION_WEIGHT / len(fields), motion_cue(residual, noise)))


def _relearn(
    evidence: _Evidence, mask: BoolArray, possible: BoolArray, surroundings: FloatImage
) -> FloatImage:
    import cv2

    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _MASK_BLUR)
    foreground = (soft > _SURE_INSIDE).astype(np.float32)
    background = surroundings + ((soft < _SURE_OUTSIDE) & possible)
    odds: FloatImage = evidence.log_odds(foreground, background) + (2 * soft - 1)
    return odds


def _cut(odds: FloatImage, edges: Frame, possible: BoolArray, positive: BoolArray) -> BoolArray:
    import cv2

    limited = np.clip(odds, -CERTAIN * _UNCERTAIN, CERTAIN * _UNCERTAIN)
    limited[~possible] = -CERTAIN
    limited[positive] = CERTAIN
    mask = np.zeros(odds.shape, dtype=bool)
    # Beyond what is possible all sides are fixed: one such pixel all around is enough.
    left, top, width, height = cv2.boundingRect(possible.astype(np.uint8))
    rows = slice(max(0, top - 1), top + height + 1)
    columns = slice(max(0, left - 1), left + width + 1)
    if width and height:
        mask[rows, columns] = graph_cut(
            limited[rows, columns], edges[rows, columns], smoothness=_SMOOTHNESS
        )
    return mask


def _cut_to_sides(
    odds: FloatImage, edges: Frame, possible: BoolArray, positive: BoolArray
) -> BoolArray:
    """Cut an object that reaches the sides of its box, favoring it until it does.

    The prior that a box is tight, of Lempitsky et al., "Image segmentation with a bounding box
    prior", ICCV 2009; here not as a constraint of the cut, but by cutting again.
    """
    mask = _cut(odds, edges, possible, positive)
    for times in range(1, _WIDENINGS + 1):
        if _measure_gap(mask, possible) <= _LOOSE:
            break
        favored = odds + np.where(possible, np.float32(times * _WIDENING), np.float32(0))
        wider = _cut(favored, edges, possible, positive)
        if wider.sum() > _ALL * possible.sum():
            break
        mask = wider
    return mask


def _measure_gap(mask: BoolArray, possible: BoolArray) -> float:
    """Return how far a mask ends inside of what is possible, at most, as a share of the side."""
    solid = remove_specks(mask, _SMALLEST_PIECE)
    if not solid.any():
        return 1.0 if possible.any() else 0.0
    own, around = bounding_box(solid), bounding_box(possible)
    across = max(own.x1 - around.x1, around.x2 - own.x2) / around.width
    down = max(own.y1 - around.y1, around.y2 - own.y2) / around.height
    return float(max(across, down))


def _crop_around(box: Box, size: tuple[int, int]) -> _Crop:
    longest = max(box.width, box.height)
    margin = max(_LEAST_MARGIN, _MARGIN * longest)
    left, top = max(0, int(box.x1 - margin)), max(0, int(box.y1 - margin))
    right = min(size[1], int(np.ceil(box.x2 + margin)))
    bottom = min(size[0], int(np.ceil(box.y2 + margin)))
    scale = min(1.0, _CROP_SIDE / longest)
    grid = (max(1, round((bottom - top) * scale)), max(1, round((right - left) * scale)))
    return _Crop(top, left, bottom, right, grid)


def _full_frame_crop(field: FloatImage, crop: _Crop, size: tuple[int, int]) -> FloatImage:
    import cv2

    # One affine map takes the field's own grid to the working grid, pixel centers aligned.
    height, width = crop.size
    to_source_x = (crop.right - crop.left) / width
    to_source_y = (crop.bottom - crop.top) / height
    x = (np.arange(width, dtype=np.float32) + 0.5) * to_source_x + crop.left
    y = (np.arange(height, dtype=np.float32) + 0.5) * to_source_y + crop.top
    map_x = np.tile((x * field.shape[1] / size[1] - 0.5).astype(np.float32), (height, 1))
    map_y = np.tile((y * field.shape[0] / size[0] - 0.5).astype(np.float32)[:, None], (1, width))
    source = np.ascontiguousarray(field)
    taken = cv2.remap(source, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(taken, dtype=np.float32)


def _source_pixels(field: FloatImage, size: tuple[int, int]) -> FloatImage:
    # Motion is compared in pixels of the source: noise does not grow with the crop's zoom.
    return np.array([size[1] / field.shape[1], size[0] / field.shape[0]], dtype=np.float32)


def _middle(x: FloatImage, y: FloatImage, box: tuple[float, float, float, float]) -> FloatImage:
    x1, y1, x2, y2 = box
    u = (x - (x1 + x2) / 2) / max((x2 - x1) / 2, 0.5)
    v = (y - (y1 + y2) / 2) / max((y2 - y1) / 2, 0.5)
    place: FloatImage = np.clip(_PLACE_PEAK * (1 - _PLACE_FALL * (u * u + v * v)), -2, 2).astype(
        np.float32
    )
    return place


def _discs(points: tuple[Point, ...], crop: _Crop) -> BoolArray:
    height, width = crop.size
    near = np.zeros(crop.size, dtype=bool)
    radius = max(_DISC_LEAST, _DISC * max(crop.size))
    x = np.arange(width)[None, :] + 0.5
    y = np.arange(height)[:, None] + 0.5
    for point in points:
        at_x = (np.floor(point.x) + 0.5 - crop.left) * width / (crop.right - crop.left)
        at_y = (np.floor(point.y) + 0.5 - crop.top) * height / (crop.bottom - crop.top)
        disc = np.hypot(x - at_x, y - at_y) <= radius
        near |= disc
    return near


def _to_source(
    mask: BoolArray, odds: FloatImage, certainty: float, crop: _Crop, size: tuple[int, int]
) -> RegionCut:
    patch = (crop.bottom - crop.top, crop.right - crop.left)
    full = np.zeros(size, dtype=bool)
    full_odds = np.full(size, -CERTAIN, dtype=np.float32)
    rows, columns = slice(crop.top, crop.bottom), slice(crop.left, crop.right)
    full[rows, columns] = resize_image(mask.astype(np.float32), patch) > 0.5
    full_odds[rows, columns] = resize_image(odds, patch)
    return RegionCut(full, full_odds, certainty)


def _sigmoid(odds: FloatImage) -> FloatImage:
    return (1 / (1 + np.exp(-np.clip(odds, -30, 30)))).astype(np.float32)


def _logit(probability: FloatImage) -> FloatImage:
    safe = np.clip(probability, _PRIOR_LIMITS[0], _PRIOR_LIMITS[1])
    odds: FloatImage = np.log(safe / (1 - safe)).astype(np.float32)
    return odds
