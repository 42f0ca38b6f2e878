"""The benchmark ``synthetic``: clips of reserved seeds, drawn when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from annotated_types import Gt, Interval

from videoseg.benchmarks import LeftOut, Sample, Truth, split_named
from videoseg.errors import EvaluationError, VideoError, VideosegError
from videoseg.metrics import EvalProtocol
from videoseg.plugins import PositiveInt, checked_options
from videoseg.progress import track
from videoseg.types import Size
from videoseg.video import Video
from videoseg_synthetic.clip import ClipSize, SyntheticClip, make_clip
from videoseg_synthetic.questions import DIFFICULTIES, Difficulty
from videoseg_synthetic.reference import SyntheticQuery

__all__ = ["PROTOCOL", "SPLIT_SEEDS", "SyntheticBenchmark", "SyntheticSplit"]

SEEDS_PER_SPLIT = 1_000_000

SPLIT_SEEDS: dict[str, range] = {
    "val": range(1 * SEEDS_PER_SPLIT, 2 * SEEDS_PER_SPLIT),
    "test": range(2 * SEEDS_PER_SPLIT, 3 * SEEDS_PER_SPLIT),
    "train": range(3 * SEEDS_PER_SPLIT, 4 * SEEDS_PER_SPLIT),
}
"""The seeds of each split. Those below a million are free for examples, tests and tuning."""

PROTOCOL = EvalProtocol(
    "synthetic",
    ("j_and_f", "j", "f", "no_target_accuracy", "target_accuracy"),
    source="videoseg-synthetic: J and F as DAVIS defines them, mean over queries",
)

# Enough to draw a clip once for all of its queries.
_KEPT_CLIPS = 2


@dataclass(frozen=True, slots=True)
class _ClipOptions:
    size: Size
    num_frames: int
    fps: float
    difficulty: Difficulty | None

    def difficulty_of(self, seed: int) -> Difficulty:
        """The difficulty asked for, or that of the seed: they take turns."""
        return self.difficulty or DIFFICULTIES[seed % SEEDS_PER_SPLIT % len(DIFFICULTIES)]

    def video_id(self, seed: int) -> str:
        """An id that two clips share only if they are the same, pixel by pixel."""
        height, width = self.size
        turn = f"-{self.difficulty}" if self.difficulty else ""
        return f"{seed}-{width}x{height}x{self.num_frames}{turn}"


class SyntheticBenchmark:
    """Rendered clips with exact masks. Needs no folder: clips are drawn when asked for.

    Clip ``i`` of a split has the seed ``SPLIT_SEEDS[split][i]``, whatever ``num_videos`` is. Each
    clip asks queries of one difficulty, which becomes the group of its samples; the sort of
    question becomes the attribute ``kind``. Every frame is annotated. Queries of the difficulty
    ``absent`` have no target.

    Args:
        num_videos: How many clips.
        queries_per_video: At most so many queries for each clip, of different kinds first.
        size: (height, width) of the clips, each at least 64.
        num_frames: Length of each clip.
        fps: Frames per second.
        difficulty: Ask only queries of this difficulty; by default all take turns.

    Raises:
        ConfigError: If an option is out of range; all problems are listed.

    Example:
        >>> split = SyntheticBenchmark(num_videos=1, size=(96, 128)).read(split="val")
        >>> split.samples[0].video_id
        '1000000-128x96x48'
    """

    name = "synthetic"
    splits: tuple[str, ...] = tuple(SPLIT_SEEDS)
    license = "Apache-2.0, as the code that draws the clips"
    homepage = "nothing to download: the clips are drawn by videoseg-synthetic"
    submission = None
    needs_root = False

    @checked_options("benchmark 'synthetic'")
    def __init__(
        self,
        *,
        num_videos: Annotated[int, Interval(ge=1, le=SEEDS_PER_SPLIT)] = 60,
        queries_per_video: PositiveInt = 2,
        size: ClipSize = (240, 320),
        num_frames: PositiveInt = 48,
        fps: Annotated[float, Gt(0)] = 12.0,
        difficulty: Difficulty | None = None,
    ) -> None:
        self._num_videos = num_videos
        self._queries_per_video = queries_per_video
        self._options = _ClipOptions(size, num_frames, fps, difficulty)

    def read(self, root: Path | None = None, split: str = "") -> SyntheticSplit:
        """Plan the clips of a split and choose their queries. No frame is drawn.

        This takes about a tenth of a second for each clip of the default size.

        Args:
            root: None; there is no folder to read.
            split: One of ``splits``; empty for the first.

        Raises:
            EvaluationError: If there is no such split, a folder is given, or no clip with these
                options has a query.
        """
        split = split_named(self, split)
        if root is not None:
            raise EvaluationError(
                f"the clips of {self.name} are drawn, not read from {root}; leave out the folder"
            )
        seeds = SPLIT_SEEDS[split][: self._num_videos]
        return SyntheticSplit(
            f"{self.name}/{split}", seeds, self._options, self._queries_per_video
        )


class SyntheticSplit:
    """A split of ``SyntheticBenchmark``; at most two clips are in memory at a time.

    Args:
        name: Benchmark and split.
        seeds: The seed of each clip.
        options: How clips are drawn.
        queries_per_video: At most so many queries for each clip.
    """

    protocol = PROTOCOL

    def __init__(
        self, name: str, seeds: Sequence[int], options: _ClipOptions, queries_per_video: int
    ) -> None:
        self.name = name
        self._options = options
        self._seeds: dict[str, int] = {}
        self._object_ids: dict[str, tuple[int, ...]] = {}
        samples: list[Sample] = []
        left_out: list[LeftOut] = []
        for seed in track(seeds, "clips"):
            video_id = options.video_id(seed)
            try:
                clip = _clip(seed, options)
            except VideosegError as error:
                remedy = "ask for longer clips or another difficulty"
                left_out.append(LeftOut(video_id, str(error), queries_per_video, remedy))
                continue
            self._seeds[video_id] = seed
            queries = clip.queries_of(options.difficulty_of(seed))
            for number, query in enumerate(_choose_varied(queries, queries_per_video)):
                sample = Sample(
                    video_id,
                    str(number),
                    query.text,
                    group=query.difficulty,
                    attributes={"kind": query.kind},
                )
                samples.append(sample)
                self._object_ids[sample.id] = query.object_ids
        if not samples:
            raise EvaluationError(
                f"{name} has no clip with a query: {left_out[0].reason}; {left_out[0].remedy}"
            )
        self.samples = tuple(samples)
        self.left_out = tuple(left_out)

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self.samples)} samples on {len(self._seeds)} clips>"

    def video(self, video_id: str) -> Video:
        """Draw a clip.

        Raises:
            VideoError: If there is no clip of this id.
        """
        clip = self._draw(video_id)
        # Not the clip's own, which is kept: whoever is given a video may close it.
        return Video.from_frames(clip.frames, fps=clip.fps, name=clip.name)

    def frame_names(self, video_id: str) -> tuple[str, ...]:
        """What each frame of a clip is called: ``00000``, ``00001``, ..."""
        del video_id
        return tuple(f"{frame:05d}" for frame in range(self._options.num_frames))

    def size(self, video_id: str) -> Size:
        """(height, width) of a clip's frames, without drawing it."""
        del video_id
        return self._options.size

    def truth(self, sample: Sample) -> Truth:
        """Return the exact visible masks of the objects a query means, on every frame.

        Raises:
            EvaluationError: If the sample is not of this split.
        """
        object_ids = self._object_ids.get(sample.id)
        if object_ids is None:
            raise EvaluationError(f"{self.name} has no sample {sample.id!r}")
        clip = self._draw(sample.video_id)
        return Truth(
            size=clip.size,
            frames=tuple(range(clip.num_frames)),
            objects={
                track.object_id: track.masks
                for track in clip.tracks
                if track.object_id in object_ids
            },
        )

    def _draw(self, video_id: str) -> SyntheticClip:
        seed = self._seeds.get(video_id)
        if seed is None:
            raise VideoError(
                f"{self.name} has no video {video_id!r}; its {len(self._seeds)} videos are in the "
                "samples' video_id"
            )
        return _clip(seed, self._options)


@lru_cache(maxsize=_KEPT_CLIPS)
def _clip(seed: int, options: _ClipOptions) -> SyntheticClip:
    return make_clip(
        seed=seed,
        num_frames=options.num_frames,
        size=options.size,
        fps=options.fps,
        difficulty=options.difficulty_of(seed),
    )


def _choose_varied(queries: Sequence[SyntheticQuery], count: int) -> Iterator[SyntheticQuery]:
    """Yield at most ``count`` queries, one of each kind before a second one of any."""
    kinds: set[str] = set()
    again: list[SyntheticQuery] = []
    first: list[SyntheticQuery] = []
    for query in queries:
        (again if query.kind in kinds else first).append(query)
        kinds.add(query.kind)
    yield from [*first, *again][:count]
