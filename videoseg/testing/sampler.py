"""The contract of samplers."""

# ruff: noqa: D102 - the name of a test says what it checks

from __future__ import annotations

from typing import ClassVar

from videoseg.stages import FrameSampler
from videoseg.testing.checks import StageContract, check, check_json, global_randomness_untouched
from videoseg.testing.clips import moving_square
from videoseg.types import FrameSelection, Size, VideoSource, Window

__all__ = ["SamplerContract"]


class SamplerContract(StageContract[FrameSampler]):
    """What ``videoseg.stages.FrameSampler`` asks for. Subclass it and implement ``make``.

    Attributes:
        query: The query; change it if your sampler depends on it.
        sizes: Frame sizes that must work.
    """

    stage = "sampler"
    query: ClassVar[str] = "the red square that moves to the right near the end"
    sizes: ClassVar[tuple[Size, ...]] = ((48, 64), (33, 47), (9, 13), (2, 2))

    def test_is_a_sampler(self) -> None:
        check(
            isinstance(self.make(), FrameSampler),
            "a sampler needs a method sample(video, query, *, window, keyframe, seed)",
        )

    def test_every_index_lies_inside_the_window(self) -> None:
        sampler = self.make()
        for num_frames in (1, 2, 5, 30):
            video = moving_square(num_frames).video
            for window in _windows(num_frames):
                self._sample(sampler, video, window)

    def test_a_video_of_one_frame(self) -> None:
        selection = self._sample(self.make(), moving_square(1).video, Window(0, 1))
        check(selection.indices == (0,), f"only frame 0 can be chosen, got {selection.indices}")

    def test_tiny_and_odd_sizes(self) -> None:
        sampler = self.make()
        for size in self.sizes:
            self._sample(sampler, moving_square(7, size=size).video, Window(0, 7))

    def test_keeps_the_keyframe_it_is_asked_for(self) -> None:
        sampler = self.make()
        video = moving_square(20).video
        for window, keyframe in (
            (Window(0, 20), 0),
            (Window(0, 20), 13),
            (Window(0, 20), 19),
            (Window(4, 9), 4),
            (Window(4, 9), 8),
            (Window(6, 7), 6),
            (Window(6, 12), 2),
            (Window(4, 9), 15),
        ):
            selection = self._sample(sampler, video, window, keyframe=keyframe)
            check(
                selection.keyframe == keyframe,
                f"the selection must keep keyframe {keyframe}, got {selection.keyframe}",
            )

    def test_the_same_seed_gives_the_same_selection(self) -> None:
        video = moving_square(20).video
        sampler = self.make()
        for seed in (0, 1, 12345):
            first = self._sample(sampler, video, Window(2, 18), seed=seed)
            # Another call in between must not matter.
            self._sample(sampler, video, Window(0, 5), seed=seed + 1)
            again = self._sample(sampler, video, Window(2, 18), seed=seed)
            other = self._sample(self.make(), video, Window(2, 18), seed=seed)
            check(first == again == other, f"seed {seed} gave different selections of one window")

    def test_leaves_shared_random_numbers_alone(self) -> None:
        with global_randomness_untouched("a sampler"):
            self._sample(self.make(), moving_square(12).video, Window(0, 12), seed=3)

    def test_selection_goes_to_json_and_back(self) -> None:
        sampler, video = self.make(), moving_square(12).video
        check_json(self._sample(sampler, video, Window(0, 12)), "a selection")
        check_json(self._sample(sampler, video, Window(3, 9), keyframe=5), "a selection")

    def test_any_query_is_accepted(self) -> None:
        sampler, video = self.make(), moving_square(6).video
        for query in ("x", "der größte Ball", "第二个 🐕", "word " * 500, "a\nb"):
            selection = sampler.sample(video, query, window=Window(0, 6))
            check(
                isinstance(selection, FrameSelection), f"no selection for the query {query[:20]!r}"
            )

    def _sample(
        self,
        sampler: FrameSampler,
        video: VideoSource,
        window: Window,
        *,
        keyframe: int | None = None,
        seed: int = 0,
    ) -> FrameSelection:
        selection = sampler.sample(video, self.query, window=window, keyframe=keyframe, seed=seed)
        check(
            isinstance(selection, FrameSelection),
            f"sample() must return a FrameSelection, got {type(selection).__name__}",
        )
        others = [group for group in selection.groups if group.role != "keyframe"]
        chosen = [index for group in others for index in group.indices]
        if selection.keyframe is not None and selection.keyframe != keyframe:
            chosen.append(selection.keyframe)
        outside = [index for index in chosen if index not in window]
        check(not outside, f"frames {outside} lie outside the window {window}")
        check(
            window.start <= selection.window.start and selection.window.stop <= window.stop,
            f"the selection's window {selection.window} must lie inside {window}",
        )
        return selection


def _windows(num_frames: int) -> list[Window]:
    middle = num_frames // 2
    candidates = [(0, num_frames), (0, 1), (num_frames - 1, num_frames), (middle, num_frames)]
    candidates += [(middle, middle + 1), (0, max(1, middle))]
    return [Window(start, stop) for start, stop in dict.fromkeys(candidates)]
