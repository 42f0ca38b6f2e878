from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from videoseg_attributes.motion_sampler import MotionSampler

from videoseg.errors import ConfigError
from videoseg.samplers import (
    EverySampler,
    ExplicitSampler,
    FirstSampler,
    MiddleSampler,
    UniformSampler,
    evenly_spaced,
)
from videoseg.stages import FrameSampler
from videoseg.types import VideoFacts, Window
from videoseg.video import Video


class CountedVideo:
    """A video of any length that draws frames on demand and counts what is read."""

    name, size, fps = "counted", (36, 48), 25.0

    def __init__(self, num_frames: int, *, busy: Window | None = None) -> None:
        self.num_frames = num_frames
        self.busy = busy
        self.frames_read = 0
        rng = np.random.default_rng(0)
        self.ground = rng.integers(90, 160, size=(36, 48, 3), dtype=np.uint8)

    def __len__(self) -> int:
        return self.num_frames

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < self.num_frames:
            raise AssertionError(f"frame {index} read from {self.num_frames} frames")
        self.frames_read += 1
        frame = self.ground.copy()
        step = 0
        if self.busy is not None and index >= self.busy.start:
            step = min(index, self.busy.stop) - self.busy.start
        left = (5 * step) % 36
        frame[10:22, left : left + 12] = (220, 30, 30)
        return frame

    def read(self, indices) -> list[np.ndarray]:
        return [self[index] for index in indices]

    def iter_frames(self, start=0, stop=None, *, reverse=False):
        raise AssertionError("a sampler reads single frames")

    @property
    def timestamps(self) -> np.ndarray:
        return np.arange(self.num_frames) / self.fps

    def time_of(self, index: int) -> float:
        return index / self.fps

    def facts(self) -> VideoFacts:
        return VideoFacts(self.name, None, self.num_frames, self.size, self.fps, 1.0, "drawn")


SAMPLERS = {
    "uniform": UniformSampler(num_frames=5),
    "every": EverySampler(step=3),
    "explicit": ExplicitSampler(indices=[0, -1]),
    "first": FirstSampler(),
    "middle": MiddleSampler(),
    "motion": MotionSampler(num_coarse=6, num_fine=4),
}


@pytest.mark.parametrize("name", SAMPLERS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_index_lies_in_the_window_and_in_the_video(name: str, data: st.DataObject) -> None:
    num_frames = data.draw(st.integers(1, 60))
    start = data.draw(st.integers(0, num_frames - 1))
    stop = data.draw(st.integers(start + 1, num_frames))
    keyframe = data.draw(st.one_of(st.none(), st.integers(start, stop - 1)))
    window = Window(start, stop)
    query = data.draw(st.sampled_from(["the red one", "the last to leave", "at the start"]))
    selection = SAMPLERS[name].sample(
        CountedVideo(num_frames), query, window=window, keyframe=keyframe
    )
    assert all(index in window for index in selection.indices)
    assert len(selection.indices) <= len(window)
    if keyframe is not None:
        assert selection.keyframe == keyframe
    assert selection.reason


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_fit_the_contract_and_repeat_themselves(name: str) -> None:
    video, window = CountedVideo(40, busy=Window(20, 30)), Window(0, 40)
    assert isinstance(SAMPLERS[name], FrameSampler)
    first = SAMPLERS[name].sample(video, "the red one", window=window, seed=3)
    assert first == SAMPLERS[name].sample(video, "the red one", window=window, seed=3)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_video_of_one_frame_gives_that_frame(name: str) -> None:
    selection = SAMPLERS[name].sample(CountedVideo(1), "the red one", window=Window(0, 1))
    assert selection.indices == (0,)


@pytest.mark.parametrize("name", SAMPLERS)
def test_work_is_bounded_in_a_video_of_a_hundred_thousand_frames(name: str) -> None:
    video = CountedVideo(100_000)
    selection = SAMPLERS[name].sample(video, "the red one", window=Window(0, 100_000))
    assert video.frames_read <= 200
    assert len(selection.indices) <= 256


def test_uniform_shows_both_ends() -> None:
    selection = UniformSampler(num_frames=3).sample(CountedVideo(9), "x", window=Window(0, 9))
    assert selection.indices == (0, 4, 8)


def test_explicit_frames_outside_the_video_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"\[12\].*0 to 9"):
        ExplicitSampler(indices=[1, 12]).sample(CountedVideo(10), "x", window=Window(0, 10))


def test_explicit_frames_outside_the_window_give_the_nearest() -> None:
    selection = ExplicitSampler(indices=[2]).sample(CountedVideo(20), "x", window=Window(10, 15))
    assert selection.indices == (10,)


@pytest.mark.parametrize(
    "build",
    [
        lambda: UniformSampler(num_frames=0),
        lambda: EverySampler(step=-1),
        lambda: EverySampler(step=2.5),
        lambda: ExplicitSampler(indices=[]),
        lambda: ExplicitSampler(indices=["a"]),
        lambda: MotionSampler(num_coarse=0),
    ],
)
def test_wrong_options_are_refused(build) -> None:
    with pytest.raises(ConfigError):
        build()


def test_all_wrong_options_of_one_sampler_are_named_together() -> None:
    with pytest.raises(ConfigError) as caught:
        MotionSampler(num_context=0, num_detail=-3)
    assert len(caught.value.problems) == 2


def test_motion_details_lie_where_something_moves() -> None:
    busy = Window(60, 80)
    selection = MotionSampler().sample(
        CountedVideo(120, busy=busy), "the red one", window=Window(0, 120)
    )
    detail = selection.of_role("detail")
    assert min(detail) >= busy.start - 8
    assert max(detail) <= busy.stop + 8
    assert selection.keyframe in range(busy.start - 1, busy.stop + 1)


@pytest.mark.parametrize(
    ("query", "low", "high"),
    [("the dog at the end", 60, 100), ("at the beginning the red one is left", 0, 40),
     ("the last one to leave", 60, 100)],
)  # fmt: skip
def test_words_of_time_decide_where_the_details_lie(query: str, low: int, high: int) -> None:
    selection = MotionSampler().sample(CountedVideo(100), query, window=Window(0, 100))
    assert all(low <= index <= high for index in selection.of_role("detail"))


def test_motion_reads_real_video_objects(moving_square: Video) -> None:
    selection = MotionSampler().sample(moving_square, "the red square", window=Window(0, 12))
    assert selection.keyframe in range(12)
    assert selection.confidence is not None


@pytest.mark.parametrize(
    ("frames", "count", "expected"),
    [
        (Window(5, 6), 1, (5,)),
        (Window(5, 6), 4, (5,)),
        (Window(4, 10), 1, (6,)),
        (range(10), 4, (0, 3, 6, 9)),
        (range(5, 25), 2, (5, 24)),
        ([3, 5, 8, 9], 3, (3, 5, 9)),
        ([3, 5], 2, (3, 5)),
        ([], 3, ()),
    ],
)
def test_frames_are_evenly_spaced(frames, count, expected) -> None:
    assert evenly_spaced(frames, count) == expected
