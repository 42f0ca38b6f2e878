"""Checks prompts and turns them into what SAM 2 takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from videoseg.types import Box, Point, Prompt, Size

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["PointInputs", "point_inputs", "prompt_problem"]

# SAM's labels: a point beside the object, on it, and a box's two corners.
_NEGATIVE, _POSITIVE, _TOP_LEFT, _BOTTOM_RIGHT = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class PointInputs:
    """A box and points as the prompt encoder takes them.

    Args:
        coordinates: In pixels of the network's input, shape (1, P, 2), x before y, float32.
        labels: Shape (1, P), dtype int32.
    """

    coordinates: Tensor
    labels: Tensor

    def as_mapping(self) -> dict[str, Tensor]:
        """Return them under the names that ``SAM2Base.track_step`` expects."""
        return {"point_coords": self.coordinates, "point_labels": self.labels}


def point_inputs(
    box: Box | None,
    points: Sequence[Point],
    negative_points: Sequence[Point],
    *,
    size: Size,
    side: int,
    device: torch.device,
) -> PointInputs | None:
    """Return a box and points in the network's own coordinates; None if there are none.

    The box comes first, as its two corners: SAM 2 was trained with this order.

    Args:
        box: In pixels of the source frame; its part inside the frame is used.
        points: On the object.
        negative_points: Beside it.
        size: (height, width) of the source frame.
        side: Side of the network's square input.
        device: Where to put the result.
    """
    import torch

    height, width = size
    corners = None if box is None else box.clipped(size)
    positions: list[tuple[float, float]] = []
    labels: list[int] = []
    if corners is not None:
        positions += [(corners.x1, corners.y1), (corners.x2, corners.y2)]
        labels += [_TOP_LEFT, _BOTTOM_RIGHT]
    positions += [(point.x, point.y) for point in (*points, *negative_points)]
    labels += [_POSITIVE] * len(points) + [_NEGATIVE] * len(negative_points)
    if not positions:
        return None
    scale = torch.tensor([width, height], dtype=torch.float32)
    coordinates = torch.tensor(positions, dtype=torch.float32) / scale * side
    return PointInputs(
        coordinates[None].to(device), torch.tensor(labels, dtype=torch.int32)[None].to(device)
    )


def prompt_problem(prompt: Prompt, size: Size, embeddings: Sequence[str] = ()) -> str | None:
    """Return why a prompt cannot be used on frames of this size; None if it can.

    Args:
        prompt: The prompt.
        size: (height, width) of the source frame.
        embeddings: Names of the models whose embeddings are taken.
    """
    who = f"the prompt of object {prompt.object_id} on frame {prompt.frame}"
    height, width = size
    if prompt.mask is not None:
        if tuple(prompt.mask.size) != (height, width):
            return (
                f"{who} has a mask of {tuple(prompt.mask.size)}; give one of the frame's size, "
                f"(height, width) = {(height, width)}"
            )
        if prompt.mask.area == 0:
            return f"{who} has an empty mask; leave out objects not in sight"
        return None
    takes_embedding = prompt.embedding is not None and prompt.embedding.model in embeddings
    if prompt.box is None and not prompt.points and not takes_embedding:
        model = prompt.embedding.model if prompt.embedding is not None else ""
        taken = f"; embeddings of {', '.join(embeddings)} are taken" if embeddings else ""
        return (
            f"{who} is only an embedding (of {model!r}), which is not taken; give a box, points "
            f"or a mask{taken}"
        )
    if prompt.box is not None and prompt.box.clipped(size) is None:
        return (
            f"{who} has a box {prompt.box.as_tuple()} outside the {width}x{height} frame "
            "(width x height)"
        )
    for point in (*prompt.points, *prompt.negative_points):
        if not (0 <= point.x < width and 0 <= point.y < height):
            return (
                f"{who} has a point ({point.x}, {point.y}) outside the {width}x{height} frame; "
                f"allowed are 0 <= x < {width} and 0 <= y < {height}"
            )
    return None
