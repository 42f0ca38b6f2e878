"""The vision encoder in another engine than torch as it is, and EdgeTAM's with fewer layers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn

from videoseg.engines import Engine, Precision, join_convolutions, run_in

__all__ = ["run_encoder_in"]


def run_encoder_in(engine: Engine, model: Any, *, precision: Precision) -> None:
    """Let the vision encoder of a video tracker run in an engine, in place.

    The encoding of positions, which is the same for each frame, is computed once, and the mask
    decoder's projections of fine maps are made one with the encoder's where nothing else reads
    these. EdgeTAM's batch norms and parallel convolutions are made one convolution each.

    Args:
        engine: The engine; nothing is changed for ``eager``.
        model: The library's model, in float32.
        precision: ``int8`` for 8-bit numbers in OpenVINO.
    """
    if engine == "eager":
        return
    encoder = model.vision_encoder
    _merge_branches(encoder)
    for level, name in enumerate(("conv_s0", "conv_s1")):
        if _join(encoder.neck, level, getattr(model.mask_decoder, name)):
            setattr(model.mask_decoder, name, nn.Identity())
    model.vision_encoder = _Encoder(
        run_in(engine, _FeatureMaps(encoder), precision=precision),
        encoder.neck.position_encoding,
    )


def _merge_branches(encoder: Any) -> None:
    """Let a network of timm, such as EdgeTAM's, merge what only training keeps apart."""
    backbone = encoder.backbone
    if hasattr(backbone, "timm_model"):
        timm = importlib.import_module("timm.utils")
        backbone.timm_model = timm.reparameterize_model(backbone.timm_model, inplace=True)


def _join(neck: Any, level: int, projection: nn.Conv2d) -> bool:
    """Make a 1x1 convolution of a map a part of the neck; False if it cannot be."""
    convolutions = getattr(neck, "convs", None)
    if convolutions is None or level in neck.fpn_top_down_levels:
        # SAM 3 has another neck, and a map with a part from coarser ones is not only what its
        # own convolution makes.
        return False
    if level - 1 in neck.fpn_top_down_levels:
        return False
    place = len(convolutions) - 1 - level
    convolutions[place] = join_convolutions(convolutions[place], projection)
    return True


class _FeatureMaps(nn.Module):
    """A vision encoder without the positions: from an image to its maps."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self._encoder = encoder

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Map (1, 3, side, side) to maps from fine to coarse, (1, C, h, w) each."""
        return tuple(self._encoder(image, return_dict=True).fpn_hidden_states)


class _Encoder(nn.Module):
    """Does what a vision encoder does, with maps that another function makes."""

    def __init__(
        self, make_maps: Callable[[Tensor], tuple[Tensor, ...]], position_encoding: nn.Module
    ) -> None:
        super().__init__()
        self._make_maps = make_maps
        self._position_encoding = position_encoding
        self._positions: list[Tensor] = []

    def forward(self, pixel_values: Tensor, **_: Any) -> Any:
        maps = list(self._make_maps(pixel_values))
        if not self._positions:
            # Inputs of a network all have one size.
            self._positions = [
                self._position_encoding(one.shape, one.device, one.dtype).to(one.dtype)
                for one in maps
            ]
        return SimpleNamespace(fpn_hidden_states=maps, fpn_position_encoding=list(self._positions))
