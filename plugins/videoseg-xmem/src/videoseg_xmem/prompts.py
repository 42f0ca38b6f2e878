"""Whether a prompt can be used."""

from __future__ import annotations

import videoseg as vs
from videoseg.types import Size

__all__ = ["check_prompt"]


def check_prompt(prompt: vs.Prompt, *, size: Size, num_frames: int | None) -> None:
    """Raise if a prompt cannot be used on a video.

    Args:
        prompt: The prompt.
        size: (height, width) of the video.
        num_frames: Number of frames; None for a live source.

    Raises:
        PropagationError: If it has no mask, an empty one or one of another size, or if its
            frame is not in the video.
    """
    who = f"the prompt of object {prompt.object_id} on frame {prompt.frame}"
    if num_frames is not None and prompt.frame >= num_frames:
        raise vs.PropagationError(
            f"{who} lies outside the video; its frames are 0 to {num_frames - 1}"
        )
    if prompt.mask is None:
        raise vs.PropagationError(
            f"{who} has no mask, and XMem takes nothing else; add a segmenter to the pipeline, "
            "which makes masks of boxes and points, or give a mask"
        )
    if tuple(prompt.mask.size) != tuple(size):
        raise vs.PropagationError(
            f"{who} has a mask of {tuple(prompt.mask.size)}; give one of the frame's size, "
            f"(height, width) = {tuple(size)}"
        )
    if prompt.mask.area == 0:
        raise vs.PropagationError(f"{who} has an empty mask; leave out objects not in sight")
