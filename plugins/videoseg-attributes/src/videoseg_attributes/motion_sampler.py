"""Hierarchical sampling without a language model: coarse first, fine where there is motion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from videoseg.plugins import PositiveInt, checked_options
from videoseg.samplers import evenly_spaced, inside_video
from videoseg.types import (
    FloatArray,
    Frame,
    FrameGroup,
    FrameSelection,
    VideoSource,
    Window,
)
from videoseg_attributes.vision.optical_flow import shrink_image, to_gray

__all__ = ["MotionSampler"]

Span: TypeAlias = Literal["start", "middle", "end"]

# The parts of a video that a query may name, as fractions of its length.
_SPANS: dict[Span, tuple[float, float]] = {
    "start": (0.0, 0.35),
    "middle": (0.3, 0.7),
    "end": (0.65, 1.0),
}
_PROFILE_WIDTH = 96  # pixels; enough to see something move, cheap to compare

# Set by hand; not measured separately.
_NAMED_CONFIDENCE = 0.8  # where the query names a part of the video
_SPREAD_CONFIDENCE = 0.4  # where no part stands out
_CONFIDENCE_A_MEAN = 0.2  # for each time that the part moves as much as the average
_UNIT_FLOOR = 0.25  # added to motion and sharpness in [0, 1], so that neither decides alone
_STANDS_OUT, _SAME_ACTION = 1.5, 1.25  # times the mean motion


class MotionSampler:
    """Context frames everywhere, detail frames where most motion is, and a sharp keyframe there.

    A coarse motion profile of the window (low-resolution frame differences after the
    camera's shift is removed) picks a narrower window, unless the query names a part
    of the video ("at the end"). A second profile inside it picks the keyframe. The number of
    frames read is bounded by the options, whatever the video's length.

    Args:
        num_context: Frames over the whole window, to be shown small.
        num_detail: Frames inside the narrower window, to be shown larger.
        num_coarse: Positions of the coarse profile.
        num_fine: Positions of the fine profile.
        context_pixels: Largest height x width at which context frames should be shown.
        detail_pixels: The same for detail frames.

    Raises:
        ConfigError: If an option is not at least 1.
    """

    @checked_options("sampler 'motion'")
    def __init__(
        self,
        *,
        num_context: PositiveInt = 8,
        num_detail: PositiveInt = 6,
        num_coarse: PositiveInt = 32,
        num_fine: PositiveInt = 12,
        context_pixels: PositiveInt = 50_176,
        detail_pixels: PositiveInt = 200_704,
    ) -> None:
        self.num_context = num_context
        self.num_detail = num_detail
        self.num_coarse = num_coarse
        self.num_fine = num_fine
        self.context_pixels = context_pixels
        self.detail_pixels = detail_pixels

    def sample(
        self,
        video: VideoSource,
        query: str,
        *,
        window: Window,
        keyframe: int | None = None,
        seed: int = 0,  # noqa: ARG002 - part of the contract; nothing here is random
    ) -> FrameSelection:
        """Choose context, detail and keyframe inside the window; see ``FrameSampler.sample``."""
        window = inside_video(video, window)
        detail_window, confidence, why = self._narrow(video, query, window)
        if keyframe is None:
            keyframe, how = self._pick_keyframe(video, detail_window)
        else:
            how = "as requested"
        reason = f"{why} Suggested keyframe {keyframe}: {how}."
        detail = evenly_spaced(detail_window, self.num_detail)
        groups = (
            FrameGroup("context", evenly_spaced(window, self.num_context), self.context_pixels),
            FrameGroup("detail", detail, self.detail_pixels),
            FrameGroup("keyframe", (keyframe,)),
        )
        return FrameSelection(
            groups,
            window,
            confidence=confidence,
            reason=reason,
            details={"detail_window": [detail_window.start, detail_window.stop]},
        )

    def _narrow(self, video: VideoSource, query: str, window: Window) -> tuple[Window, float, str]:
        from videoseg_attributes.grounding.language import spoken_span

        if len(window) <= max(2, self.num_detail):
            return window, 1.0, "The window is short enough to show whole."
        span = spoken_span(query)
        if span is not None:
            share = _SPANS[span]
            start = window.start + int(share[0] * len(window))
            stop = window.start + max(int(np.ceil(share[1] * len(window))), 1)
            narrowed = Window(min(start, stop - 1), stop)
            return (
                narrowed,
                _NAMED_CONFIDENCE,
                f"The query names the {span} of the video: detail in frames {narrowed.start} to "
                f"{narrowed.stop - 1}.",
            )
        positions = evenly_spaced(Window(window.start, window.stop - 1), self.num_coarse)
        profile = _motion_profile(video, positions)
        return _busiest_part(window, positions, profile)

    def _pick_keyframe(self, video: VideoSource, window: Window) -> tuple[int, str]:
        if len(window) == 1:
            return window.start, "the only frame"
        positions = evenly_spaced(Window(window.start, window.stop - 1), self.num_fine)
        frames = [_thumbnail(frame) for frame in video.read(positions)]
        following = [_thumbnail(frame) for frame in video.read([p + 1 for p in positions])]
        moved = np.array([_change(a, b) for a, b in zip(frames, following, strict=True)])
        sharp = np.array([_sharpness(frame) for frame in frames])
        # A blurred frame shows the most motion and the least detail: both are weighed.
        score = (_UNIT_FLOOR + _to_unit(moved)) * (_UNIT_FLOOR + _to_unit(sharp))
        return positions[int(np.argmax(score))], "sharp and with motion"


def _busiest_part(
    window: Window, positions: Sequence[int], profile: FloatArray
) -> tuple[Window, float, str]:
    """Return the contiguous part with most motion, at least a quarter of the window."""
    count = len(profile)
    mean = float(profile.mean())
    if count < 4 or mean <= 0 or float(profile.max()) < _STANDS_OUT * mean:
        return (
            window,
            _SPREAD_CONFIDENCE,
            "Motion is spread evenly over the window: detail everywhere.",
        )
    length = max(count // 4, 1)
    totals = np.convolve(profile, np.ones(length), mode="valid")
    first = int(np.argmax(totals))
    last = first + length - 1
    # Neighboring positions that move as much belong to the same action.
    while first > 0 and profile[first - 1] > _SAME_ACTION * mean:
        first -= 1
    while last < count - 1 and profile[last + 1] > _SAME_ACTION * mean:
        last += 1
    stop = positions[last + 1] if last < count - 1 else window.stop
    narrowed = Window(positions[first], max(stop, positions[first] + 1))
    inside = float(profile[first : last + 1].mean()) / mean
    return (
        narrowed,
        float(min(1.0, _SPREAD_CONFIDENCE + _CONFIDENCE_A_MEAN * inside)),
        f"Most motion is in frames {narrowed.start} to {narrowed.stop - 1} "
        f"({inside:.1f} times the average of the window).",
    )


def _motion_profile(video: VideoSource, positions: Sequence[int]) -> FloatArray:
    changes = []
    for position in positions:
        before, after = video.read([position, position + 1])
        changes.append(_change(_thumbnail(before), _thumbnail(after)))
    return np.array(changes)


def _thumbnail(frame: Frame) -> FloatArray:
    height, width = frame.shape[:2]
    scale = min(1.0, _PROFILE_WIDTH / max(height, width))
    size = (max(2, round(height * scale)), max(2, round(width * scale)))
    gray: FloatArray = to_gray(shrink_image(frame, size)).astype(np.float32)
    return gray


def _change(before: FloatArray, after: FloatArray) -> float:
    """Return the mean change between two thumbnails after removing the camera's shift."""
    import cv2

    height, width = before.shape
    plain = float(np.abs(before - after).mean())
    (dx, dy), _ = cv2.phaseCorrelate(before, after)
    if abs(dx) > width / 4 or abs(dy) > height / 4:
        return plain
    shift = np.array([[1, 0, dx], [0, 1, dy]], dtype=np.float32)
    moved = cv2.warpAffine(before, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return min(plain, float(np.abs(moved - after).mean()))


def _sharpness(gray: FloatArray) -> float:
    import cv2

    return float(cv2.Laplacian(gray, cv2.CV_32F).var())


def _to_unit(values: FloatArray) -> FloatArray:
    highest = float(values.max())
    unit: FloatArray = values / highest if highest > 0 else np.zeros_like(values)
    return unit
