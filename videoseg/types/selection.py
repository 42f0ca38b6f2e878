"""What a sampler returns: which frames to show, how large, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from videoseg.errors import ConfigError
from videoseg.types.geometry import Window

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
    """

    role: FrameRole
    indices: tuple[int, ...]
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "indices", tuple(int(index) for index in self.indices))
        if not self.indices:
            raise ConfigError(f"a frame group ({self.role}) needs at least one frame")
        if min(self.indices) < 0:
            raise ConfigError(f"frame indices must not be negative, got {min(self.indices)}")
        if self.role == "keyframe" and len(self.indices) != 1:
            raise ConfigError(f"a keyframe group holds one frame, got {len(self.indices)}")
        if self.max_pixels is not None and self.max_pixels < 1:
            raise ConfigError(f"max_pixels must be at least 1, got {self.max_pixels}")


@dataclass(frozen=True, slots=True)
class FrameSelection:
    """The frames a sampler chose.

    Args:
        groups: Groups of frame indices; see ``FrameGroup``.
        window: The range of the video they come from.
        confidence: How sure the sampler is of window and keyframe, in [0, 1]; None if it
            does not know.
        reason: One or two sentences a person can read.
        details: Anything else worth keeping in the result, JSON-serialisable.

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
        object.__setattr__(self, "groups", tuple(self.groups))
        if not self.groups:
            raise ConfigError("a frame selection needs at least one group of frames")
        if sum(group.role == "keyframe" for group in self.groups) > 1:
            raise ConfigError("a frame selection holds at most one keyframe")

    @staticmethod
    def of(
        indices: list[int] | tuple[int, ...] | range,
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
