"""Whether a prompt can be used."""

from __future__ import annotations

import numpy as np

from videoseg.errors import PropagationError
from videoseg.types import BoolArray, Box, Prompt, Size

__all__ = ["check_prompt", "ellipse_in_box"]


def check_prompt(prompt: Prompt, *, size: Size, num_frames: int | None) -> None:
    """Raise if a prompt cannot be used on a video.

    Args:
        prompt: The prompt.
        size: (height, width) of the video.
        num_frames: Number of frames; None for a live source.

    Raises:
        PropagationError: If it lies outside the video or its frames, or says too little.
    """
    who = f"the prompt of object {prompt.object_id} on frame {prompt.frame}"
    height, width = size
    if num_frames is not None and prompt.frame >= num_frames:
        raise PropagationError(
            f"{who} lies outside the video; its frames are 0 to {num_frames - 1}"
        )
    if prompt.mask is not None:
        if tuple(prompt.mask.size) != (height, width):
            raise PropagationError(
                f"{who} has a mask of {tuple(prompt.mask.size)}; give one of the frame's "
                f"size, (height, width) = {(height, width)}"
            )
        if prompt.mask.area == 0:
            raise PropagationError(f"{who} has an empty mask; leave out objects not in sight")
        return
    if prompt.box is None and not prompt.points:
        model = prompt.embedding.model if prompt.embedding is not None else ""
        raise PropagationError(
            f"{who} is only an embedding (of {model!r}), which this propagator does not take; "
            "give a box, points or a mask"
        )
    box = prompt.box
    if box is not None and (box.x2 <= 0 or box.y2 <= 0 or box.x1 >= width or box.y1 >= height):
        raise PropagationError(
            f"{who} has a box wholly outside the frame: ({box.x1}, {box.y1}, {box.x2}, "
            f"{box.y2}) on {width}x{height} pixels (width x height)"
        )
    for point in prompt.points:
        if not (0 <= point.x < width and 0 <= point.y < height):
            raise PropagationError(
                f"{who} has a point outside the frame: ({point.x}, {point.y}) on "
                f"{width}x{height} pixels (width x height)"
            )


def ellipse_in_box(box: Box, size: Size) -> BoolArray:
    """Return the ellipse that fills a box, cut to the frame, shape (H, W); never empty."""
    height, width = size
    x = (np.arange(width) + 0.5 - (box.x1 + box.x2) / 2) / (box.width / 2)
    y = (np.arange(height)[:, None] + 0.5 - (box.y1 + box.y2) / 2) / (box.height / 2)
    mask: BoolArray = x * x + y * y <= 1.0
    if not mask.any():
        column = int(np.clip((box.x1 + box.x2) / 2, 0, width - 1))
        row = int(np.clip((box.y1 + box.y2) / 2, 0, height - 1))
        mask[row, column] = True
    return mask
