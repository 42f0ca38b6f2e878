"""Cutie's checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg_xmem.published import RANDOM, PublishedCheckpoints, fill_randomly

from videoseg.weights import RandomWeights, WeightsFile

if TYPE_CHECKING:
    from torch import Tensor

    from videoseg_cutie.network import CutieNetwork, Dimensions

__all__ = [
    "DEFAULT",
    "PUBLISHED",
    "RANDOM",
    "find_checkpoint",
    "load_network",
    "published_weights",
    "random_network",
]

DEFAULT = "base"
PUBLISHED = {
    name: f"https://github.com/hkchengrex/Cutie/releases/download/v1.0/cutie-{name}-mega.pth"
    for name in ("base", "small")
}
# About: the publisher gives no SHA-256, without which a size is not taken to be exact. Base is
# known to have 140,443,788 bytes; small is what its 28.7 million parameters take.
_NUM_BYTES = {"base": 140_443_788, "small": 115_200_000}
# That of base is in the release's cutie/utils/download_models.py; that of small, which the
# release does not state, stands beside it in programs of others that check both.
_MD5 = {
    "base": "a6071de6136982e396851903ab4c083a",
    "small": "6abf53b4058228babc3686274bc136cc",
}
_CHECKPOINTS = PublishedCheckpoints(
    "Cutie",
    "cutie",
    {
        name: WeightsFile(
            url,
            "cutie",
            num_bytes=_NUM_BYTES[name],
            license="MIT (as released with Cutie)",
            md5=_MD5[name],
        )
        for name, url in PUBLISHED.items()
    },
    default=DEFAULT,
    key="weights",
)
# Heads that serve training, and constants that are computed here.
_UNUSED = ("aux_computer.", "pos_enc.inv_freq", "spatial_pe.inv_freq")
# Inputs that networks for a single object lack: the masks of other objects, which come last.
_MULTI_OBJECT = ("mask_encoder.conv1.weight", "pixel_fuser.sensory_compress.weight")


def published_weights(options: Mapping[str, Any]) -> list[WeightsFile | RandomWeights]:
    """Return the published file that some options need; none for a file of your own."""
    return _CHECKPOINTS.declare(options)


def find_checkpoint(checkpoint: str | Path) -> Path:
    """Return the file of a checkpoint, without reading it; see ``PublishedCheckpoints.find``."""
    return _CHECKPOINTS.find(checkpoint)


def load_network(path: Path) -> CutieNetwork:
    """Read a checkpoint; its dimensions are read off its parameters.

    A checkpoint for single objects gets weights of zero for the masks of other objects.

    Raises:
        ConfigError: If the file is damaged, holds more than parameters, or is another model's;
            see ``videoseg.weights.read_weights``.
    """
    from videoseg_cutie.network import CutieNetwork, Dimensions

    def build(state: Mapping[str, Tensor]) -> CutieNetwork:
        return CutieNetwork(Dimensions.of(state))

    return _CHECKPOINTS.load(path, build, adapt=_for_many_objects, unused=_UNUSED)


def random_network(dimensions: Dimensions, *, seed: int = 0) -> CutieNetwork:
    """Return a network with random weights, the same for the same seed.

    Features keep their scale from layer to layer.
    """
    import torch

    from videoseg_cutie.network import CutieNetwork

    with torch.device("meta"):
        network = CutieNetwork(dimensions)
    return fill_randomly(network, seed=seed)


def _for_many_objects(state: dict[str, Tensor]) -> None:
    """Give a network for single objects inputs for the masks of others, in place."""
    from torch.nn import functional

    masks, fuser = (state[name] for name in _MULTI_OBJECT)
    single = masks.ndim == 4 and masks.shape[1] == 4
    if single and fuser.ndim == 4:
        for name in _MULTI_OBJECT:
            # The axes from the last on: columns, rows, inputs.
            state[name] = functional.pad(state[name], (0, 0, 0, 0, 0, 1))
