"""What a benchmark consists of: samples, their truth, and where their videos are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

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
    "notes_of",
]


@dataclass(frozen=True, slots=True)
class Sample:
    """One thing to be answered: a query on a video.

    Query, group and attributes become text that can be written as UTF-8: half of a surrogate
    pair, which JSON can hold, becomes U+FFFD.

    Args:
        video_id: The video, as the benchmark calls it.
        expression_id: The expression, as the benchmark calls it; unique within the video.
        query: The sentence; empty where the benchmark gives prompts instead.
        group: What the benchmark tells apart in its tables, such as ``referring``.
        attributes: Anything else to break the results down by.
        prompts: Given instead of a query (semi-supervised segmentation): only the propagator
            runs.
        prediction_folders: Where the benchmark's own code keeps its masks of this sample, beside
            ``<video_id>/<expression_id>``, as paths whose parts are joined by ``/``.
    """

    video_id: str
    expression_id: str
    query: str
    group: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    prompts: tuple[Prompt, ...] = ()
    prediction_folders: tuple[str, ...] = ()

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
    """What the right answer to one sample is.

    Args:
        size: (height, width) of the masks.
        frames: The annotated frames, as indices into the video, ascending. A frame that a
            protocol counts twice stands here twice.
        objects: For each true object one mask for each annotated frame; None where it is not
            visible. No objects: the sample has no target.
        foreground: All annotated foreground of the video on each annotated frame, for R.
        window: The true window, where the benchmark grounds queries in time.
        ignored: Pixels of each annotated frame that are not judged; None for none.
        foreground_pixels: How many pixels the annotations of the foreground have together on
            each annotated frame, each counted by itself; None if they do not overlap.
        repeated: Pixels that more than one outline of the target covers; None for none.
        ids_of_pictures: Whether the ids of the objects are values of pictures, which count from
            1. Official code takes one that is left out for an object that is never there.
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


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry of a benchmark that cannot be asked or scored and is therefore not in a split.

    Args:
        place: The file or folder it is about, relative to the benchmark's; or a sample's id.
        reason: What is wrong with it.
        num_samples: How many samples are missing for it: 0 if they are missing for another
            entry already, 1 where they cannot be counted.
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
    """How a submission is laid out: ``<video>/<expression>/<frame>.png`` in a zip.

    Args:
        top_folder: The folder that holds the videos inside the zip; empty for none.
        server: Where it is uploaded.
    """

    top_folder: str = ""
    server: str = ""


@runtime_checkable
class BenchmarkSplit(Protocol):
    """One split of a benchmark, read from a folder. Masks and videos are read when asked for.

    A split may also have ``left_out``, the ``LeftOut`` entries of the benchmark that are not
    among its samples, and ``notes``, lines of text that whoever reads its scores should know.
    Both go into ``run.json`` and the report of an evaluation.
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
        """What each frame of a video is called on disk, without an ending."""

    def truth(self, sample: Sample) -> Truth | None:
        """Return the right answer, or None if the benchmark keeps it on its server.

        Raises:
            EvaluationError: If it cannot be read.
        """


@runtime_checkable
class Benchmark(Protocol):
    """Reads a benchmark as it is published. Registered as a component of kind ``benchmark``."""

    @property
    def name(self) -> str:
        """What ``videoseg eval`` calls it."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Its splits; the first is the default."""

    @property
    def license(self) -> str:
        """What its data may be used for."""

    @property
    def homepage(self) -> str:
        """Where it is to be had."""

    @property
    def submission(self) -> SubmissionFormat | None:
        """What its server takes, if it has one."""

    def read(self, root: Path, split: str = "") -> BenchmarkSplit:
        """Read one split and check it.

        Args:
            root: The folder of the benchmark, laid out as published.
            split: One of ``splits``; empty for the first.

        Raises:
            EvaluationError: If the folder is not what it should be; every problem is listed,
                with the file and what to do.
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
    # Readers of others may have put something else there; that is for them to answer.
    return well_formed(value) if isinstance(value, str) else value


def left_out_of(split: BenchmarkSplit) -> tuple[LeftOut, ...]:
    """Return what a split has left out; nothing if its reader does not say."""
    return tuple(getattr(split, "left_out", ()))


def notes_of(split: BenchmarkSplit) -> tuple[str, ...]:
    """Return what a split says about its data; nothing if its reader does not say."""
    return tuple(getattr(split, "notes", ()))
