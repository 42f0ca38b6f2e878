"""The result of a query: mask tracks with grounding, reasoning and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from videoseg.errors import FrameNotFoundError, ObjectNotFoundError
from videoseg.types import (
    AnswerStatus,
    BoolArray,
    Grounding,
    MaskTrack,
    Trace,
    VideoFacts,
    VideoPart,
    VideoSource,
)
from videoseg.types.episode import summarize_answer
from videoseg.types.scalars import text_of, texts_of, whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from supervision import Detections

__all__ = ["Segmentation"]


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Masks of the queried objects in every frame, with the reasoning.

    Args:
        query: The user's sentence.
        video: Facts about the video.
        grounding: Where the objects were localized.
        trace: The reasoning of each turn, with the frames it saw.
        tracks: A mask track for each object, sorted by object id; empty if the answer is
            "not in this video", or nothing that fits was seen. Without labels if the answer is
            a guess.
        pipeline: The configuration of the pipeline, as in its YAML.
        timings: Seconds spent in each stage; ``start`` (opening the video, loading the stages)
            and ``total``. A saved result also has ``saving``, and ``total`` includes it. They are
            not compared.
        versions: Versions of Python, videoseg, and the packages of the stages.
        seed: The seed of the run.
        device: The device of the models, such as ``cpu``.
        warnings: Warnings for the user.
        source: The video, for pictures; not saved and not compared. A pickled result keeps it
            if it was read from a path; otherwise pass the video to ``save(video=...)``.
        part: The frames that were asked about, see ``Video.part``; None for all of them.
    """

    # Makes JSON validation ignore the type of ``source``, which is never in the JSON.
    __pydantic_config__: ClassVar[dict[str, bool]] = {"arbitrary_types_allowed": True}

    query: str
    video: VideoFacts
    grounding: Grounding
    trace: Trace
    tracks: tuple[MaskTrack, ...]
    pipeline: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict, compare=False)
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    device: str = "cpu"
    warnings: tuple[str, ...] = ()
    source: VideoSource | None = field(
        default=None, compare=False, repr=False, metadata={"saved": False}
    )
    part: VideoPart | None = None

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
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return Segmentation, tuple({**values, "source": source}.values())

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
        answer = summarize_answer(self.grounding, len(self.tracks))
        return f"<Segmentation of {self.video.name!r} for {self.query!r}: {answer}>"

    @property
    def found(self) -> bool:
        """Whether objects were found, for certain or as a guess; see ``status``."""
        return bool(self.tracks)

    @property
    def status(self) -> AnswerStatus:
        """How far the answer can be trusted: ``answered``, ``guessed`` or ``absent``.

        ``answered``: the whole query was judged. ``guessed``: part of it could not be judged, or
        what was seen does not decide it; ``warnings`` say why and what to do. ``absent``: what
        was seen contradicts the query.
        """
        return cast("AnswerStatus", self.grounding.status)

    @property
    def judged(self) -> tuple[str, ...]:
        """The words of the query that the answer rests on, if the grounder tells them."""
        return self.grounding.judged

    @property
    def unjudged(self) -> tuple[str, ...]:
        """The words of the query that could not be judged."""
        return self.grounding.unjudged

    @property
    def frames(self) -> range:
        """The frames that have an answer: all, or those of ``part``."""
        return range(self.video.num_frames) if self.part is None else self.part.frames

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The ids of the objects found."""
        return tuple(track.object_id for track in self.tracks)

    def track(self, object_id: int) -> MaskTrack:
        """Return the track of one object.

        Raises:
            ObjectNotFoundError: If there is no such object. It is also a ``KeyError``.
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
            frame: Frame index; negative indices count from the end.

        Raises:
            ConfigError: If the index is not a whole number.
            FrameNotFoundError: If there is no such frame. It is also an ``IndexError``.
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

        The folder is written atomically: it appears complete or not at all.

        Args:
            directory: Where to write; missing parents are created.
            overwrite: Replace an existing result.
            video: The video for overlay and report; by default that of the run.
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
        """Read a saved result. It equals the one that was saved.

        Raises:
            OutputError: If the folder has no readable result.
        """
        from videoseg.results.folder import load_result

        return load_result(directory)

    def to_supervision(self, frame: int) -> Detections:
        """Return the objects of one frame as ``supervision.Detections``.

        See ``videoseg.results.to_supervision``.

        Raises:
            FrameNotFoundError: If there is no such frame.
            MissingDependencyError: If supervision is not installed.
        """
        from videoseg.results.supervision import to_supervision

        return to_supervision(self, frame)

    def iter_supervision(self) -> Iterator[Detections]:
        """Yield ``supervision.Detections`` of every frame, in order; see ``to_supervision``."""
        for frame in range(self.video.num_frames):
            yield self.to_supervision(frame)

    def show(self, *, max_frames: int = 8) -> Any:
        """Return a view for notebooks, with query, reasoning, pictures and a playable overlay.

        Args:
            max_frames: Number of pictures, at least 1.

        Raises:
            ConfigError: If ``max_frames`` is below 1.
        """
        from videoseg.results.notebook import show_segmentation

        return show_segmentation(self, max_frames=max_frames)

    def _repr_html_(self) -> str:
        from videoseg.results.notebook import segmentation_html

        return segmentation_html(self)
