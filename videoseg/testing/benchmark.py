"""The contract of benchmarks."""

# ruff: noqa: D102 - the name of a test says what it checks

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, cast

from videoseg.benchmarks import Benchmark, BenchmarkSplit, DrawnBenchmark, LeftOut, Sample, Truth
from videoseg.benchmarks.types import left_out_of
from videoseg.benchmarks.untrusted import is_plain_name, is_safe_id
from videoseg.errors import EvaluationError, VideosegError
from videoseg.metrics.scoring import score_sample
from videoseg.stages import Closable
from videoseg.testing.checks import check, refuses
from videoseg.types import Rle

__all__ = ["BenchmarkContract"]


class BenchmarkContract:
    """What ``videoseg.benchmarks.Benchmark`` asks for. Implement ``make`` and ``root``.

    Attributes:
        split: The split that is tested; the first by default.
        max_samples: How many samples are checked in detail.
    """

    split: ClassVar[str] = ""
    max_samples: ClassVar[int] = 20

    def make(self) -> Benchmark:
        """Return a new reader."""
        raise NotImplementedError("give your contract test a make() that returns the benchmark")

    def root(self) -> Path | None:
        """Return a folder with (a small piece of) the benchmark; None if it needs none."""
        raise NotImplementedError("give your contract test a root() with a small benchmark")

    def test_says_what_it_is(self) -> None:
        benchmark = self.make()
        check(
            isinstance(benchmark, Benchmark),
            "a benchmark needs name, splits, license, homepage, submission and read(root, split)",
        )
        check(benchmark.splits, "a benchmark has at least one split")
        for what in ("name", "license", "homepage"):
            check(str(getattr(benchmark, what)).strip(), f"a benchmark must state its {what}")

    def test_reads_a_split(self) -> None:
        split = self._read()
        check(
            isinstance(split, BenchmarkSplit),
            "read() must return a split: name, protocol, samples, video(), frame_names(), truth()",
        )
        check(split.samples, "a split has samples")
        check(
            all(isinstance(entry, LeftOut) for entry in left_out_of(split)),
            "left_out of a split holds videoseg.benchmarks.LeftOut",
        )
        name = self.make().name
        check(split.name.startswith(name), f"a split of {name!r} is called {split.name!r}")

    def test_ids_are_unique_and_can_be_file_names(self) -> None:
        samples = self._read().samples
        check(len({sample.id for sample in samples}) == len(samples), "two samples have one id")
        for sample in samples:
            check(
                is_safe_id(sample.video_id) and is_plain_name(sample.expression_id),
                f"{sample.id!r} leads out of the folder of the results",
            )
            check(
                bool(sample.query.strip()) != bool(sample.prompts),
                f"{sample.id!r} needs either a query or prompts",
            )

    def test_frames_have_names_and_can_be_read(self) -> None:
        split = self._read()
        for video_id in dict.fromkeys(sample.video_id for sample in self._samples(split)):
            video, names = split.video(video_id), split.frame_names(video_id)
            check(len(video) == len(names), f"{video_id!r} has {len(video)} frames, {names} named")
            check(len(set(names)) == len(names), f"two frames of {video_id!r} have one name")
            check(all(is_plain_name(name) for name in names), f"unusable names in {video_id!r}")
            check(video[0].shape[:2] == video.size, f"frame 0 of {video_id!r} has another size")

    def test_a_video_that_was_closed_opens_again(self) -> None:
        split = self._read()
        for video_id in dict.fromkeys(sample.video_id for sample in self._samples(split)):
            first = split.video(video_id)
            if isinstance(first, Closable):
                first.close()
            try:
                split.video(video_id)[0]
            except VideosegError as error:
                check(False, f"{video_id!r} cannot be read after it was closed once: {error}")

    def test_truth_fits_the_video(self) -> None:
        split = self._read()
        for sample, truth in self._truths(split):
            video = split.video(sample.video_id)
            check(truth.size == video.size, f"{sample.id!r}: truth {truth.size}, {video.size}")
            check(list(truth.frames) == sorted(truth.frames), f"{sample.id!r}: frame order")
            check(
                bool(truth.frames) and truth.frames[0] >= 0 and truth.frames[-1] < len(video),
                f"{sample.id!r}: annotated frames lie outside the video",
            )
            tracks: list[Sequence[Rle | None]] = [*truth.objects.values()]
            tracks += [track for track in (truth.foreground, truth.ignored) if track is not None]
            for track in tracks:
                check(len(track) == len(truth.frames), f"{sample.id!r}: one mask per frame")
                sizes = {tuple(rle.size) for rle in track if rle is not None}
                check(sizes <= {tuple(truth.size)}, f"{sample.id!r}: masks of sizes {sizes}")

    def test_a_perfect_prediction_scores_one(self) -> None:
        split = self._read()
        for sample, truth in self._truths(split):
            score = score_sample(
                truth.objects,
                truth.objects,
                size=truth.size,
                protocol=split.protocol,
                foreground=truth.foreground,
                ignored=truth.ignored,
                object_frames=truth.object_frames,
                predicted_window=truth.window,
                true_window=truth.window,
            )
            for measure, value in score.values.items():
                best = 0.0 if measure.endswith(("decay", "deviation")) else 1.0
                check(value == best, f"{sample.id!r}: {measure} is {value}, not {best}")

    def test_reading_twice_gives_the_same(self) -> None:
        first, again = self._read(), self._read()
        check(tuple(first.samples) == tuple(again.samples), "samples differ between two readings")
        for sample in self._samples(first):
            check(first.truth(sample) == again.truth(sample), f"{sample.id!r}: truth differs")

    def test_goes_to_another_process(self) -> None:
        split = self._read()
        back = pickle.loads(pickle.dumps(split))
        sample = split.samples[0]
        check(back.truth(sample) == split.truth(sample), "a split must be the same when pickled")

    def test_refuses_an_unknown_split(self) -> None:
        with refuses(EvaluationError, "a split that is not in splits"):
            self._read("no-such-split")

    def test_refuses_an_empty_folder(self) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            refuses(EvaluationError, "a folder without the benchmark"),
        ):
            self.make().read(Path(folder), self.split)

    def _read(self, split: str = "") -> BenchmarkSplit:
        benchmark, root = self.make(), self.root()
        if root is None:
            check(
                isinstance(benchmark, DrawnBenchmark) and not benchmark.needs_root,
                "a benchmark without a root() must have needs_root = False",
            )
        return benchmark.read(cast("Path", root), split or self.split)

    def _samples(self, split: BenchmarkSplit) -> Sequence[Sample]:
        return split.samples[: self.max_samples]

    def _truths(self, split: BenchmarkSplit) -> list[tuple[Sample, Truth]]:
        found = [(sample, split.truth(sample)) for sample in self._samples(split)]
        return [(sample, truth) for sample, truth in found if truth is not None]
