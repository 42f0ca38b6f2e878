"""Cues of each frame: color, flow to its neighbors, residual motion, shot cuts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
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

__all__ = ["NUM_COLORS", "CueStream", "CueWindow", "FrameCues", "color_bins", "grid_size"]

# Grid sizes trade accuracy against frames per second; set on the clips of flow_davis.py.
_CUE_PIXELS = 44_000  # of the grid on which cues are compared
_REFINE_PIXELS = 102_400  # of the grid on which masks are refined
_FLOW_PIXELS = 410_000  # of the grid on which flow is measured: 854x480
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


def color_bins(frame: Frame) -> npt.NDArray[np.int32]:
    """Return the index of each pixel's Lab bin, (H, W), in [0, ``NUM_COLORS``)."""
    import cv2

    lab = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2LAB).astype(np.int32)
    lightness = lab[..., 0] * _LIGHTNESS_BINS // 256
    # Almost all colors of real footage lie within +-60 of gray; the rest share a bin.
    hues = ((lab[..., 1:] - 128 + _HUE_REACH) * (_HUE_BINS / (2 * _HUE_REACH))).astype(np.int32)
    hues = np.clip(hues, 0, _HUE_BINS - 1)
    bins: npt.NDArray[np.int32] = (lightness * _HUE_BINS + hues[..., 0]) * _HUE_BINS + hues[..., 1]
    return bins


@dataclass(frozen=True, eq=False, slots=True)
class FrameCues:
    """One frame as the tracker sees it. (h, w) is the cue grid.

    Args:
        index: Frame index of the source video.
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
        flow_scale: Frames are shrunk by this before flow, in (0, 1]; None chooses by size.
        preset: Flow preset.
    """

    lookahead: int = 5
    flow_scale: float | None = None
    preset: FlowPreset = "balanced"


@dataclass(eq=False, slots=True)
class _QueuedFrame:
    """A frame in the look-ahead window."""

    index: int
    gray: GrayFrame
    thumb: Thumbnail
    colors: npt.NDArray[np.int32]
    guide: Frame
    pair: Future[_Pair] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class _Pair:
    """What is measured between a frame and the one before it in run order."""

    back: FloatImage
    ahead: FloatImage
    confidence: FloatImage
    back_residual: FloatImage
    ahead_residual: FloatImage
    is_cut: bool


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
        self._flow_size = (
            grid_size(self.size, _FLOW_PIXELS)
            if scale is None
            else (max(1, round(height * scale)), max(1, round(width * scale)))
        )
        self._center = _center_weight(self.cue_size)

    def __iter__(self) -> Iterator[FrameCues]:
        # One worker measures the next pair of frames while the tracker is busy with this one.
        # Frames are decoded here, in the caller's thread: readers need not be thread-safe.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="cues") as pool:
            yield from self._stream(pool)

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
                look = self._queue(*item)
                if newest is not None:
                    look.pair = pool.submit(self._measure, newest, look)
                queue.append(look)
                newest = look
            if not queue:
                return
            window = list(queue)[: lookahead + 1]
            cues, steady = self._cues(window, steady)
            queue.popleft()
            yield cues

    def _queue(self, index: int, frame: Frame) -> _QueuedFrame:
        if frame.shape != (*self.size, 3):
            raise PropagationError(
                f"frame {index} has shape {frame.shape}, but the video said "
                f"{(*self.size, 3)}; all frames of a video must have one size"
            )
        guide = np.ascontiguousarray(resize_image(frame, self.refine_size))
        return _QueuedFrame(
            index,
            resize_image(to_gray(frame), self._flow_size),
            thumbnail(guide),
            color_bins(resize_image(guide, self.cue_size)),
            guide,
        )

    def _measure(self, before: _QueuedFrame, look: _QueuedFrame) -> _Pair:
        preset = self.window.preset
        back, ahead = (
            resize_flow(dense_flow(first, second, scale=1.0, preset=preset), self.cue_size)
            for first, second in ((look.gray, before.gray), (before.gray, look.gray))
        )
        return _Pair(
            back,
            ahead,
            flow_confidence(back, ahead),
            residual_motion(back, fit_camera_motion(back)),
            residual_motion(ahead, fit_camera_motion(ahead)),
            begins_shot(before.thumb, look.thumb),
        )

    def _cues(
        self, window: list[_QueuedFrame], steady: FloatImage | None
    ) -> tuple[FrameCues, FloatImage]:
        """Return the first frame's cues and its motion map steadied from the past."""
        look = window[0]
        pairs = [later.pair.result() for later in window if later.pair is not None]
        own = look.pair.result() if look.pair is not None else None
        later_pairs = pairs[1:] if own is not None else pairs
        joined = own is not None and not own.is_cut
        # Motion is not smoothed across a cut, in either direction.
        reach = next((n for n, pair in enumerate(later_pairs) if pair.is_cut), len(later_pairs))
        later_pairs = later_pairs[:reach]
        before = own if joined else None
        strengths = []
        for position in range(len(later_pairs) + 1):
            after = later_pairs[position] if position < len(later_pairs) else None
            strengths.append(self._strength(before, after))
            before = after
        current = strengths[0]
        past = current
        if joined and own is not None and steady is not None:
            past = smooth_along_flow(current, steady, own.back)
        motion = past
        if later_pairs:
            future = strengths[-1]
            for position in range(len(later_pairs) - 1, -1, -1):
                future = smooth_along_flow(
                    strengths[position], future, later_pairs[position].ahead
                )
            motion = (past + future) * np.float32(0.5)
        if own is None or not joined:
            cues = FrameCues(look.index, look.colors, look.guide, motion, is_cut=own is not None)
        else:
            cues = FrameCues(
                look.index,
                look.colors,
                look.guide,
                motion,
                flow=own.back,
                confidence=own.confidence,
                residual=own.back_residual,
            )
        return cues, past

    def _strength(self, before: _Pair | None, after: _Pair | None) -> FloatImage:
        if before is None and after is None:
            return np.zeros(self.cue_size, dtype=np.float32)
        if before is None or after is None:
            only = before.back_residual if before is not None else None
            if after is not None:
                only = after.ahead_residual
            strength = motion_strength(only) if only is not None else self._center
        else:
            strength = motion_strength(before.back_residual, after.ahead_residual)
        weighted: FloatImage = strength * self._center
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
