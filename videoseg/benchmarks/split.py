"""The split that the readers return: samples, where the videos are, and where the truth is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from videoseg.benchmarks.pictures import picture_size, pictures_by_name
from videoseg.benchmarks.problems import FirstProblem, ProblemList
from videoseg.benchmarks.types import LeftOut, Sample, Truth
from videoseg.errors import EvaluationError, VideoError
from videoseg.metrics.protocol import EvalProtocol
from videoseg.types import Size
from videoseg.video import DEFAULT_CACHE_BYTES, DEFAULT_FPS, Video, natural_order
from videoseg.video.frame_store import FrameStore
from videoseg.video.images import ImageReader

__all__ = [
    "LoadedSplit",
    "SplitVideo",
    "TruthSource",
    "UncheckedVideo",
    "VideoPlace",
    "video_of_pictures",
]


@dataclass(frozen=True, slots=True)
class SplitVideo:
    """One video of a split: the pictures that are its frames, or a video file.

    Args:
        folder: Where the pictures are; the video file if there are none.
        files: The picture of each frame, in the benchmark's order; exactly these are the
            frames, whatever else lies in the folder. Empty for a video file.
        names: What each frame is called in the benchmark, without an ending.
        size: (height, width).
        fps: Frames per second.
    """

    folder: Path
    files: tuple[str, ...]
    names: tuple[str, ...]
    size: Size
    fps: float = DEFAULT_FPS

    def locate(self) -> SplitVideo:
        """Return the video itself; see ``VideoPlace``."""
        return self

    def open(self, name: str) -> Video:
        """Open the video under a name.

        Raises:
            VideoError: If it is missing or cannot be read, or pictures differ in size.
        """
        if not self.files:
            return Video.open(self.folder)
        factory = partial(ImageReader, [self.folder / file for file in self.files], fps=self.fps)
        store = FrameStore(
            name,
            str(self.folder),
            reader_name="images",
            factory=factory,
            cache_bytes=DEFAULT_CACHE_BYTES,
            fps=self.fps,
        )
        return Video(store)


class VideoPlace(Protocol):
    """Where a video of a split is, or where it would be."""

    @property
    def names(self) -> tuple[str, ...]:
        """What each frame is called; empty as long as nobody has looked."""

    @property
    def size(self) -> Size | None:
        """(height, width); None as long as nobody has looked."""

    def locate(self) -> SplitVideo:
        """Look, and return the video with its frames and their size.

        Raises:
            VideoError: If frames are not there, or nothing says how large they are.
        """


@dataclass(frozen=True, slots=True)
class UncheckedVideo:
    """A video that nobody has looked for, since the split needs no pictures to be opened.

    Args:
        folder: Where its pictures are, if they are anywhere.
        names: What each frame is called, in order; empty: the pictures of the folder.
        size: (height, width), if the annotations say it.
        masks: Folders whose pictures are as large as the frames, the first that has one counts.
        fps: Frames per second.
    """

    folder: Path
    names: tuple[str, ...] = ()
    size: Size | None = None
    masks: tuple[Path, ...] = ()
    fps: float = DEFAULT_FPS

    def locate(self) -> SplitVideo:
        """Look for pictures of the frames, or else of their masks; see ``VideoPlace``."""
        found = _pictures_in(self.folder)
        names = self.names or tuple(sorted(found, key=lambda name: (natural_order(name), name)))
        if not names:
            raise VideoError(
                f"{self.folder} has no pictures and nothing else says which frames this video "
                "has; give the folder of frames, too"
            )
        # A picture that is not there is missed when somebody asks for its pixels.
        files = tuple(found.get(name, f"{name}.jpg") for name in names)
        first = found.get(names[0])
        problem = FirstProblem()
        size = self.size
        if size is None and first is not None:
            size = picture_size(self.folder / first, problem)
        for folder in self.masks if size is None else ():
            pictures = _pictures_in(folder)
            if pictures and (size := picture_size(folder / min(pictures.values()), problem)):
                break
        if size is None:
            said = f" ({problem.text})" if problem.text else ""
            raise VideoError(
                f"nothing says how large the frames of {self.folder} are{said}; give the folder "
                "of frames, too"
            )
        return SplitVideo(self.folder, files, names, size, self.fps)


def _pictures_in(folder: Path) -> dict[str, str]:
    try:
        return pictures_by_name(folder)
    except OSError:
        return {}


def video_of_pictures(
    folder: Path,
    problems: ProblemList,
    *,
    names: Sequence[str] = (),
    fps: float = DEFAULT_FPS,
    fix: str = "download the frames of this video again",
) -> SplitVideo | None:
    """Return the video whose frames are the pictures of a folder, or note why there is none.

    Args:
        folder: The folder.
        problems: Where what is wrong is noted.
        names: The frames, in order and without an ending; by default all pictures in their
            natural order.
        fps: Frames per second.
        fix: What is to be done about a problem.
    """
    try:
        found = pictures_by_name(folder)
    except OSError as error:
        reason = f"cannot be listed ({error.strerror or error})"
        problems.add(folder, reason, fix=fix)
        return None
    wanted = names or sorted(found, key=lambda name: (natural_order(name), name))
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        reason = f"lacks the frame {missing[0]}" if missing else "has no pictures"
        problems.add(folder, reason, fix=fix)
        return None
    size = picture_size(folder / found[wanted[0]], problems)
    if size is None:
        return None
    files = tuple(found[name] for name in wanted)
    return SplitVideo(folder, files, tuple(wanted), size, fps=fps)


class TruthSource(Protocol):
    """Where a split gets the right answers from, one sample at a time."""

    def truth(self, sample: Sample, video: SplitVideo) -> Truth:
        """Read the right answer to one sample.

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
        truths: Where the right answers are; None if only the benchmark's server has them.
        left_out: The entries of the benchmark that are not among the samples.
        notes: What whoever reads the scores should know about the data, in lines.
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
    ) -> None:
        self.name = name
        self.protocol = protocol
        self.samples = tuple(samples)
        self.videos = videos
        self.left_out = tuple(left_out)
        self.notes = tuple(notes)
        self._truths = truths

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self.samples)} samples on {len(self.videos)} videos>"

    def video(self, video_id: str) -> Video:
        """Open a video.

        Raises:
            VideoError: If there is none of this id, or a picture cannot be read.
        """
        return self._known(video_id).locate().open(video_id)

    def frame_names(self, video_id: str) -> tuple[str, ...]:
        """What each frame of a video is called on disk, without an ending.

        Raises:
            VideoError: If there is no video of this id, or, in a split that was opened without
                pictures, nothing says what its frames are called.
        """
        place = self._known(video_id)
        return place.names or place.locate().names

    def size(self, video_id: str) -> Size:
        """(height, width) of a video's frames, without opening it.

        Raises:
            VideoError: If there is no video of this id, or, in a split that was opened without
                pictures, nothing says how large its frames are.
        """
        return self._known(video_id).locate().size

    def truth(self, sample: Sample) -> Truth | None:
        """Return the right answer to a sample, or None if it is not public.

        Raises:
            EvaluationError: If the sample is none of this split, or a file cannot be read.
        """
        place = self.videos.get(sample.video_id)
        if place is None:
            raise EvaluationError(f"{self.name} has no sample {sample.id!r}")
        if self._truths is None:
            return None
        try:
            video = place.locate()
        except VideoError as error:
            raise EvaluationError(str(error)) from error
        return self._truths.truth(sample, video)

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
        try:
            video = self._known(video_id).locate()
        except VideoError as error:
            raise EvaluationError(str(error)) from error
        return self._truths.video_truth(video_id, video)

    def _known(self, video_id: str) -> VideoPlace:
        place = self.videos.get(video_id)
        if place is None:
            raise VideoError(
                f"{self.name} has no video {video_id!r}; its {len(self.videos)} videos are in "
                "the samples' video_id"
            )
        return place
