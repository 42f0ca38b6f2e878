"""The frames that a sampler chose to be shown, each group for one purpose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from videoseg.errors import ConfigError
from videoseg.types.geometry import Window
from videoseg.types.scalars import (
    optional,
    real_number,
    set_fields,
    text_of,
    whole_number,
    whole_numbers,
)

__all__ = ["FrameGroup", "FrameRole", "FrameSelection"]

FrameRole: TypeAlias = Literal["context", "detail", "keyframe"]


@dataclass(frozen=True, slots=True)
class FrameGroup:
    """Frames that are shown for one purpose, at one size.

    Args:
        role: ``context`` (many, small), ``detail`` (few, larger) or ``keyframe`` (one, largest).
        indices: Frame indices of the source video.
        max_pixels: Upper bound on height x width at which a model should see each frame;
            None for no bound.

    Raises:
        ConfigError: If there is no frame, a number is not a whole number or out of range, or a
            keyframe group holds several frames.
    """

    role: FrameRole
    indices: tuple[int, ...]
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        indices = whole_numbers(self.indices, f"a frame index of a frame group ({self.role})")
        set_fields(self, indices=indices)
        if not self.indices:
            raise ConfigError(f"a frame group ({self.role}) needs at least one frame")
        if min(self.indices) < 0:
            raise ConfigError(f"frame indices must not be negative, got {min(self.indices)}")
        if self.role == "keyframe" and len(self.indices) != 1:
            raise ConfigError(f"a keyframe group holds one frame, got {len(self.indices)}")
        max_pixels = optional(whole_number, self.max_pixels, "max_pixels", least=1)
        set_fields(self, max_pixels=max_pixels)


@dataclass(frozen=True, slots=True)
class FrameSelection:
    """The frames a sampler chose.

    Args:
        groups: Groups of frame indices; see ``FrameGroup``.
        window: The range of the video they come from.
        confidence: How sure the sampler is of window and keyframe, in [0, 1]; None if it
            does not know.
        reason: One or two sentences a person can read.
        details: Anything else worth keeping in the result, JSON-serializable.

    Example:
        >>> selection = FrameSelection.of([0, 8, 16], window=Window(0, 20), keyframe=8)
        >>> selection.keyframe
        8
    """

    groups: tuple[FrameGroup, ...]
    window: Window
    confidence: float | None = None
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        set_fields(self, groups=tuple(self.groups))
        if not self.groups:
            raise ConfigError("a frame selection needs at least one group of frames")
        if sum(group.role == "keyframe" for group in self.groups) > 1:
            raise ConfigError("a frame selection holds at most one keyframe")
        what = "of a frame selection"
        set_fields(
            self,
            reason=text_of(self.reason, f"the reason {what}"),
            confidence=optional(real_number, self.confidence, f"the confidence {what}"),
        )

    @staticmethod
    def of(
        indices: Iterable[int],
        *,
        window: Window,
        keyframe: int | None = None,
        confidence: float | None = None,
        reason: str = "",
    ) -> FrameSelection:
        """Build the common selection: some context frames and, if given, a keyframe."""
        groups = [FrameGroup("context", tuple(indices))]
        if keyframe is not None:
            groups.append(FrameGroup("keyframe", (keyframe,)))
        return FrameSelection(tuple(groups), window, confidence=confidence, reason=reason)

    @property
    def indices(self) -> tuple[int, ...]:
        """All frame indices, sorted, each once."""
        return tuple(sorted({index for group in self.groups for index in group.indices}))

    @property
    def keyframe(self) -> int | None:
        """The keyframe, or None if the sampler leaves that choice to the grounder."""
        return next((group.indices[0] for group in self.groups if group.role == "keyframe"), None)

    def of_role(self, role: FrameRole) -> tuple[int, ...]:
        """Return the frame indices of one role, in order."""
        return tuple(
            index for group in self.groups if group.role == role for index in group.indices
        )
