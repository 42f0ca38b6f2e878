"""Numbers of channels of a network, read from the shapes of a checkpoint's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NUM_HEADS", "SMALL", "Dimensions"]

NUM_HEADS = 8
"""Heads of each attention; no parameter's shape tells it, and both published sizes have 8."""

_STAGES = ("res2", "layer2", "layer3")


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Numbers of channels and layers; the defaults are those of the base model.

    Args:
        key: C^k.
        pixel: Channels of the image's features that objects are joined with.
        value: C^v.
        sensory: C^h.
        embed: C, the channels of the object transformer and of the decoder at stride 16.
        middle: Channels of the decoder at strides 8 and 4.
        hidden: Channels inside the feed-forward layers of the object transformer.
        num_queries: Queries of each object, the same number as there are summaries.
        num_layers: Blocks of the object transformer.
        width: Channels of the residual networks' stems.
        num_blocks: Blocks of each stage of the pixel encoder.
        bottlenecks: Whether the pixel encoder's blocks are bottlenecks (ResNet-50) or not
            (ResNet-18).
    """

    key: int = 64
    pixel: int = 256
    value: int = 256
    sensory: int = 256
    embed: int = 256
    middle: int = 128
    hidden: int = 2048
    num_queries: int = 16
    num_layers: int = 3
    width: int = 64
    num_blocks: tuple[int, int, int] = (3, 4, 6)
    bottlenecks: bool = True

    @property
    def features(self) -> tuple[int, int, int]:
        """Channels of the pixel encoder's features at strides 16, 8 and 4."""
        unit = self.width * (4 if self.bottlenecks else 1)
        return 4 * unit, 2 * unit, unit

    @staticmethod
    def of(state: Mapping[str, Tensor]) -> Dimensions:
        """Read the dimensions off a checkpoint's parameters.

        Raises:
            KeyError: If a parameter that shows them is missing.
            IndexError: If one has too few axes.
            ValueError: If they are not those of a network that can be built.
        """

        def count(prefix: str) -> int:
            numbers = (name[len(prefix) :].split(".")[0] for name in state)
            found = {
                number
                for name, number in zip(state, numbers, strict=True)
                if name.startswith(prefix) and number.isdecimal()
            }
            return len(found)

        stages = [count(f"pixel_encoder.{stage}.") for stage in _STAGES]
        num_layers = count("object_transformer.blocks.")
        if not (all(stages) and num_layers):
            raise ValueError("there are no stages or no blocks")
        embed = state["object_transformer.query_init.weight"].shape[1]
        if embed % NUM_HEADS:
            raise ValueError(f"{embed} channels cannot be shared by {NUM_HEADS} heads")
        pixel = state["pix_feat_proj.weight"].shape[0]
        return Dimensions(
            key=state["key_proj.key_proj.weight"].shape[0],
            pixel=pixel,
            value=state["mask_encoder.fuser.block2.conv2.weight"].shape[0],
            sensory=state["mask_encoder.sensory_update.transform.weight"].shape[0] // 3,
            embed=embed,
            middle=state["mask_decoder.pred.weight"].shape[1],
            hidden=state["object_transformer.blocks.0.ffn.linear1.weight"].shape[0],
            num_queries=state["object_transformer.query_init.weight"].shape[0],
            num_layers=num_layers,
            width=state["pixel_encoder.conv1.weight"].shape[0],
            num_blocks=(stages[0], stages[1], stages[2]),
            bottlenecks="pixel_encoder.res2.0.conv3.weight" in state,
        )


SMALL = Dimensions(num_blocks=(2, 2, 2), bottlenecks=False)
"""The small model: ResNet-18 in place of ResNet-50."""
