"""The split that the readers return: samples, where the videos are, and where the truth is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from videoseg.benchmarks.pictures import picture_size, pictures_by_name
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.types import Sample, Truth
from videoseg.errors import EvaluationError, VideoError
from videoseg.metrics.protocol import EvalProtocol
from videoseg.types import Size
from videoseg.video import Video
from videoseg.video.core import VideoCore
from videoseg.video.images import ImageReader, natural_order
from videoseg.video.video import DEFAULT_CACHE_BYTES, DEFAULT_FPS

__all__ = ["LoadedSplit", "SplitVideo", "TruthSource", "video_of_pictures"]


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

    def open(self, name: str) -> Video:
        """Open the video under a name.

        Raises:
            VideoError: If it is missing or cannot be read, or pictures differ in size.
        """
        if not self.files:
            return Video.open(self.folder)
        factory = partial(ImageReader, [self.folder / file for file in self.files], fps=self.fps)
        core = VideoCore(
            name,
            str(self.folder),
            reader_name="images",
            factory=factory,
            reader=factory(),
            cache_bytes=DEFAULT_CACHE_BYTES,
            fps=self.fps,
        )
        return Video(core)


def video_of_pictures(
    folder: Path,
    problems: Problems,
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
    """

    def __init__(
        self,
        name: str,
        *,
        protocol: EvalProtocol,
        samples: Sequence[Sample],
        videos: Mapping[str, SplitVideo],
        truths: TruthSource | None,
    ) -> None:
        self.name = name
        self.protocol = protocol
        self.samples = tuple(samples)
        self.videos = videos
        self._truths = truths

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self.samples)} samples on {len(self.videos)} videos>"

    def video(self, video_id: str) -> Video:
        """Open a video.

        Raises:
            VideoError: If there is none of this id, or a picture cannot be read.
        """
        return self._known(video_id).open(video_id)

    def frame_names(self, video_id: str) -> tuple[str, ...]:
        """What each frame of a video is called on disk, without an ending.

        Raises:
            VideoError: If there is no video of this id.
        """
        return self._known(video_id).names

    def size(self, video_id: str) -> Size:
        """(height, width) of a video's frames, without opening it.

        Raises:
            VideoError: If there is no video of this id.
        """
        return self._known(video_id).size

    def truth(self, sample: Sample) -> Truth | None:
        """Return the right answer to a sample, or None if it is not public.

        Raises:
            EvaluationError: If the sample is none of this split, or a file cannot be read.
        """
        video = self.videos.get(sample.video_id)
        if video is None:
            raise EvaluationError(f"{self.name} has no sample {sample.id!r}")
        return None if self._truths is None else self._truths.truth(sample, video)

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
        return self._truths.video_truth(video_id, self._known(video_id))

    def _known(self, video_id: str) -> SplitVideo:
        video = self.videos.get(video_id)
        if video is None:
            raise VideoError(
                f"{self.name} has no video {video_id!r}; its {len(self.videos)} videos are in "
                "the samples' video_id"
            )
        return video
