"""The image encoder in another engine than torch as it is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from videoseg.engines import Engine, Precision, join_convolutions, run_in

__all__ = ["run_encoder_in"]


def run_encoder_in(engine: Engine, modules: Any, *, precision: Precision) -> None:
    """Let the image encoder of a network run in an engine, in place.

    Its positions, which are the same for each frame, are computed once, and the mask decoder's
    projections of fine maps are made one with the encoder's where nothing else reads these.

    Args:
        engine: The engine; nothing is changed for ``eager``.
        modules: The ``SAM2Base``, in float32. Its parameters no longer have the published names.
        precision: ``int8`` for 8-bit numbers in OpenVINO.
    """
    if engine == "eager":
        return
    encoder = modules.image_encoder
    maps = _FeatureMaps(encoder)
    if modules.use_high_res_features_in_sam:
        decoder = modules.sam_mask_decoder
        for level, name in enumerate(("conv_s0", "conv_s1")):
            if maps.join(level, getattr(decoder, name)):
                setattr(decoder, name, nn.Identity())
    modules.image_encoder = _Encoder(
        run_in(engine, maps, precision=precision), encoder.neck.position_encoding
    )


class _FeatureMaps(nn.Module):
    """The package's ``ImageEncoder`` without the positions: from an image to its maps."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self._trunk = encoder.trunk
        self._neck = copy.deepcopy(encoder.neck)
        self._neck.position_encoding = _Nothing()
        self._scalp: int = encoder.scalp

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Map (1, 3, side, side) to maps from fine to coarse, (1, C, h, w) each."""
        maps, _ = self._neck(self._trunk(image))
        return tuple(maps[: len(maps) - self._scalp])

    def join(self, level: int, projection: nn.Conv2d) -> bool:
        """Make a 1x1 convolution of a map a part of the encoder; False if it cannot be."""
        convolutions = self._neck.convs
        # A map with a part from coarser ones is not only what its own convolution makes.
        if level in self._neck.fpn_top_down_levels or level - 1 in self._neck.fpn_top_down_levels:
            return False
        own = convolutions[len(convolutions) - 1 - level]
        own.conv = join_convolutions(own.conv, projection)
        return True


class _Nothing(nn.Module):
    """Stands for the encoding of positions, which the neck computes beside each map."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class _Encoder(nn.Module):
    """Does what the package's ``ImageEncoder`` does, with maps that another function makes."""

    def __init__(
        self, make_maps: Callable[[Tensor], tuple[Tensor, ...]], position_encoding: nn.Module
    ) -> None:
        super().__init__()
        self._make_maps = make_maps
        self._position_encoding = position_encoding
        self._positions: list[Tensor] = []

    def forward(self, sample: Tensor) -> dict[str, Any]:
        maps = list(self._make_maps(sample))
        if not self._positions:
            # Inputs of a network all have one size.
            self._positions = [self._position_encoding(one).to(one.dtype) for one in maps]
        return {
            "vision_features": maps[-1],
            "vision_pos_enc": list(self._positions),
            "backbone_fpn": maps,
        }
