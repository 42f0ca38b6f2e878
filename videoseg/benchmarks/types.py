"""Parts of a benchmark: samples, their truth, splits, and what a server takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from videoseg.metrics.protocol import EvalProtocol
from videoseg.text import well_formed
from videoseg.types import Prompt, Rle, Size, VideoSource, Window

__all__ = [
    "Benchmark",
    "BenchmarkSplit",
    "DrawnBenchmark",
    "LeftOut",
    "Sample",
    "SubmissionFormat",
    "Truth",
    "left_out_of",
    "needs_root",
    "notes_of",
]


@dataclass(frozen=True, slots=True)
class Sample:
    """One query on one video.

    Query, group and attributes become text that can be written as UTF-8: half of a surrogate
    pair, which JSON can contain, becomes U+FFFD.

    Args:
        video_id: The video, as the benchmark calls it.
        expression_id: The expression, as the benchmark calls it; unique within the video.
        query: The sentence; empty where the benchmark gives prompts instead.
        group: The row of the benchmark's tables that the sample counts for, such as ``referring``.
        attributes: Other properties to break the results down by.
        prompts: Given instead of a query (semi-supervised segmentation); only the propagator
            runs.
        prediction_folders: Folders in which the benchmark's own code writes masks of this sample,
            besides ``<video_id>/<expression_id>``; parts are joined by ``/``.
        object_folders: For each object the folder inside ``<video_id>`` that holds its masks in
            predictions and submissions, where the masks of a video may overlap.
    """

    video_id: str
    expression_id: str
    query: str
    group: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    prompts: tuple[Prompt, ...] = ()
    prediction_folders: tuple[str, ...] = ()
    object_folders: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        attributes = {_clean(name): _clean(value) for name, value in self.attributes.items()}
        object.__setattr__(self, "query", _clean(self.query))
        object.__setattr__(self, "group", _clean(self.group))
        object.__setattr__(self, "attributes", attributes)

    @property
    def id(self) -> str:
        """``video_id/expression_id``, unique within a split."""
        return f"{self.video_id}/{self.expression_id}"


@dataclass(frozen=True, slots=True)
class Truth:
    """The correct answer to one sample.

    Args:
        size: (height, width) of the masks.
        frames: The annotated frames, as ascending indices into the video. A frame that a protocol
            counts twice is listed twice.
        objects: For each true object one mask for each annotated frame; None where it is not
            visible. No objects: the sample has no target.
        foreground: All annotated foreground of the video on each annotated frame, for R.
        window: The true window, where the benchmark grounds queries in time.
        ignored: Pixels of each annotated frame that are not scored; None if there are none.
        foreground_pixels: Sum of the areas of all foreground annotations on each annotated frame,
            overlaps counted more than once; None if they do not overlap.
        repeated: Pixels covered by more than one outline of the target; None if there are none.
        ids_of_pictures: Whether object ids are pixel values, which count from 1. Official code
            treats an id that is skipped as an object that is never visible.
        object_frames: For each object the annotated frames that are its own, as places in
            ``frames``, in order; None stands for one that is missing and scores 0. If None, all
            objects have all frames.
    """

    size: Size
    frames: tuple[int, ...]
    objects: Mapping[int, Sequence[Rle | None]]
    foreground: Sequence[Rle | None] | None = None
    window: Window | None = None
    ignored: Sequence[Rle | None] | None = None
    foreground_pixels: Sequence[int] | None = None
    repeated: Sequence[Rle | None] | None = None
    ids_of_pictures: bool = False
    object_frames: Mapping[int, Sequence[int | None]] | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry of a benchmark that cannot be run or scored and is therefore not in a split.

    Args:
        place: The file or folder, relative to that of the benchmark; or a sample's id.
        reason: What is wrong with it.
        num_samples: How many samples are missing because of it: 0 if they are missing because of
            another entry already, 1 where they cannot be counted.
        remedy: What to do about it.
    """

    place: str
    reason: str
    num_samples: int = 1
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class SubmissionFormat:
    """Layout of the zip of a submission.

    Args:
        top_folder: The folder that holds the videos inside the zip; empty for none.
        server: Page on which it is uploaded.
        layout: ``masks``: ``<video>/<expression>/<frame>.png``, the union of the objects, 0 and
            255. ``ids``: ``<video>/<frame>.png``, a palette picture of object ids, where the
            lowest id is on top. ``objects``: ``<video>/<object>/<frame>.png``, each object by
            itself, 0 and 255, in the folders of ``Sample.object_folders``.
    """

    top_folder: str = ""
    server: str = ""
    layout: Literal["masks", "ids", "objects"] = "masks"


@runtime_checkable
class BenchmarkSplit(Protocol):
    """One split of a benchmark. Masks and videos are read when they are asked for.

    A split may also have ``left_out``, the ``LeftOut`` entries of the benchmark that are not
    among its samples, and ``notes``, lines of text that matter for its scores. Both go into
    ``run.json`` and the report of an evaluation. ``submitted_frames(video_id)`` names the frames
    of a submission, if they are not all frames of the video.
    """

    @property
    def name(self) -> str:
        """Benchmark and split, such as ``mevis/valid_u``."""

    @property
    def protocol(self) -> EvalProtocol:
        """How predictions are scored."""

    @property
    def samples(self) -> Sequence[Sample]:
        """Every sample, in the benchmark's order."""

    def video(self, video_id: str) -> VideoSource:
        """Open a video.

        Raises:
            VideoError: If it cannot be opened.
        """

    def frame_names(self, video_id: str) -> Sequence[str]:
        """The file name of each frame of a video, without suffix."""

    def truth(self, sample: Sample) -> Truth | None:
        """Return the correct answer, or None if it is kept on the benchmark's server.

        Raises:
            EvaluationError: If it cannot be read.
        """


@runtime_checkable
class Benchmark(Protocol):
    """Reads a benchmark as it is published. Registered as a component of kind ``benchmark``."""

    @property
    def name(self) -> str:
        """Its name in ``videoseg eval``."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Its splits; the first is the default."""

    @property
    def license(self) -> str:
        """License of the data."""

    @property
    def homepage(self) -> str:
        """Page to download the data from, or where it is described."""

    @property
    def submission(self) -> SubmissionFormat | None:
        """Layout of a submission to its server; None if it has no server."""

    def read(self, root: Path, split: str = "") -> BenchmarkSplit:
        """Read one split and check it.

        Args:
            root: The folder of the benchmark, laid out as published.
            split: One of ``splits``; empty for the first.

        Raises:
            EvaluationError: If the folder has another layout; every problem is listed, with the
                file and what to do.
        """


@runtime_checkable
class DrawnBenchmark(Protocol):
    """A benchmark that makes its videos itself and needs no folder.

    It has all members of ``Benchmark``, too.
    """

    @property
    def needs_root(self) -> bool:
        """False: ``read`` is called without a folder unless the user gives one."""

    def read(self, root: Path | None = None, split: str = "") -> BenchmarkSplit:
        """Return one split; see ``Benchmark.read``.

        Raises:
            EvaluationError: If a folder is given that cannot be read.
        """


def _clean(value: str) -> str:
    # Readers of plug-ins may put other types there; they are checked where they are used.
    return well_formed(value) if isinstance(value, str) else value


def needs_root(benchmark: Benchmark) -> bool:
    """Return whether a benchmark must be given a folder."""
    return not isinstance(benchmark, DrawnBenchmark) or benchmark.needs_root


def left_out_of(split: BenchmarkSplit) -> tuple[LeftOut, ...]:
    """Return the entries that a split has left out; empty if its reader does not say."""
    return tuple(getattr(split, "left_out", ()))


def notes_of(split: BenchmarkSplit) -> tuple[str, ...]:
    """Return the notes of a split about its data; empty if its reader has none."""
    return tuple(getattr(split, "notes", ()))
