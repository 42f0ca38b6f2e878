"""Checks of prompts against the video that they refer to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from videoseg.errors import ConfigError
from videoseg.propagation import prompt_problem
from videoseg.types import Box, Grounding, Prompt, Size, VideoSource

__all__ = ["as_grounding", "check_prompts", "fit_to_frame"]

_UNITS = "boxes are in pixels of the source frame: x1, y1, x2, y2"


def as_grounding(given: Grounding | Iterable[Prompt] | Prompt) -> Grounding:
    """Return a grounding: the one given, or one made of prompts.

    Raises:
        ConfigError: If it is neither a grounding nor prompts.
    """
    if isinstance(given, Grounding):
        return given
    grounding = Grounding(0, tuple(given) if isinstance(given, Iterable) else (given,))
    return replace(grounding, keyframe=grounding.prompts[0].frame if grounding.found else None)


def check_prompts(prompts: Sequence[Prompt], video: VideoSource) -> None:
    """Check prompts against the frames of a video before any stage runs.

    Raises:
        ConfigError: If one refers to a frame that the video does not have, if its mask is empty
            or of another size, or if its box lies outside the frame.
    """
    for prompt in prompts:
        if problem := prompt_problem(prompt, video.size, num_frames=len(video), points=False):
            raise ConfigError(problem)


def fit_to_frame(prompt: Prompt, size: Size) -> tuple[Prompt, list[str]]:
    """Return a prompt whose box lies inside the frame, and warnings.

    There is a warning for a box that was cut, for a point outside the frame, and for
    coordinates that may be meant as fractions of the frame.

    Args:
        prompt: The prompt.
        size: (height, width) of the frame.

    Raises:
        ConfigError: If the box lies outside the frame, or the mask is empty or of another size.
    """
    height, width = size
    who = f"of object {prompt.object_id} on frame {prompt.frame}"
    if problem := prompt_problem(prompt, size, points=False):
        raise ConfigError(problem)
    warnings = _check_points(prompt, size, who)
    box = None if prompt.box is None else prompt.box.clipped(size)
    if prompt.box is None or box is None:
        return prompt, warnings
    named = f"the box {_corners(prompt.box)} {who}"
    hint = _fraction_hint(prompt.box)
    # A model's box may be a fraction of a pixel too large, which is not worth a warning.
    corners = zip(box.as_tuple(), prompt.box.as_tuple(), strict=True)
    if any(abs(inside - given) > 1 for inside, given in corners):
        warnings.append(
            f"{named} reaches beyond the {width}x{height} frame and was cut to {_corners(box)}; "
            f"{_UNITS}"
        )
    elif box.width < 1 or box.height < 1 or (hint and height * width > 1):
        warnings.append(f"{named} is not larger than a pixel{hint}; {_UNITS}")
    return replace(prompt, box=box), warnings


def _check_points(prompt: Prompt, size: Size, who: str) -> list[str]:
    height, width = size
    warnings: list[str] = []
    points = (*prompt.points, *prompt.negative_points)
    units = "points are in pixels of the source frame: x, y"
    for point in points:
        if not (0 <= point.x <= width and 0 <= point.y <= height):
            warnings.append(
                f"the point ({point.x:g}, {point.y:g}) {who} lies outside the "
                f"{width}x{height} frame; {units}"
            )
    numbers = [number for point in points for number in (point.x, point.y)]
    if all(0 <= number <= 1 for number in numbers) and any(number % 1 for number in numbers):
        warnings.append(
            f"the points {who} all lie on the first pixel of the frame; if they are meant as "
            f"fractions of the frame (0 to 1), multiply them by its width and height: {units}"
        )
    return warnings


def _fraction_hint(box: Box) -> str:
    if min(box.as_tuple()) < 0 or max(box.as_tuple()) > 1:
        return ""
    return (
        "; if it is meant as fractions of the frame (0 to 1), multiply it by the frame's width "
        "and height"
    )


def _corners(box: Box) -> str:
    return f"({', '.join(f'{corner:g}' for corner in box.as_tuple())})"
