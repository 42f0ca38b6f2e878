"""Cues of each frame: color, flow to its neighbors, residual motion, shot cuts."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from videoseg.errors import PropagationError
from videoseg.types import Frame, Size
from videoseg_attributes.vision.motion import (
    fit_camera_motion,
    motion_strength,
    residual_motion,
    smooth_along_flow,
)
from videoseg_attributes.vision.optical_flow import (
    FloatImage,
    FlowPreset,
    GrayFrame,
    dense_flow,
    flow_confidence,
    resize_flow,
    resize_image,
    to_gray,
)
from videoseg_attributes.vision.shots import Thumbnail, begins_shot, thumbnail

__all__ = [
    "NUM_COLORS",
    "CueStream",
    "CueWindow",
    "FrameCues",
    "grid_size",
    "lab_bins",
    "lab_image",
]

# Grid sizes trade accuracy against frames per second; set on the clips of flow_davis.py.
_CUE_PIXELS = 44_000  # of the grid on which cues are compared
_REFINE_PIXELS = 102_400  # of the grid on which masks are refined
# Of the grid on which flow is measured: that of the masks, or 854x480 for presets that search
# every second pixel or fewer.
_FINE_FLOW_PIXELS, _FLOW_PIXELS = _REFINE_PIXELS, 410_000
# The camera is fitted to every eighth pixel in both directions, or so many pixels where the grid
# is small, but no more than every fourth.
_CAMERA_PIXELS, _CAMERA_STRIDES = 690, (4, 8)
_LIGHTNESS_BINS, _HUE_BINS = 16, 32  # of lightness; of a* and b*
_HUE_REACH = 60.0  # Lab units of a* and b* around gray
NUM_COLORS = _LIGHTNESS_BINS * _HUE_BINS * _HUE_BINS
COLOR_SHAPE = (_LIGHTNESS_BINS, _HUE_BINS, _HUE_BINS)
# Motion counts less towards the rim: weight there, and the Gaussian's widths as fractions of the
# frame's height and width. From a study on six DAVIS clips.
_RIM_WEIGHT, _CENTER_WEIGHT, _CENTER_HEIGHT, _CENTER_WIDTH = 0.3, 0.7, 0.45, 0.42


def grid_size(size: Size, pixels: int) -> Size:
    """Return the (height, width) nearest to a pixel count, never larger than the frame."""
    scale = min(1.0, float(np.sqrt(pixels / (size[0] * size[1]))))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def lab_image(frame: Frame) -> Frame:
    """Return the colors of an RGB frame in Lab, shape (H, W, 3), uint8."""
    import cv2

    return np.asarray(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2LAB), dtype=np.uint8)


def lab_bins(lab: Frame) -> npt.NDArray[np.int32]:
    """Return the index of each pixel's bin, (H, W), in [0, ``NUM_COLORS``)."""
    levels = np.arange(256, dtype=np.int32)
    # Almost all colors of real footage lie within +-60 of gray; the rest share a bin.
    hues = ((levels - 128 + _HUE_REACH) * (_HUE_BINS / (2 * _HUE_REACH))).astype(np.int32)
    hues = np.clip(hues, 0, _HUE_BINS - 1)
    first = levels * _LIGHTNESS_BINS // 256 * (_HUE_BINS * _HUE_BINS)
    # Tables of 256 entries instead of arithmetic for every pixel.
    bins: npt.NDArray[np.int32] = (
        first[lab[..., 0]] + (hues * _HUE_BINS)[lab[..., 1]] + hues[lab[..., 2]]
    )
    return bins


@dataclass(frozen=True, eq=False, slots=True)
class FrameCues:
    """One frame as the tracker sees it. (h, w) is the cue grid.

    Args:
        index: Frame index of the source video.
        lab: The frame in Lab, (h, w, 3) uint8.
        colors: Lab bin of each pixel, (h, w).
        guide: The frame on the refinement grid, RGB uint8.
        motion: How strongly each pixel moves by itself, in [0, 1], (h, w).
        flow: Flow to the frame before in run order, (h, w, 2); None after a cut and on the
            first frame.
        confidence: How far to trust ``flow``, in [0, 1], (h, w).
        residual: Camera-free part of ``flow``, (h, w, 2).
        is_cut: Whether a new shot begins here, in run order.
    """

    index: int
    lab: Frame
    colors: npt.NDArray[np.int32]
    guide: Frame
    motion: FloatImage
    flow: FloatImage | None = None
    confidence: FloatImage | None = None
    residual: FloatImage | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class CueWindow:
    """How cues are measured.

    Args:
        lookahead: Future frames used to steady the motion cue; 0 for none (causal).
        flow_scale: Frames are shrunk by this before flow, in (0, 1]; None chooses by size and
            preset.
        preset: Flow preset.
    """

    lookahead: int = 5
    flow_scale: float | None = None
    preset: FlowPreset = "fine"


@dataclass(frozen=True, eq=False, slots=True)
class _Look:
    """What is measured on one frame."""

    gray: GrayFrame
    thumb: Thumbnail
    lab: Frame
    colors: npt.NDArray[np.int32]
    guide: Frame


@dataclass(frozen=True, eq=False, slots=True)
class _Pair:
    """What is measured between a frame and the one before it in run order.

    Args:
        back: Flow from the frame to the one before it.
        ahead: Flow from the one before it to the frame.
        confidence: How far to trust ``back``.
        back_residual: Camera-free part of ``back``.
        ahead_residual: Camera-free part of ``ahead``.
        is_cut: Whether a new shot begins at the frame.
        strength_before: How strongly the frame before moves by itself, from both its neighbors;
            None unless it has two of them in its own shot.
    """

    back: FloatImage
    ahead: FloatImage
    confidence: FloatImage
    back_residual: FloatImage
    ahead_residual: FloatImage
    is_cut: bool
    strength_before: FloatImage | None


@dataclass(frozen=True, eq=False, slots=True)
class _QueuedFrame:
    """A frame in the look-ahead window; what it holds is measured meanwhile."""

    index: int
    look: Future[_Look]
    pair: Future[_Pair] | None


@dataclass(eq=False)
class CueStream:
    """Turns frames into cues, holding no more than the look-ahead window.

    Args:
        frames: (index, frame) pairs in run order.
        size: (height, width) every frame must have.
        window: How cues are measured.
    """

    frames: Iterator[tuple[int, Frame]]
    size: Size
    window: CueWindow = field(default_factory=CueWindow)

    def __post_init__(self) -> None:
        self.cue_size = grid_size(self.size, _CUE_PIXELS)
        self.refine_size = grid_size(self.size, _REFINE_PIXELS)
        scale = self.window.flow_scale
        height, width = self.size
        pixels = _FINE_FLOW_PIXELS if self.window.preset == "fine" else _FLOW_PIXELS
        self._flow_size = (
            grid_size(self.size, pixels)
            if scale is None
            else (max(1, round(height * scale)), max(1, round(width * scale)))
        )
        self._center = _center_weight(self.cue_size)
        stride = round(float(np.sqrt(self.cue_size[0] * self.cue_size[1] / _CAMERA_PIXELS)))
        self._camera_stride = min(max(stride, _CAMERA_STRIDES[0]), _CAMERA_STRIDES[1])

    def __iter__(self) -> Generator[FrameCues, None, None]:
        # Loaded before, since its import does not bear two threads at once.
        import cv2  # noqa: F401

        # One worker measures the next frames while the tracker is busy with this one.
        # Frames are decoded here, in the caller's thread: readers need not be thread-safe.
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cues")
        try:
            yield from self._stream(pool)
        finally:
            # What was measured ahead is not waited for where the run ends early.
            pool.shutdown(cancel_futures=True)

    def _stream(self, pool: Executor) -> Iterator[FrameCues]:
        frames = iter(self.frames)
        queue: deque[_QueuedFrame] = deque()
        lookahead = self.window.lookahead
        # The next frame is only read early where looking ahead is allowed at all: a live
        # source must not be waited for.
        wanted = lookahead + 2 if lookahead else 1
        newest: _QueuedFrame | None = None
        exhausted = False
        steady: FloatImage | None = None
        while True:
            while len(queue) < wanted and not exhausted:
                item = next(frames, None)
                if item is None:
                    exhausted = True
                    break
                newest = self._queue(pool, newest, *item)
                queue.append(newest)
            if not queue:
                return
            window = list(queue)[: lookahead + 1]
            cues, steady = self._cues(window, steady)
            queue.popleft()
            yield cues

    def _queue(
        self, pool: Executor, before: _QueuedFrame | None, index: int, frame: Frame
    ) -> _QueuedFrame:
        if frame.shape != (*self.size, 3):
            raise PropagationError(
                f"frame {index} has shape {frame.shape}, but the video said "
                f"{(*self.size, 3)}; all frames of a video must have one size"
            )
        # A source may use the memory of its frames again, unless it lets nobody write to them.
        kept = frame.copy() if frame.flags.writeable else frame
        look = pool.submit(self._look_at, kept)
        # In a list, which is emptied: the pool holds on to what it was given for a while.
        pair = None if before is None else pool.submit(self._compare, [before], look)
        return _QueuedFrame(index, look, pair)

    def _look_at(self, frame: Frame) -> _Look:
        guide = np.ascontiguousarray(resize_image(frame, self.refine_size))
        lab = lab_image(resize_image(guide, self.cue_size))
        # Mostly the two grids are the same.
        source = guide if self._flow_size == self.refine_size else frame
        gray = resize_image(to_gray(source), self._flow_size)
        return _Look(gray, thumbnail(guide), lab, lab_bins(lab), guide)

    def _compare(self, given: list[_QueuedFrame], newer: Future[_Look]) -> _Pair:
        queued = given.pop()
        # The only worker has measured the earlier ones by now.
        before, look = queued.look.result(), newer.result()
        preset = self.window.preset
        # Masks are carried along the flow back. The other tells how far to trust it, and how
        # strongly things move, for which less will do.
        back, ahead = (
            resize_flow(
                dense_flow(first, second, scale=1.0, preset=preset, quick=quick), self.cue_size
            )
            for first, second, quick in (
                (look.gray, before.gray, False),
                (before.gray, look.gray, True),
            )
        )
        is_cut = begins_shot(before.thumb, look.thumb)
        ahead_residual = residual_motion(
            ahead, fit_camera_motion(ahead, stride=self._camera_stride)
        )
        earlier = queued.pair.result() if queued.pair is not None else None
        strength = None
        if earlier is not None and not earlier.is_cut and not is_cut:
            strength = self._strength(earlier.back_residual, ahead_residual)
        return _Pair(
            back,
            ahead,
            flow_confidence(back, ahead),
            residual_motion(back, fit_camera_motion(back, stride=self._camera_stride)),
            ahead_residual,
            is_cut,
            strength,
        )

    def _cues(
        self, window: list[_QueuedFrame], steady: FloatImage | None
    ) -> tuple[FrameCues, FloatImage]:
        """Return the first frame's cues and its motion map steadied from the past."""
        look = window[0].look.result()
        pairs = [later.pair.result() for later in window if later.pair is not None]
        own = pairs.pop(0) if window[0].pair is not None else None
        # Motion is not smoothed across a cut, in either direction.
        reach = next((n for n, pair in enumerate(pairs) if pair.is_cut), len(pairs))
        later_pairs = pairs[:reach]
        before = own if own is not None and not own.is_cut else None
        # The strength of the first frame of a shot comes from one neighbor.
        strengths = [
            self._strength(pair.ahead_residual)
            if pair.strength_before is None
            else pair.strength_before
            for pair in later_pairs
        ]
        last = later_pairs[-1] if later_pairs else before
        strengths.append(self._strength(last.back_residual if last is not None else None))
        current = strengths[0]
        past = current
        if before is not None and steady is not None:
            past = smooth_along_flow(current, steady, before.back)
        motion = past
        if later_pairs:
            future = strengths[-1]
            for strength, pair in zip(strengths[-2::-1], reversed(later_pairs), strict=True):
                future = smooth_along_flow(strength, future, pair.ahead)
            motion = (past + future) * np.float32(0.5)
        cues = FrameCues(
            window[0].index,
            look.lab,
            look.colors,
            look.guide,
            motion,
            flow=None if before is None else before.back,
            confidence=None if before is None else before.confidence,
            residual=None if before is None else before.back_residual,
            is_cut=own is not None and own.is_cut,
        )
        return cues, past

    def _strength(
        self, residual: FloatImage | None, other_residual: FloatImage | None = None
    ) -> FloatImage:
        """Return how strongly each pixel moves, from the motion to one neighbor or both."""
        if residual is None:
            return np.zeros(self.cue_size, dtype=np.float32)
        weighted: FloatImage = motion_strength(residual, other_residual) * self._center
        return weighted


def _center_weight(size: Size) -> FloatImage:
    height, width = size
    y = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height - 0.5
    x = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / width - 0.5
    # Parallax and lens distortion make the rim of a frame seem to move by itself.
    weight = _RIM_WEIGHT + _CENTER_WEIGHT * np.exp(
        -0.5 * ((y / _CENTER_HEIGHT) ** 2 + (x / _CENTER_WIDTH) ** 2)
    )
    return weight.astype(np.float32)
