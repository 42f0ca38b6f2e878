"""Whether prompts fit the video they are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from videoseg.errors import ConfigError
from videoseg.propagation import prompt_problem
from videoseg.types import Box, Grounding, Prompt, Size, VideoSource

__all__ = ["as_grounding", "check_prompts", "inside_frame"]

_UNITS = "boxes are in pixels of the source frame: x1, y1, x2, y2"


def as_grounding(given: Grounding | Iterable[Prompt] | Prompt) -> Grounding:
    """Return a grounding, made of prompts if it is none.

    Raises:
        ConfigError: If it is neither a grounding nor prompts.
    """
    if isinstance(given, Grounding):
        return given
    grounding = Grounding(0, tuple(given) if isinstance(given, Iterable) else (given,))
    return replace(grounding, keyframe=grounding.prompts[0].frame if grounding.found else None)


def check_prompts(prompts: Sequence[Prompt], video: VideoSource) -> None:
    """Make sure that prompts are about frames of this video, before any stage works.

    Raises:
        ConfigError: If one is about a frame the video does not have, if its mask is empty or of
            another size, or if its box lies outside the frame.
    """
    for prompt in prompts:
        if problem := prompt_problem(prompt, video.size, num_frames=len(video), points=False):
            raise ConfigError(problem)


def inside_frame(prompt: Prompt, size: Size, warnings: list[str]) -> Prompt:
    """Return a prompt whose box lies inside the frame; what is odd is added to ``warnings``.

    Args:
        prompt: The prompt.
        size: (height, width) of the frame.
        warnings: Where sentences are added: a box that was cut or that may be meant in shares
            of the frame, a point outside the frame.

    Raises:
        ConfigError: If the box lies outside the frame, or the mask is empty or of another size.
    """
    height, width = size
    who = f"of object {prompt.object_id} on frame {prompt.frame}"
    if problem := prompt_problem(prompt, size, points=False):
        raise ConfigError(problem)
    _look_at_points(prompt, size, who, warnings)
    box = None if prompt.box is None else prompt.box.clipped(size)
    if prompt.box is None or box is None:
        return prompt
    named = f"the box {_corners(prompt.box)} {who}"
    # A model's box may be a fraction of a pixel too large, which nobody needs to be told.
    corners = zip(box.as_tuple(), prompt.box.as_tuple(), strict=True)
    if any(abs(inside - given) > 1 for inside, given in corners):
        warnings.append(
            f"{named} reaches beyond the {width}x{height} frame and was cut to {_corners(box)}; "
            f"{_UNITS}"
        )
    elif box.width < 1 or box.height < 1 or (_shares(prompt.box) and height * width > 1):
        warnings.append(f"{named} is not larger than a pixel{_shares(prompt.box)}; {_UNITS}")
    return replace(prompt, box=box)


def _look_at_points(prompt: Prompt, size: Size, who: str, warnings: list[str]) -> None:
    height, width = size
    points = (*prompt.points, *prompt.negative_points)
    units = "points are in pixels of the source frame: x, y"
    for point in points:
        if not (0 <= point.x <= width and 0 <= point.y <= height):
            warnings.append(
                f"the point ({point.x:g}, {point.y:g}) {who} lies outside the "
                f"{width}x{height} frame; {units}"
            )
    in_shares = all(0 <= number <= 1 for point in points for number in (point.x, point.y))
    if in_shares and any(number % 1 for point in points for number in (point.x, point.y)):
        warnings.append(
            f"the points {who} all lie on the first pixel of the frame; if they are meant as "
            f"shares of the frame (0 to 1), multiply them by its width and height: {units}"
        )


def _shares(box: Box) -> str:
    if min(box.as_tuple()) < 0 or max(box.as_tuple()) > 1:
        return ""
    return (
        "; if it is meant in shares of the frame (0 to 1), multiply it by the frame's width "
        "and height"
    )


def _corners(box: Box) -> str:
    return f"({', '.join(f'{corner:g}' for corner in box.as_tuple())})"
