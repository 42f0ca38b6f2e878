"""Dense optical flow between two frames, and warping images along it.

Every flow here is a float32 array of shape (H, W, 2) holding (x, y) displacements in
pixels of its own grid: the pixel p of the first frame is seen at p + flow[p] in the second.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from videoseg.errors import ConfigError, ShapeError
from videoseg.types import Frame, Size

__all__ = [
    "FLOW_PRESETS",
    "FloatImage",
    "FlowPreset",
    "GrayFrame",
    "dense_flow",
    "flow_confidence",
    "resize_flow",
    "resize_image",
    "round_trip_error",
    "shrink_image",
    "to_gray",
    "vector_length",
    "warp",
]

FloatImage = npt.NDArray[np.float32]
GrayFrame = npt.NDArray[np.uint8]
FlowPreset = Literal["ultrafast", "fast", "fine", "balanced", "medium"]
FLOW_PRESETS: tuple[FlowPreset, ...] = ("ultrafast", "fast", "fine", "balanced", "medium")

# The search works on 8-pixel patches of a pyramid; smaller frames are padded up to this.
_MIN_SIDE = 32
_ERROR_OF_LENGTH = 0.1  # round-trip error allowed for each pixel of displacement
# Pixels between patches of ``fine``, and where the search is quick; both measured with
# flow_davis.py in tests/benchmarks.
_STRIDE, _QUICK_STRIDE = 5, 7


def to_gray(frame: Frame) -> GrayFrame:
    """Return the luma of an RGB frame, shape (H, W), uint8.

    Raises:
        ShapeError: If the frame is not (H, W, 3) uint8.
    """
    import cv2

    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ShapeError(f"an RGB frame ({frame.dtype})", actual=frame.shape, expected="(H, W, 3)")
    gray = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    return np.asarray(gray, dtype=np.uint8)


def dense_flow(
    first_gray: GrayFrame,
    second_gray: GrayFrame,
    *,
    scale: float = 0.5,
    preset: FlowPreset = "medium",
    quick: bool = False,
) -> FloatImage:
    """Return the flow from one gray frame to another (dense inverse search).

    Args:
        first_gray: Shape (H, W), uint8.
        second_gray: Shape (H, W), uint8.
        scale: Frames are shrunk by this factor first, in (0, 1].
        preset: ``ultrafast``, ``fast``, ``balanced`` (nearly as good as medium at half its
            time), ``medium``, or ``fine``, which searches every pixel of its grid, where the
            others search every second one or fewer: as good as ``balanced`` on a grid with
            twice the sides, in a third of the time.
        quick: Search with fewer patches, in two thirds of the time and less exactly. Other presets
            than ``fine`` make no use of it.

    Returns:
        Shape (max(1, round(H x scale)), max(1, round(W x scale)), 2), in pixels of that
        shrunk grid. See ``resize_flow`` for another grid.

    Raises:
        ShapeError: If the frames are not two gray frames of one size.
        ConfigError: If scale or preset is not allowed.
    """
    import cv2

    if first_gray.ndim != 2 or first_gray.size == 0:
        raise ShapeError("a gray frame", actual=first_gray.shape, expected="(H, W)")
    if second_gray.shape != first_gray.shape:
        raise ShapeError(
            "the second gray frame", actual=second_gray.shape, expected=str(first_gray.shape)
        )
    if not 0 < scale <= 1:
        raise ConfigError(f"scale must be in (0, 1], got {scale}")
    if preset not in FLOW_PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(FLOW_PRESETS)}, got {preset!r}")
    height, width = first_gray.shape
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    first, second = (
        _at_least(resize_image(gray, small), _MIN_SIDE) for gray in (first_gray, second_gray)
    )
    opencv: Any = cv2  # its type stubs lack the flow classes
    base = "MEDIUM" if preset in ("balanced", "fine") else preset.upper()
    search = opencv.DISOpticalFlow_create(getattr(opencv, f"DISOPTICAL_FLOW_PRESET_{base}"))
    if preset == "balanced":
        search.setPatchStride(4)
        search.setGradientDescentIterations(12)
        search.setVariationalRefinementIterations(3)
    elif preset == "fine":
        search.setFinestScale(0)
        search.setPatchStride(_QUICK_STRIDE if quick else _STRIDE)
        search.setGradientDescentIterations(12)
        # Variational refinement of every pixel takes longer than the search, and gained nothing.
        search.setVariationalRefinementIterations(0)
    flow: FloatImage = search.calc(first, second, None)
    flow = flow[: small[0], : small[1]]
    # Flat frames give the search nothing to hold on to; nothing may leave the frame by more
    # than its own size.
    limit = float(max(small))
    if not np.isfinite(flow).all():
        flow = np.nan_to_num(flow)
    return np.clip(np.ascontiguousarray(flow), -limit, limit)


def resize_image(image: npt.NDArray[Any], size: Size) -> npt.NDArray[Any]:
    """Return an image at another (height, width): area average down, bilinear up."""
    import cv2

    if image.shape[:2] == tuple(size):
        return image
    shrinks = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: npt.NDArray[Any] = cv2.resize(
        np.ascontiguousarray(image), (size[1], size[0]), interpolation=interpolation
    )
    return resized


def shrink_image(image: npt.NDArray[Any], size: Size) -> npt.NDArray[Any]:
    """Return an image at a smaller (height, width), as ``resize_image``, but faster.

    Averaging whole blocks of pixels is ten times as fast as averaging parts of them, so that is
    done first, where the image can be divided into blocks.
    """
    height, width = image.shape[:2]
    most = min(height // size[0], width // size[1])
    block = next((side for side in range(most, 1, -1) if not (height % side or width % side)), 1)
    return resize_image(resize_image(image, (height // block, width // block)), size)


def resize_flow(flow: FloatImage, size: Size) -> FloatImage:
    """Return a flow on another grid, its displacements in pixels of that grid."""
    height, width = flow.shape[:2]
    if (height, width) == tuple(size):
        return flow
    resized: FloatImage = resize_image(flow, size)
    # One plane after the other is many times faster than a factor for each short row.
    resized[..., 0] *= np.float32(size[1] / width)
    resized[..., 1] *= np.float32(size[0] / height)
    return resized


def warp(image: FloatImage, flow: FloatImage, *, outside: float | None = None) -> FloatImage:
    """Return the image as seen from the flow's first frame: out[p] = image[p + flow[p]].

    Args:
        image: Shape (H, W) or (H, W, C), of the second frame.
        flow: Shape (H, W, 2), from the first frame to the second.
        outside: Value read outside the image; None repeats the border.
    """
    import cv2

    height, width = flow.shape[:2]
    map_x = flow[..., 0] + np.arange(width, dtype=np.float32)
    map_y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    mode = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    value = 0.0 if outside is None else outside
    warped = cv2.remap(
        np.ascontiguousarray(image),
        map_x,
        map_y,
        cv2.INTER_LINEAR,
        borderMode=mode,
        borderValue=(value, value, value, value),
    )
    return np.asarray(warped, dtype=np.float32)


def round_trip_error(there: FloatImage, back: FloatImage) -> FloatImage:
    """Return how far a pixel ends from where it began after going there and back, (H, W)."""
    return vector_length(there + warp(back, there))


def vector_length(flow: FloatImage) -> FloatImage:
    """Return the length of each of the vectors of shape (H, W, 2)."""
    # Several times faster than hypot, which avoids overflows that no flow comes near to.
    length: FloatImage = np.square(flow[..., 0])
    length += np.square(flow[..., 1])
    return np.sqrt(length, out=length)


def flow_confidence(there: FloatImage, back: FloatImage) -> FloatImage:
    """Return how far to trust a flow, in [0, 1], shape (H, W).

    1 where going there and back returns to the start, near 0 where it does not (occlusion,
    no texture). Long displacements are allowed a proportionally larger error.
    """
    length = vector_length(there)
    error = round_trip_error(there, back) / (1.0 + _ERROR_OF_LENGTH * length)
    confidence: FloatImage = np.exp(-np.square(error), dtype=np.float32)
    return confidence


def _at_least(gray: GrayFrame, side: int) -> GrayFrame:
    import cv2

    height, width = gray.shape
    bottom, right = max(0, side - height), max(0, side - width)
    if bottom == 0 and right == 0:
        return np.ascontiguousarray(gray)
    padded = cv2.copyMakeBorder(gray, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(padded, dtype=np.uint8)
