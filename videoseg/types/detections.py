"""What a detector finds on one frame."""

from __future__ import annotations

from dataclasses import dataclass

from videoseg.errors import ConfigError
from videoseg.text import shorten
from videoseg.types.geometry import Box
from videoseg.types.rle import Rle
from videoseg.types.scalars import real_number, set_fields, text_of

__all__ = ["Detection"]


@dataclass(frozen=True, slots=True)
class Detection:
    """Something with a name, found on one frame.

    Args:
        box: Where it is, in pixels of the frame.
        label: What it was found as: one of the names that were asked for, as it was written.
        score: How sure the detector is, in [0, 1]. Scores of different detectors do not compare.
        class_name: What the detector itself calls it, where it is asked by other words: ``car``
            for the name ``vehicle``. Empty if there is no such word.
        mask: Its mask, of the frame's size, from detectors that make masks.

    Raises:
        ConfigError: If the box, the mask or a text has another type, or the score is not a
            number in [0, 1].
    """

    box: Box
    label: str
    score: float
    class_name: str = ""
    mask: Rle | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.box, Box):
            raise ConfigError(f"the box of a detection must be a Box, got {shorten(self.box)}")
        if not isinstance(self.mask, Rle | None):
            raise ConfigError(
                f"the mask of a detection must be an Rle or None, got {shorten(self.mask)}; write "
                "Rle.encode(mask)"
            )
        score = real_number(self.score, "the score of a detection")
        if not 0 <= score <= 1:
            raise ConfigError(f"the score of a detection must be within 0..1, got {score}")
        set_fields(
            self,
            label=text_of(self.label, "the label of a detection"),
            class_name=text_of(self.class_name, "the class name of a detection"),
            score=float(score),
        )
