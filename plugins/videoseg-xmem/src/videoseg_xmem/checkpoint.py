"""XMem's checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg.weights import RandomWeights, WeightsFile
from videoseg_xmem.published import RANDOM, PublishedCheckpoints, fill_randomly

if TYPE_CHECKING:
    from torch import Tensor

    from videoseg_xmem.network import Dimensions, XMemNetwork

__all__ = [
    "DEFAULT",
    "PUBLISHED",
    "RANDOM",
    "find_checkpoint",
    "load_network",
    "published_weights",
    "random_network",
]

DEFAULT = "XMem"
PUBLISHED = {
    name: f"https://github.com/hkchengrex/XMem/releases/download/v1.0/{name}.pth"
    for name in ("XMem", "XMem-s012")
}
# Their publisher gives neither size nor hash; the size is that of 62.2 million parameters.
_CHECKPOINTS = PublishedCheckpoints(
    "XMem",
    "xmem",
    {
        name: WeightsFile(
            url, "xmem", num_bytes=249_000_000, license="MIT (as released with XMem)"
        )
        for name, url in PUBLISHED.items()
    },
    default=DEFAULT,
    key="network",
)


def published_weights(options: Mapping[str, Any]) -> list[WeightsFile | RandomWeights]:
    """Return the published file that some options need; none for a file of your own."""
    return _CHECKPOINTS.declare(options)


def find_checkpoint(checkpoint: str | Path) -> Path:
    """Return the file of a checkpoint, without reading it; see ``PublishedCheckpoints.find``."""
    return _CHECKPOINTS.find(checkpoint)


def load_network(path: Path) -> XMemNetwork:
    """Read a checkpoint; its dimensions are read off its parameters.

    Raises:
        ConfigError: If the file is damaged, holds more than parameters, or is another model's;
            see ``videoseg.weights.read_weights``.
    """
    from videoseg_xmem.network import Dimensions, XMemNetwork

    def build(state: Mapping[str, Tensor]) -> XMemNetwork:
        return XMemNetwork(Dimensions.of(state))

    return _CHECKPOINTS.load(path, build)


def random_network(dimensions: Dimensions, *, seed: int = 0) -> XMemNetwork:
    """Return a network with random weights, the same for the same seed.

    Features keep their scale from layer to layer.
    """
    import torch

    from videoseg_xmem.network import XMemNetwork

    with torch.device("meta"):
        network = XMemNetwork(dimensions)
    return fill_randomly(network, seed=seed)
