"""Families of vision-language models and their conventions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from videoseg.coordinates import CoordinateSpace

__all__ = ["FAMILIES", "Family", "family_of_model", "family_of_type"]


@dataclass(frozen=True, slots=True)
class Family:
    """Models that share their conventions.

    Args:
        name: The name of the family.
        coordinate_space: How its models write coordinates.
        size_factor: Image sides are multiples of this many pixels: the side of a patch times the
            number of patches merged into one token in each direction.
    """

    name: str
    coordinate_space: CoordinateSpace
    size_factor: int

    def num_image_tokens(self, height: int, width: int) -> int:
        """Return the number of tokens of an image of this size."""
        return (height // self.size_factor) * (width // self.size_factor)


QWEN2_VL = Family("Qwen2-VL", CoordinateSpace("per_mille"), 28)
QWEN2_5_VL = Family("Qwen2.5-VL", CoordinateSpace("pixels_of_resized"), 28)
QWEN3_VL = Family("Qwen3-VL", CoordinateSpace("per_mille"), 32)

FAMILIES: tuple[Family, ...] = (QWEN2_VL, QWEN2_5_VL, QWEN3_VL)
"""The families whose conventions are known."""

_BY_TYPE = {
    "qwen2_vl": QWEN2_VL,
    "qwen2_5_vl": QWEN2_5_VL,
    "qwen3_vl": QWEN3_VL,
    "qwen3_vl_moe": QWEN3_VL,
}


def family_of_type(model_type: str) -> Family | None:
    """Return the family of a checkpoint by the ``model_type`` of its configuration.

    Example:
        >>> family_of_type("qwen2_5_vl").name
        'Qwen2.5-VL'
    """
    return _BY_TYPE.get(model_type)


def family_of_model(name: str) -> Family | None:
    """Return the family of a model on a server, by the name of the model.

    Example:
        >>> family_of_model("Qwen/Qwen3-VL-8B-Instruct").name
        'Qwen3-VL'
    """
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    # The longest first, so that "qwen2vl" does not match a longer name.
    for key, family in (("qwen25vl", QWEN2_5_VL), ("qwen3vl", QWEN3_VL), ("qwen2vl", QWEN2_VL)):
        if key in plain:
            return family
    return None
