"""Motion that is not the camera's: fitted homography, residual flow, steadied over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from videoseg.types import BoolArray, Frame, VideoSource
from videoseg_attributes.vision.optical_flow import (
    FloatImage,
    GrayFrame,
    dense_flow,
    resize_image,
    to_gray,
    vector_length,
    warp,
)
from videoseg_attributes.vision.shots import is_cut

__all__ = [
    "MotionEvidence",
    "camera_flow",
    "fit_camera_motion",
    "motion_around",
    "motion_strength",
    "motion_support",
    "remove_scenery_motion",
    "residual_motion",
    "smooth_along_flow",
]

Homography = npt.NDArray[np.float64]
# Pixels of the flow's grid by which the camera's motion may miss an inlier: noise, and a part of
# the speed. Set by hand on six DAVIS clips.
_LEAST_MISS, _MISS_BASE, _MISS_OF_SPEED = 0.35, 0.2, 0.06
_MISS_STRIDE = 4  # every so many pixels are looked at for the speed
_FEWEST_POINTS = 16
_MOST_DRAWS = 2000  # of four points, to find a plane
_FEWER_DRAWS = 500  # for each of two planes: enough if a third of the points agree
# A second plane: set by hand on drawn flows of a ground in front of a distance.
_CLEAR_MISS = 1.5  # times the allowed miss: agrees, or clearly does not
_SECOND_PLANE = 0.08  # of the frame must miss the first plane
_SCENERY_BORDER = 0.2  # of the frame's border, taken up by one piece of the second plane
_BORDER_INSET = 3  # pixels
# Support of motion by the picture: set by hand.
_SUPPORT_WINDOW = 9  # pixels
_LEVELS_OF_NOISE = 3.0  # gray levels
_FULL_SUPPORT = 0.5  # of the difference that the scenery's motion leaves
_LEAST_DEPTH = 0.1  # third coordinate of a mapped corner; lower, and the fit folds the frame


def fit_camera_motion(
    flow: FloatImage, *, stride: int = 4, most_draws: int = _MOST_DRAWS
) -> Homography:
    """Fit the camera's motion to a flow: the homography most of the frame agrees with.

    Deterministic: the same flow gives the same homography.

    Args:
        flow: Shape (H, W, 2), in pixels of its own grid.
        stride: Every stride-th pixel in both directions is used.
        most_draws: Of four points, to find the one that most agree with.

    Returns:
        Shape (3, 3), mapping (x, y, 1) of the first frame to the second; the identity if
        the flow supports none (a tiny or degenerate frame).
    """
    fitted = _fit_plane(flow, _allowed_miss(flow), stride=stride, most_draws=most_draws)
    return np.eye(3) if fitted is None else fitted


def _allowed_miss(flow: FloatImage) -> float:
    """Return by how many pixels the camera's motion may miss a pixel's flow."""
    sample = flow[::_MISS_STRIDE, ::_MISS_STRIDE]
    speed = float(np.median(vector_length(sample)))
    return max(_LEAST_MISS, _MISS_BASE + _MISS_OF_SPEED * speed)


def _fit_plane(
    flow: FloatImage,
    miss: float,
    *,
    stride: int,
    where: BoolArray | None = None,
    most_draws: int = _MOST_DRAWS,
) -> Homography | None:
    """Fit one plane's motion to the flow of some pixels; None if they support none."""
    import cv2

    height, width = flow.shape[:2]
    stride = max(1, min(stride, height // 8, width // 8))
    ys, xs = np.mgrid[stride // 2 : height : stride, stride // 2 : width : stride]
    ys, xs = ys.ravel(), xs.ravel()
    if where is not None:
        used = where[ys, xs]
        ys, xs = ys[used], xs[used]
    moved = flow[ys, xs]
    start = np.stack([xs, ys], axis=1).astype(np.float32)
    if len(start) < _FEWEST_POINTS:
        return None
    # OpenCV restarts its own generator for every call, so this needs no seed.
    homography, _ = cv2.findHomography(start, start + moved, cv2.RANSAC, miss, maxIters=most_draws)
    if homography is None or not np.isfinite(homography).all():
        return None
    fitted: Homography = np.asarray(homography, dtype=np.float64)
    # A fit that folds the frame over explains no camera.
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], float)
    if np.any((corners @ fitted.T)[:, 2] < _LEAST_DEPTH):
        return None
    return fitted


def remove_scenery_motion(flow: FloatImage, *, stride: int = 4) -> FloatImage:
    """Return a flow without the motion of up to two planes of the scenery, (H, W, 2).

    Seen by a camera that travels, the ground nearby moves unlike the distance, and one
    homography leaves one of them moving. So a second one is fitted to what the first misses
    (layers: Irani and Anandan, "A unified approach to moving object detection in 2D and 3D
    scenes", 1998). The plane that more of the frame's border agrees with is the camera's: a
    large object may fill the middle. The other is scenery only where it reaches the border in
    one piece and takes up a fair part of it; elsewhere it may be an object.

    Args:
        flow: Shape (H, W, 2), in pixels of its own grid.
        stride: Every stride-th pixel in both directions is used for fitting.
    """
    import cv2

    miss = _allowed_miss(flow)
    first = _fit_plane(flow, miss, stride=stride, most_draws=_FEWER_DRAWS)
    residual = residual_motion(flow, np.eye(3) if first is None else first)
    length = vector_length(residual)
    missed = length > _CLEAR_MISS * miss
    if first is None or float(missed.mean()) < _SECOND_PLANE:
        return residual
    second = _fit_plane(flow, miss, stride=stride, where=missed, most_draws=_FEWER_DRAWS)
    if second is None:
        return residual
    other = residual_motion(flow, second)
    other_length = vector_length(other)
    around = _border_of(flow.shape[0], flow.shape[1])
    if (other_length[around] <= miss).sum() > (length[around] <= miss).sum():
        residual, length, other, other_length = other, other_length, residual, length
    agrees = ((other_length < length) & (other_length <= _CLEAR_MISS * miss)).astype(np.uint8)
    _, labels = cv2.connectedComponents(
        cv2.morphologyEx(agrees, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    )
    contacts = np.bincount(labels[around], minlength=int(labels.max()) + 1)
    contacts[0] = 0
    scenery = contacts > _SCENERY_BORDER * int(around.sum())
    return np.where(scenery[labels][..., None], other, residual)


def motion_support(
    gray: GrayFrame, other_gray: GrayFrame, flow: FloatImage, residual: FloatImage
) -> FloatImage:
    """Return how far the picture shows that pixels move by themselves, in [0, 1], (H, W).

    1 where the flow leads to pixels like these and the scenery's motion does not; 0 where both
    do, as on flat ground, over which the flow of an object beside it spreads.

    Args:
        gray: Shape (H, W), uint8.
        other_gray: The frame that the flow leads to, shape (H, W), uint8.
        flow: Shape (H, W, 2).
        residual: The flow without the scenery's motion, shape (H, W, 2).
    """
    import cv2

    here, there = gray.astype(np.float32), other_gray.astype(np.float32)
    window = (_SUPPORT_WINDOW, _SUPPORT_WINDOW)
    missed, missed_still = (
        cv2.blur(np.abs(here - warp(there, way)), window) for way in (flow, flow - residual)
    )
    gain = (missed_still - missed) / (missed_still + np.float32(_LEVELS_OF_NOISE))
    return np.asarray(np.clip(gain / np.float32(_FULL_SUPPORT), 0, 1), dtype=np.float32)


def _border_of(height: int, width: int) -> BoolArray:
    """Return the line of pixels shortly within the border, where flow is measured better."""
    inset = min(_BORDER_INSET, (height - 1) // 2, (width - 1) // 2)
    line = np.zeros((height, width), dtype=bool)
    line[inset : height - inset, inset : width - inset] = True
    line[inset + 1 : height - inset - 1, inset + 1 : width - inset - 1] = False
    return line


def camera_flow(camera: Homography, size: tuple[int, int]) -> FloatImage:
    """Return the flow a homography alone would give on a (height, width) grid, (H, W, 2)."""
    height, width = size
    x = np.arange(width, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    h = camera.astype(np.float32)
    depth = h[2, 0] * x + h[2, 1] * y + h[2, 2]
    depth = np.where(np.abs(depth) < 1e-6, np.float32(1e-6), depth)
    moved = np.empty((height, width, 2), dtype=np.float32)
    moved[..., 0] = (h[0, 0] * x + h[0, 1] * y + h[0, 2]) / depth - x
    moved[..., 1] = (h[1, 0] * x + h[1, 1] * y + h[1, 2]) / depth - y
    return moved


def residual_motion(flow: FloatImage, camera: Homography) -> FloatImage:
    """Return the flow with the camera's motion taken out, shape (H, W, 2), pixels a frame."""
    residual: FloatImage = flow - camera_flow(camera, (flow.shape[0], flow.shape[1]))
    return residual


def motion_strength(
    residual: FloatImage, other_residual: FloatImage | None = None, *, floor: float = 0.15
) -> FloatImage:
    """Return how strongly each pixel moves by itself, in [0, 1], shape (H, W).

    Args:
        residual: Camera-free motion from this frame to a neighbor, (H, W, 2).
        other_residual: The same to the neighbor on the other side. The smaller of the two
            counts: what is uncovered on one side looks as if it moved, but not on both.
        floor: Pixels a frame that are taken as noise; keeps a still scene near 0.
    """
    length = vector_length(residual)
    if other_residual is not None:
        length = np.minimum(length, vector_length(other_residual))
    # Every second row and column say as much, in a quarter of the time.
    largest = float(np.percentile(length[::2, ::2], 99))
    strength: FloatImage = np.clip(length / (largest + floor), 0.0, 1.0).astype(np.float32)
    return strength


def smooth_along_flow(
    current: FloatImage,
    previous: FloatImage,
    flow_to_previous: FloatImage,
    *,
    keep: float = 0.65,
    confidence: FloatImage | None = None,
) -> FloatImage:
    """Steady a map over time by mixing in the neighboring frame's map, warped along the flow.

    Call it in either time direction; a bounded look-ahead is a short chain of calls from the
    furthest future frame back to the present.

    Args:
        current: This frame's map, (H, W).
        previous: The neighbor's (already smoothed) map, (H, W).
        flow_to_previous: Flow from this frame to the neighbor, (H, W, 2).
        keep: Weight of the neighbor's map, in [0, 1].
        confidence: How far to trust the flow, (H, W) in [0, 1]; None trusts it everywhere.
    """
    warped = warp(previous, flow_to_previous)
    weight: FloatImage | float = keep if confidence is None else keep * confidence
    smoothed: FloatImage = current + weight * (warped - current)
    return smoothed


@dataclass(frozen=True, eq=False, slots=True)
class MotionEvidence:
    """Camera-free motion of a frame's pixels towards its neighbors.

    Args:
        residuals: One field for each neighbor used, shape (h, w, 2), in pixels of that
            grid, which is a shrunk copy of the frame. Empty if the motion is not known.
        supports: For each field how far the picture shows it, in [0, 1], (h, w); see
            ``motion_support``. Empty if that was not measured.
    """

    residuals: tuple[FloatImage, ...]
    supports: tuple[FloatImage, ...] = ()

    def strength(self) -> FloatImage:
        """Return the smallest motion length over the neighbors, shape (h, w), pixels.

        What is uncovered on one side seems to move there, but not on the other side.
        """
        lengths = [vector_length(field) for field in self.residuals]
        smallest: FloatImage = np.min(lengths, axis=0)
        return smallest


def motion_around(
    video: VideoSource, frame: int, *, longest_side: int = 448, image: Frame | None = None
) -> MotionEvidence:
    """Measure camera-free motion from one frame to the frames beside it.

    Args:
        video: The video. A single frame, or a neighbor beyond a cut, gives no motion.
        frame: Frame index.
        longest_side: Size of the grid on which flow is computed.
        image: The frame itself, if it has been read already.
    """
    image = video[frame] if image is None else image
    last = video.num_frames
    gray = to_gray(image)
    scale = min(1.0, longest_side / max(gray.shape))
    residuals: list[FloatImage] = []
    supports: list[FloatImage] = []
    for neighbor in (frame - 1, frame + 1):
        if neighbor < 0 or (last is None and neighbor > frame):
            continue
        if last is not None and neighbor >= last:
            continue
        other = video[neighbor]
        if is_cut(image, other):
            continue
        other_gray = to_gray(other)
        flow = dense_flow(gray, other_gray, scale=scale)
        residual = residual_motion(flow, fit_camera_motion(flow))
        grid = (flow.shape[0], flow.shape[1])
        here, there = (resize_image(picture, grid) for picture in (gray, other_gray))
        residuals.append(residual)
        supports.append(motion_support(here, there, flow, residual))
    return MotionEvidence(tuple(residuals), tuple(supports))
