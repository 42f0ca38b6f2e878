"""Boxes and points in the form that SAM 2 takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from videoseg.types import Box, Point, Size

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["PointInputs", "point_inputs"]

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
