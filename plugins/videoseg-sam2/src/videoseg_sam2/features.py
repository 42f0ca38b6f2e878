"""The image encoder's features of one frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from videoseg_sam2.network import Network

__all__ = ["FrameFeatures", "encode_frame"]


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """Feature maps of one frame, flattened as ``SAM2Base`` passes them on.

    Args:
        maps: From fine to coarse, each of shape (h * w, 1, C).
        positions: Encoding of the positions in the coarsest map, shape (h * w, 1, C).
        sizes: (h, w) of each map.
    """

    maps: list[Tensor]
    positions: Tensor
    sizes: list[tuple[int, int]]

    def square(self, level: int) -> Tensor:
        """Return one map in two dimensions, shape (1, C, h, w)."""
        flat = self.maps[level]
        return flat.permute(1, 2, 0).reshape(1, flat.shape[2], *self.sizes[level])


def encode_frame(network: Network, image: Tensor) -> FrameFeatures:
    """Run the image encoder on one frame.

    Args:
        network: The network.
        image: Normalized, shape (1, 3, side, side), dtype float32.
    """
    modules = network.modules
    encoded = modules.forward_image(image.to(network.device))
    _, maps, positions, sizes = modules._prepare_backbone_features(encoded)
    # Only the coarsest map attends to memory, so only its positions are worth keeping.
    return FrameFeatures(maps, positions[-1], sizes)
