"""Numbers of channels of a network, read from the shapes of a checkpoint's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Dimensions"]


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Numbers of channels.

    Args:
        key: C^k.
        value: C^v.
        sensory: C^h; 0 for a network without sensory memory.
        width: Channels of the residual networks' stems; all others are multiples of it.
        single_object: Whether the value encoder sees no masks of other objects.
    """

    key: int = 64
    value: int = 512
    sensory: int = 64
    width: int = 64
    single_object: bool = False

    @staticmethod
    def of(state: Mapping[str, Tensor]) -> Dimensions:
        """Read the dimensions off a checkpoint's parameters.

        Raises:
            KeyError: If a parameter that shows them is missing.
            IndexError: If one has too few axes.
        """
        update = state.get("decoder.hidden_update.transform.weight")
        return Dimensions(
            key=state["key_proj.key_proj.weight"].shape[0],
            value=state["value_encoder.fuser.block2.conv2.weight"].shape[0],
            sensory=0 if update is None else update.shape[0] // 3,
            width=state["key_encoder.conv1.weight"].shape[0],
            single_object=state["value_encoder.conv1.weight"].shape[1] == 4,
        )
