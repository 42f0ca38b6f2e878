"""Open a benchmark's split by name, and ``LoadedSplit``, which all readers return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from videoseg.benchmarks.types import (
    Benchmark,
    BenchmarkSplit,
    DrawnBenchmark,
    LeftOut,
    Sample,
    SubmissionFormat,
    Truth,
    left_out_of,
)
from videoseg.benchmarks.untrusted import MAX_LISTED, Problems, unreadable
from videoseg.benchmarks.videos import SplitVideo, VideoPlace
from videoseg.errors import EvaluationError, VideoError
from videoseg.files import expand_path
from videoseg.metrics.protocol import EvalProtocol
from videoseg.plugins import default_registry
from videoseg.types import Size
from videoseg.video import Video

if TYPE_CHECKING:
    from videoseg.plugins import Registry

__all__ = [
    "LoadedSplit",
    "SplitReader",
    "TruthSource",
    "build_benchmark",
    "make_split",
    "open_benchmark",
    "split_named",
]


def build_benchmark(
    name: str,
    *,
    options: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
) -> Benchmark:
    """Build a registered benchmark, for its splits, license and homepage.

    Raises:
        ComponentNotFoundError: If there is no benchmark of this name; close matches are listed.
        ConfigError: If an option is unknown or of the wrong type.
        EvaluationError: If the registered component is not a benchmark.
    """
    built = (registry or default_registry()).build("benchmark", name, options)
    if not isinstance(built, Benchmark):
        raise EvaluationError(
            f"{type(built).__name__}, registered as benchmark {name!r}, is not one: it needs "
            "name, splits, license, homepage, submission and read(root, split)"
        )
    return built


def open_benchmark(
    name: str,
    root: str | Path | None = None,
    split: str = "",
    *,
    check_pictures: bool = True,
    strict: bool = False,
    options: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
) -> BenchmarkSplit:
    """Read one split of a benchmark and check it.

    Single invalid entries, such as a video without frames or a sentence without words, are left
    out and listed in ``left_out`` of the split. If most entries are invalid, the folder is
    probably the wrong one, which is an error.

    Args:
        name: What the benchmark is registered as, such as ``mevis``.
        root: Its folder, laid out as published; None for a benchmark that needs none.
        split: The split; by default the benchmark's first.
        check_pictures: Whether frames, and masks that are pictures, must exist. Without them,
            samples can be listed, and scored if the annotations contain the masks.
        strict: Whether an entry that would be left out is an error instead.
        options: Options of the reader.
        registry: The registry to look in; by default everything that is installed.

    Raises:
        ComponentNotFoundError: If there is no benchmark of this name.
        ConfigError: If an option is unknown or of the wrong type.
        EvaluationError: If the folder is missing or has another layout; all problems are
            listed, each with the file and what to do.
    """
    if not check_pictures:
        options = {**(options or {}), "check_pictures": False}
    benchmark = build_benchmark(name, options=options, registry=registry)
    folder = None if root is None else expand_path(root)
    split = split_named(benchmark, split)
    if isinstance(benchmark, DrawnBenchmark) and not benchmark.needs_root:
        found = benchmark.read(folder, split)
    elif folder is None:
        raise EvaluationError(
            f"{name} needs the folder of its data: give root (--root); it can be downloaded from "
            f"{benchmark.homepage}"
        )
    elif folder.is_dir():
        found = benchmark.read(folder, split)
    else:
        raise EvaluationError(
            f"{folder} is not a folder; give the folder of {name}, which can be downloaded from "
            f"{benchmark.homepage}"
        )
    if strict and (left_out := left_out_of(found)):
        lines = [f"{entry}; {entry.remedy}".rstrip("; ") for entry in left_out[:MAX_LISTED]]
        raise unreadable(found.name, folder, lines, len(left_out))
    return found


def split_named(benchmark: Benchmark, split: str) -> str:
    """Return the split of this name; the first one for an empty name.

    Raises:
        EvaluationError: If there is no such split; the splits are listed.
    """
    if split in benchmark.splits:
        return split
    if not split:
        return benchmark.splits[0]
    raise EvaluationError(
        f"{benchmark.name} has no split {split!r}; its splits are {', '.join(benchmark.splits)}"
    )


class TruthSource(Protocol):
    """Source of the correct answers of a split, one sample at a time."""

    def truth(self, sample: Sample, video: SplitVideo) -> Truth:
        """Read the correct answer to one sample.

        Raises:
            EvaluationError: If it cannot be read.
        """


@runtime_checkable
class VideoTruthSource(Protocol):
    """A source that also knows the objects of a video that no sample asks for."""

    def video_truth(self, video_id: str, video: SplitVideo) -> Truth:
        """Read all annotated objects of a video.

        Raises:
            EvaluationError: If they cannot be read.
        """


class LoadedSplit:
    """A split that has been read and checked; see ``videoseg.benchmarks.BenchmarkSplit``.

    It can be sent to another process.

    Args:
        name: Benchmark and split, such as ``mevis/valid_u``.
        protocol: How predictions are scored.
        samples: Every sample, in the benchmark's order.
        videos: Every video by its id.
        truths: The source of correct answers; None if only the benchmark's server has them.
        left_out: The entries of the benchmark that are not among the samples.
        notes: Lines of text about the data that matter for its scores.
        submitted: For each video the frames of a submission, if these are not all frames.
    """

    def __init__(
        self,
        name: str,
        *,
        protocol: EvalProtocol,
        samples: Sequence[Sample],
        videos: Mapping[str, VideoPlace],
        truths: TruthSource | None,
        left_out: Sequence[LeftOut] = (),
        notes: Sequence[str] = (),
        submitted: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.name = name
        self.protocol = protocol
        self.samples = tuple(samples)
        self.videos = videos
        self.left_out = tuple(left_out)
        self.notes = tuple(notes)
        self._truths = truths
        self._submitted = submitted or {}

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self.samples)} samples on {len(self.videos)} videos>"

    def video(self, video_id: str) -> Video:
        """Open a video.

        Raises:
            VideoError: If there is no video of this id, or a picture cannot be read.
        """
        return self._known(video_id).locate().open(video_id)

    def frame_names(self, video_id: str) -> tuple[str, ...]:
        """The file name of each frame of a video, without suffix.

        Raises:
            VideoError: If there is no video of this id, or, in a split that was opened without
                pictures, nothing says what its frames are called.
        """
        place = self._known(video_id)
        return place.names or place.locate().names

    def submitted_frames(self, video_id: str) -> tuple[str, ...]:
        """The names of the frames of which a submission holds masks; all frames by default.

        Raises:
            VideoError: As ``frame_names``.
        """
        chosen = self._submitted.get(video_id)
        return self.frame_names(video_id) if chosen is None else tuple(chosen)

    def size(self, video_id: str) -> Size:
        """(height, width) of a video's frames, without opening it.

        Raises:
            VideoError: If there is no video of this id, or, in a split that was opened without
                pictures, nothing says how large its frames are.
        """
        return self._known(video_id).locate().size

    def truth(self, sample: Sample) -> Truth | None:
        """Return the correct answer to a sample, or None if it is not public.

        Raises:
            EvaluationError: If the sample is not of this split, or a file cannot be read.
        """
        if sample.video_id not in self.videos:
            raise EvaluationError(f"{self.name} has no sample {sample.id!r}")
        if self._truths is None:
            return None
        return self._truths.truth(sample, self._locate(sample.video_id))

    def video_truth(self, video_id: str) -> Truth:
        """Return all annotated objects of a video, whichever of them samples ask for.

        Raises:
            EvaluationError: If the split does not say which there are, or a file cannot be read.
        """
        if not isinstance(self._truths, VideoTruthSource):
            raise EvaluationError(
                f"{self.name} has only the masks that its samples ask for, and not all annotated "
                "objects of a video; get the pictures of object ids (Annotations)"
            )
        return self._truths.video_truth(video_id, self._locate(video_id))

    def _locate(self, video_id: str) -> SplitVideo:
        try:
            return self._known(video_id).locate()
        except VideoError as error:
            raise EvaluationError(str(error)) from error

    def _known(self, video_id: str) -> VideoPlace:
        place = self.videos.get(video_id)
        if place is None:
            raise VideoError(
                f"{self.name} has no video {video_id!r}; its {len(self.videos)} videos are in "
                "the samples' video_id"
            )
        return place


def make_split(
    problems: Problems,
    *,
    protocol: EvalProtocol,
    samples: Sequence[Sample],
    videos: Mapping[str, VideoPlace],
    truths: TruthSource | None,
    most_alike: float = 0.5,
    submitted: Mapping[str, Sequence[str]] | None = None,
) -> LoadedSplit:
    """Return the split that ``problems`` is about, with its notes and what is left out.

    Raises:
        EvaluationError: If the problems make the benchmark unreadable; see
            ``Problems.raise_any``, also for ``most_alike``, and ``LoadedSplit`` for ``submitted``.
    """
    problems.raise_any(len(samples), most_alike=most_alike)
    return LoadedSplit(
        problems.subject,
        protocol=protocol,
        samples=samples,
        videos=videos,
        truths=truths,
        left_out=problems.left_out,
        notes=problems.notes,
        submitted=submitted,
    )


class SplitReader:
    """Base of benchmarks whose splits are ``LoadedSplit``; subclasses define ``read_split``.

    ``read`` checks the name of the split, and collects the problems of its folder.

    Args:
        check_pictures: Whether frames and masks must exist.
    """

    name: str
    splits: tuple[str, ...]
    license: str = "not stated"
    homepage: str = "not stated"
    submission: SubmissionFormat | None = None

    # Subclasses need not call __init__.
    check_pictures = True

    def __init__(self, *, check_pictures: bool = True) -> None:
        self.check_pictures = check_pictures

    def read(self, root: Path, split: str = "") -> LoadedSplit:
        """Read one split and check it.

        Raises:
            EvaluationError: If the folder has another layout; all problems are listed.
        """
        split = split_named(self, split)
        return self.read_split(root, split, Problems(f"{self.name}/{split}", root))

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; ends with ``make_split``.

        Args:
            root: The folder of the benchmark.
            split: One of ``splits``.
            problems: Where problems of the folder are noted.

        Raises:
            EvaluationError: If the folder has another layout; all problems are listed.
        """
        raise NotImplementedError
