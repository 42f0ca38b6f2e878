"""Parts of one color with a clear outline all around, whether they move or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from videoseg.types import BoolArray, FloatArray, IntArray, Size
from videoseg_attributes.regions.components import find_components
from videoseg_attributes.regions.frames import SurveyFrame
from videoseg_attributes.regions.threads import map_in_threads
from videoseg_attributes.vision.optical_flow import FloatImage

__all__ = ["OutlinedPart", "outlined_parts"]

ByteMask: TypeAlias = npt.NDArray[np.uint8]

# Set by hand while looking at drawn clips, the DAVIS clips of discovery_davis.py and those of
# attributes_mevis_mini.py (both in tests/benchmarks); not measured separately.
_NUM_COLORS = 12  # clusters over all frames
_SAMPLES_PER_FRAME = 300  # pixels
_ROUNDS = 8  # of k-means
_SAME_SURFACE = 17.0  # distance of two colors that may be one checked or shaded surface
_SMALLEST, _LARGEST = 0.0012, 0.3  # of the frame
_LEAST_SOLID = 0.4  # of the convex hull
_STEP = 9.0  # Lab distance across an outline that is clearly seen
_LEAST_OUTLINED = 0.62  # of an outline that is clear
_LEAST_INNER = 0.5  # of an outline: along the border there is nothing to compare with
_SCENERY = 0.45  # of a border: a region along so much of it is ground, wall or sky
_MOST_FILLED = 1.4  # of the area before filling: more, and most of it is a hole
_SHADE, _SAME_TINT = (4.0, 28.0), 8.0  # Lab: the ground beside a shadow
_SHADED_OUTLINE = 0.35  # of the ground along an outline
_MOST_REGIONS = 8  # of one color on one frame
_MOST_PARTS = 12  # on one frame
_MOST_PAIRS = 14  # of clusters that may be one surface
_ENCLOSED_WORTH = 0.5  # of a region of one color; that one's mask is exact
_RIM = 3  # pixels to either side at which the colors across an outline are compared
_LIGHTNESS, _LIGHTNESS_LOST = 0.6, 0.42  # weight of lightness for greys; what vivid colors lose
_GREY, _GREY_TO_VIVID, _CHROMA_LIMIT = 12, 20, 45  # Lab chroma
_SIZE_POWER = 0.25  # a larger version of an object wins, unless its outline is less clear
_LEAST_PIXELS = 9.0  # pixels of the survey's grid
_TINY = 1e-3  # Lab chroma
_GROUND = 6  # pixels around a region that are looked at as the ground beside it
_SHARED = 0.15  # of a part: more, and another one shows the same


@dataclass(frozen=True, eq=False, slots=True)
class OutlinedPart:
    """A connected region of one color on one surveyed frame.

    Args:
        position: Position of the frame in the survey.
        mask: Shape (h, w), holes filled.
        color: Mean color, in the space of ``surface_colors``, shape (3,).
        outlined: Share of its outline with a clear step in color, in [0, 1].
        center: (x, y) in pixels of the survey's grid.
        area: In pixels.
    """

    position: int
    mask: BoolArray
    color: FloatArray
    outlined: float
    center: tuple[float, float]
    area: float

    def merge(self, other: OutlinedPart) -> OutlinedPart:
        """Return the union of two pieces as one part."""
        mask = self.mask | other.mask
        rows, columns = np.nonzero(mask)
        return OutlinedPart(
            self.position,
            mask,
            (self.area * self.color + other.area * other.color) / (self.area + other.area),
            min(self.outlined, other.outlined),
            (float(columns.mean()), float(rows.mean())),
            float(len(rows)),
        )


@dataclass(frozen=True, eq=False, slots=True)
class _Region:
    """A region before it is known to be kept: only the patch of the frame that holds it."""

    piece: ByteMask  # 1 where it is, else 0
    box: tuple[slice, slice]  # rows and columns of the frame
    outlined: float
    area: int  # pixels
    score: float


def outlined_parts(frames: Sequence[SurveyFrame]) -> list[list[OutlinedPart]]:
    """Return for each frame the disjoint parts of one color that are outlined all around.

    Colors are clustered over all frames together, so that an object keeps its cluster. Regions
    are the connected components of one cluster, or of two similar ones (a checked or shaded
    surface). A region cut out of a smooth gradient has no step at its border and is left out.
    """
    if not frames:
        return []
    images = map_in_threads(surface_colors, frames)
    centers = _cluster(images)
    groups = _groups(centers)

    def look(position: int) -> list[OutlinedPart]:
        return _parts_of_frame(position, frames[position], images[position], centers, groups)

    return map_in_threads(look, range(len(frames)))


def surface_colors(frame: SurveyFrame) -> FloatImage:
    """Return colors in which light and shade on one surface lie close, shape (h, w, 3).

    Lightness counts fully for grays and little for vivid colors; the strength of a vivid
    color, which shade changes too, is compressed.
    """
    import cv2

    smooth = np.ascontiguousarray(cv2.medianBlur(frame.image, 5))
    lab = cv2.cvtColor(smooth.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2Lab)
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    vivid = np.clip((chroma - _GREY) / _GREY_TO_VIVID, 0, 1)
    lightness = lab[..., 0] * (_LIGHTNESS - _LIGHTNESS_LOST * vivid)
    squeezed = _CHROMA_LIMIT * np.tanh(chroma / _CHROMA_LIMIT) / np.maximum(chroma, _TINY)
    return np.stack(
        [lightness, lab[..., 1] * squeezed, lab[..., 2] * squeezed], axis=-1, dtype=np.float32
    )


def _cluster(images: Sequence[FloatImage]) -> FloatImage:
    samples = np.concatenate([_spread_samples(image) for image in images])
    # Starting from colors that are far apart keeps a small vivid object from being averaged away.
    centers = [samples.mean(axis=0)]
    distance = np.full(len(samples), np.inf, dtype=np.float32)
    while len(centers) < min(_NUM_COLORS, len(samples)):
        distance = np.minimum(distance, np.sum((samples - centers[-1]) ** 2, axis=1))
        # The farthest of ordinary colors, not a single odd pixel.
        candidate = int(np.argsort(distance)[-max(1, len(samples) // 400)])
        centers.append(samples[candidate])
    found = np.stack(centers)
    for _ in range(_ROUNDS):
        labels = _nearest(samples, found)
        for label in range(len(found)):
            own = samples[labels == label]
            if len(own):
                found[label] = own.mean(axis=0)
    return np.asarray(found, dtype=np.float32)


def _spread_samples(image: FloatImage) -> FloatImage:
    pixels = image.reshape(-1, 3)
    step = max(1, len(pixels) // _SAMPLES_PER_FRAME)
    return pixels[step // 2 :: step]


def _nearest(pixels: FloatImage, centers: FloatImage) -> IntArray:
    scores = pixels @ centers.T - np.float32(0.5) * np.sum(centers**2, axis=1)
    labels: IntArray = scores.argmax(axis=1)
    return labels


def _groups(centers: FloatImage) -> list[list[int]]:
    apart = np.sqrt(np.sum((centers[:, None] - centers[None]) ** 2, axis=2))
    pairs = sorted(
        (float(apart[first, second]), first, second)
        for first in range(len(centers))
        for second in range(first + 1, len(centers))
        if apart[first, second] < _SAME_SURFACE
    )
    single = [[index] for index in range(len(centers))]
    return single + [[first, second] for _, first, second in pairs[:_MOST_PAIRS]]


def _parts_of_frame(
    position: int,
    frame: SurveyFrame,
    image: FloatImage,
    centers: FloatImage,
    groups: Sequence[Sequence[int]],
) -> list[OutlinedPart]:
    import cv2

    labels = _nearest(image.reshape(-1, 3), centers).reshape(image.shape[:2]).astype(np.uint8)
    counts = np.bincount(labels.ravel(), minlength=len(centers))
    smallest = max(_LEAST_PIXELS, _SMALLEST * labels.size)
    steps = _color_steps(frame.lab)
    regions: list[_Region] = []
    for group in groups:
        if counts[list(group)].sum() < smallest:
            continue
        members = np.zeros(256, dtype=np.uint8)
        members[list(group)] = 1
        chosen = np.asarray(cv2.LUT(labels, members), dtype=np.uint8)
        only_first = None if len(group) == 1 else np.asarray(labels == group[0]).view(np.uint8)
        regions += _regions(chosen, steps, 0, worth=1.0, part=only_first)
    # A white object on light ground shares its cluster: what color steps enclose is an object.
    enclosed = (steps < _STEP).astype(np.uint8)
    regions += _regions(enclosed, steps, _RIM, worth=_ENCLOSED_WORTH)
    return [_make_part(position, region, image) for region in _keep_disjoint(regions, frame.lab)]


def _make_part(position: int, region: _Region, image: FloatImage) -> OutlinedPart:
    mask = np.zeros(image.shape[:2], dtype=bool)
    mask[region.box] = region.piece.astype(bool)
    rows, columns = np.nonzero(region.piece)
    return OutlinedPart(
        position,
        mask,
        image[region.box][rows, columns].mean(axis=0),
        region.outlined,
        (float(columns.mean()) + region.box[1].start, float(rows.mean()) + region.box[0].start),
        float(region.area),
    )


def _regions(
    binary: ByteMask, steps: FloatImage, rim: int, *, worth: float, part: ByteMask | None = None
) -> list[_Region]:
    """Return compact outlined regions.

    Args:
        binary: 1 where the regions are, else 0, shape (h, w).
        steps: See ``_color_steps``.
        rim: By how many pixels to widen each region.
        worth: Factor of what each is worth.
        part: 1 at one of the two colors that the regions consist of. Regions that show only one
            of them are left out, as they have been looked at before.
    """
    import cv2

    size = (binary.shape[0], binary.shape[1])
    opened = cv2.morphologyEx(binary, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    found = find_components(np.asarray(opened, dtype=np.uint8))
    smallest = max(_LEAST_PIXELS, _SMALLEST * binary.size)
    regions: list[_Region] = []
    # Texture falls into hundreds of specks of one color; an object is among the largest.
    for label in np.argsort(-found.areas)[:_MOST_REGIONS]:
        area = int(found.areas[label])
        if area < smallest:
            break
        if area > _LARGEST * binary.size:
            continue
        left, top, width, height = found.box_of(label)
        if width == size[1] or height == size[0]:
            continue  # scenery
        right, bottom = (min(left + width + rim, size[1]), min(top + height + rim, size[0]))
        left, top = max(0, left - rim), max(0, top - rim)
        rows, columns = slice(top, bottom), slice(left, right)
        piece = (found.labels[rows, columns] == label).astype(np.uint8)
        if part is not None and cv2.countNonZero(piece & part[rows, columns]) in (0, area):
            continue
        if rim:
            piece = np.asarray(cv2.dilate(piece, _disc(rim)), dtype=np.uint8)
            area = int(cv2.countNonZero(piece))
        if _is_scenery(piece, (left, top), size):
            continue
        outlines, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = max(outlines, key=cv2.contourArea)
        hull = float(cv2.contourArea(cv2.convexHull(outline)))
        if area < _LEAST_SOLID * max(hull, 1.0):
            continue
        points = outline[:, 0]
        inner = points[_off_border(points + np.array([left, top]), size)]
        if len(inner) < _LEAST_INNER * len(points):
            continue
        clear = np.count_nonzero(steps[rows, columns][inner[:, 1], inner[:, 0]] > _STEP)
        outlined = clear / len(inner)
        if outlined < _LEAST_OUTLINED:
            continue
        filled = np.zeros_like(piece)
        # Holes belong to the object (a pattern, a shine), unless most of it is a hole.
        cv2.drawContours(filled, [outline], -1, 1, cv2.FILLED)
        whole = filled if cv2.countNonZero(filled) < _MOST_FILLED * area else piece
        area = int(cv2.countNonZero(whole))
        # Of two versions of one object with equally clear outlines, the larger one is whole.
        score = worth * outlined * float(area) ** _SIZE_POWER
        regions.append(_Region(whole, (rows, columns), outlined, area, score))
    return regions


def _disc(radius: int) -> ByteMask:
    import cv2

    size = (2 * radius + 1, 2 * radius + 1)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size), dtype=np.uint8)


def _off_border(points: IntArray, size: Size) -> BoolArray:
    """Return which points of an outline do not lie on the frame's border; (x, y) each."""
    x, y = points[:, 0], points[:, 1]
    return np.asarray((x > 0) & (y > 0) & (x < size[1] - 1) & (y < size[0] - 1))


def _is_scenery(piece: ByteMask, corner: tuple[int, int], size: Size) -> bool:
    """Return whether a region spans opposite borders, or takes up much of one border."""
    left, top = corner
    touches_left, touches_top = left == 0, top == 0
    touches_right = left + piece.shape[1] == size[1]
    touches_bottom = top + piece.shape[0] == size[0]
    if (touches_left and touches_right) or (touches_top and touches_bottom):
        return True
    contacts = (
        (touches_left, piece[:, 0], size[0]),
        (touches_right, piece[:, -1], size[0]),
        (touches_top, piece[0], size[1]),
        (touches_bottom, piece[-1], size[1]),
    )
    return any(
        touches and float(line.sum()) > _SCENERY * length for touches, line, length in contacts
    )


def _color_steps(lab: FloatImage) -> FloatImage:
    """Return how much the color changes across each pixel, in Lab units, shape (h, w)."""
    import cv2

    smooth = cv2.blur(lab, (3, 3))
    padded = cv2.copyMakeBorder(smooth, _RIM, _RIM, _RIM, _RIM, cv2.BORDER_REPLICATE)
    height, width = lab.shape[:2]
    rows, columns = slice(_RIM, _RIM + height), slice(_RIM, _RIM + width)
    across = padded[rows, 2 * _RIM :] - padded[rows, :width]
    down = padded[2 * _RIM :, columns] - padded[:height, columns]
    steps = np.maximum(np.sum(across**2, axis=-1), np.sum(down**2, axis=-1))
    return np.asarray(np.sqrt(steps), dtype=np.float32)


def _is_shadow(region: _Region, lab: FloatImage) -> bool:
    """Return whether the same ground, only lighter, borders on much of its outline."""
    import cv2

    x, y, width, height = cv2.boundingRect(region.piece)
    tight = region.piece[y : y + height, x : x + width]
    left, top = region.box[1].start + x, region.box[0].start + y
    before = (min(_GROUND, top), min(_GROUND, left))
    after = (
        min(_GROUND, lab.shape[0] - top - height),
        min(_GROUND, lab.shape[1] - left - width),
    )
    piece = cv2.copyMakeBorder(
        tight, before[0], after[0], before[1], after[1], cv2.BORDER_CONSTANT, value=0
    )
    rows = slice(top - before[0], top + height + after[0])
    columns = slice(left - before[1], left + width + after[1])
    beyond = cv2.dilate(piece, np.ones((11, 11), np.uint8)) > cv2.dilate(
        piece, np.ones((5, 5), np.uint8)
    )
    if not beyond.any():
        return False
    change = lab[rows, columns][beyond] - lab[rows, columns][piece > 0].mean(axis=0)
    lighter = (change[:, 0] > _SHADE[0]) & (change[:, 0] < _SHADE[1])
    same_tint = np.hypot(change[:, 1], change[:, 2]) < _SAME_TINT
    return bool(np.count_nonzero(lighter & same_tint) > _SHADED_OUTLINE * len(change))


def _keep_disjoint(regions: list[_Region], lab: FloatImage) -> list[_Region]:
    kept: list[_Region] = []
    for region in sorted(regions, key=lambda region: -region.score):
        shares = any(_count_shared(region, other) >= _SHARED * region.area for other in kept)
        if not shares and not _is_shadow(region, lab):
            kept.append(region)
        if len(kept) == _MOST_PARTS:
            break
    return kept


def _count_shared(one: _Region, other: _Region) -> int:
    """Return how many pixels two regions have in common."""
    import cv2

    rows, columns = one.box
    other_rows, other_columns = other.box
    top, bottom = max(rows.start, other_rows.start), min(rows.stop, other_rows.stop)
    left, right = max(columns.start, other_columns.start), min(columns.stop, other_columns.stop)
    if top >= bottom or left >= right:
        return 0
    first, second = (
        region.piece[
            top - region.box[0].start : bottom - region.box[0].start,
            left - region.box[1].start : right - region.box[1].start,
        ]
        for region in (one, other)
    )
    return int(cv2.countNonZero(first & second))
