"""The result: mask tracks with the grounding, the reasoning and how they came about."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from videoseg.errors import FrameNotFoundError, ObjectNotFoundError
from videoseg.types import Grounding
from videoseg.types.arrays import BoolArray
from videoseg.types.episode import Trace
from videoseg.types.masks import MaskTrack
from videoseg.types.scalars import text_of, texts_of, whole_number
from videoseg.types.video import VideoFacts, VideoSource

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Segmentation"]


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Masks for the queried objects in every frame, and why.

    Args:
        query: The user's sentence.
        video: What is known of the video.
        grounding: Where the objects were localised.
        trace: The reasoning, turn by turn, with the frames seen in each.
        tracks: One mask track for each object, sorted by object id; none if the answer is
            "not in this video".
        pipeline: The pipeline's configuration, as its YAML has it.
        timings: Seconds spent, by stage.
        versions: Versions of Python, videoseg, and the packages of the stages used.
        seed: The seed of the run.
        device: Where models ran, such as ``cpu``.
        warnings: What the user should know.
        source: The video itself, for pictures; not saved, not compared. A pickled result keeps
            it if it was read from a path; otherwise give the frames to ``save(video=...)``.
    """

    # Lets JSON validation pass over the type of ``source``, which is never in the JSON.
    __pydantic_config__: ClassVar[dict[str, bool]] = {"arbitrary_types_allowed": True}

    query: str
    video: VideoFacts
    grounding: Grounding
    trace: Trace
    tracks: tuple[MaskTrack, ...]
    pipeline: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    device: str = "cpu"
    warnings: tuple[str, ...] = ()
    source: VideoSource | None = field(
        default=None, compare=False, repr=False, metadata={"saved": False}
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", text_of(self.query, "the query of a result"))
        object.__setattr__(self, "tracks", tuple(self.tracks))
        object.__setattr__(self, "seed", whole_number(self.seed, "the seed of a result"))
        warnings = texts_of(self.warnings, "the warnings of a result")
        object.__setattr__(self, "warnings", warnings)

    def __reduce__(self) -> tuple[Any, ...]:
        # Frames in memory would make each result as large as its video, and some sources cannot
        # be sent at all.
        source = None if self.video.path is None else self.source
        kept = (getattr(self, each.name) for each in fields(self) if each.name != "source")
        return Segmentation, (*kept, source)

    def __copy__(self) -> Segmentation:
        return replace(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Segmentation:
        copied = {
            each.name: deepcopy(getattr(self, each.name), memo)
            for each in fields(self)
            if each.name != "source"
        }
        return Segmentation(**copied, source=self.source)

    def __repr__(self) -> str:
        number = len(self.tracks)
        answer = f"{number} object{'s' if number > 1 else ''}" if number else "not in this video"
        return f"<Segmentation of {self.video.name!r} for {self.query!r}: {answer}>"

    @property
    def found(self) -> bool:
        """Whether anything in the video answers the query."""
        return bool(self.tracks)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The ids of the objects found."""
        return tuple(track.object_id for track in self.tracks)

    def track(self, object_id: int) -> MaskTrack:
        """Return the track of one object.

        Raises:
            ObjectNotFoundError: If there is no such object; it is a ``KeyError``, too.
        """
        for track in self.tracks:
            if track.object_id == object_id:
                return track
        raise ObjectNotFoundError(
            f"there is no object {object_id}; the objects are {list(self.object_ids)}"
        )

    def mask(self, frame: int) -> BoolArray:
        """Return the union of all objects on one frame, shape (H, W).

        Args:
            frame: The frame index; negative ones count from the end.

        Raises:
            ConfigError: If the index is no whole number.
            FrameNotFoundError: If there is no such frame; it is an ``IndexError``, too.
        """
        frame = whole_number(frame, "the index of a frame")
        if not -self.video.num_frames <= frame < self.video.num_frames:
            raise FrameNotFoundError(frame, self.video.num_frames)
        union = np.zeros(self.video.size, dtype=bool)
        for track in self.tracks:
            union |= track.mask(frame)
        return union

    def save(
        self,
        directory: str | Path,
        *,
        overwrite: bool = False,
        video: VideoSource | None = None,
        parts: Sequence[str] | None = None,
    ) -> Path:
        """Write ``result.json``, ``masks/``, ``overlay.mp4`` and ``report.html``.

        The folder appears whole or not at all: everything is written beside it first.

        Args:
            directory: Where to write. An existing result there is only replaced if asked.
            overwrite: Replace what is there.
            video: The frames, for overlay and report; by default the video of the run.
            parts: A subset of ``("masks", "overlay", "report")``; all by default.
                ``result.json`` is always written.

        Returns:
            The folder.

        Raises:
            OutputError: If the folder exists, is read-only, or the disk is full.
        """
        from videoseg.results.folder import save_result

        return save_result(self, directory, overwrite=overwrite, video=video, parts=parts)

    @staticmethod
    def load(directory: str | Path) -> Segmentation:
        """Read a saved result; equal to the one that was saved.

        Raises:
            OutputError: If the folder holds no readable result.
        """
        from videoseg.results.folder import load_result

        return load_result(directory)

    def show(self, *, max_frames: int = 8) -> Any:
        """Return an object that a notebook shows: query, reasoning and overlay pictures."""
        from videoseg.results.notebook import show_segmentation

        return show_segmentation(self, max_frames=max_frames)

    def _repr_html_(self) -> str:
        from videoseg.results.notebook import segmentation_html

        return segmentation_html(self)
