"""The session's contract: what it takes, what it refuses, what it holds."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from videoseg_attributes.propagation.flow import FlowPropagator

from videoseg.errors import ConfigError, PropagationError
from videoseg.stages import Propagator, PropagatorSession
from videoseg.types import Box, Embedding, Frame, ObjectMask, Point, Prompt, Rle, VideoSource
from videoseg.video import Video

from .clips import HEIGHT, WIDTH, disc, mask_prompt, moving_disc, overlap, propagate


def _clip(num_frames: int = 6) -> tuple[np.ndarray, np.ndarray]:
    return moving_disc(lambda t: (50 + 3 * t, 60), num_frames)


def test_it_is_a_propagator_with_sessions() -> None:
    frames, _ = _clip(2)
    propagator = FlowPropagator()
    assert isinstance(propagator, Propagator)
    with propagator.open(Video.from_frames(frames)) as session:
        assert isinstance(session, PropagatorSession)


def test_capabilities_say_what_it_can_do() -> None:
    capabilities = FlowPropagator(max_objects_per_pass=3).capabilities
    assert capabilities.boxes
    assert capabilities.points
    assert capabilities.masks
    assert capabilities.embeddings == ()
    assert capabilities.late_objects
    assert capabilities.backward
    assert capabilities.corrections
    assert capabilities.live
    assert capabilities.max_objects_per_pass == 3


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"flow_scale": 0.0}, "flow_scale"),
        ({"flow_scale": 1.5}, "flow_scale"),
        ({"preset": "slow"}, "preset"),
        ({"lookahead": -1}, "lookahead"),
        ({"lookahead": 1000}, "lookahead"),
        ({"max_objects_per_pass": 0}, "max_objects_per_pass"),
    ],
)
def test_an_option_outside_its_range_is_named(options: dict, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        FlowPropagator(**options)


def test_all_wrong_options_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        FlowPropagator(flow_scale=2.0, lookahead=-1)
    assert len(caught.value.problems) == 2


def _refusals() -> Iterator[tuple[Prompt, str]]:
    full = np.ones((HEIGHT, WIDTH), bool)
    yield mask_prompt(1, 6, full), "frames are 0 to 5"
    yield mask_prompt(1, 0, np.ones((WIDTH, HEIGHT), bool)), "mask of"
    yield Prompt(1, 0, mask=Rle.empty((HEIGHT, WIDTH))), "empty mask"
    yield (
        Prompt(1, 0, box=Box(WIDTH + 5, 0, WIDTH + 50, 40)),
        f"outside the {WIDTH}x{HEIGHT} frame",
    )
    yield Prompt(1, 0, box=Box(-40, -40, 0, 0)), f"outside the {WIDTH}x{HEIGHT} frame"
    yield Prompt(1, 0, points=(Point(WIDTH, 3),)), f"outside the {WIDTH}x{HEIGHT} frame"
    yield Prompt(1, 0, embedding=Embedding("some-model", (1.0,))), "some-model"


@pytest.mark.parametrize(("prompt", "words"), list(_refusals()))
def test_a_prompt_that_cannot_be_used_is_refused(prompt: Prompt, words: str) -> None:
    frames, truth = _clip()
    with FlowPropagator().open(Video.from_frames(frames)) as session:
        with pytest.raises(PropagationError, match=words):
            session.prompt(prompt)
        # The refusal leaves the session usable.
        session.prompt(mask_prompt(1, 0, truth[0]))
        assert len(list(session.run())) == 6


def test_two_prompts_for_one_object_on_one_frame_are_refused() -> None:
    frames, truth = _clip()
    with FlowPropagator().open(Video.from_frames(frames)) as session:
        session.prompt(mask_prompt(1, 0, truth[0]))
        with pytest.raises(PropagationError, match="already has a prompt on frame 0"):
            session.prompt(Prompt(1, 0, box=Box(0, 0, 10, 10)))


def test_more_objects_than_allowed_are_refused() -> None:
    frames, truth = _clip()
    with FlowPropagator(max_objects_per_pass=1).open(Video.from_frames(frames)) as session:
        session.prompt(mask_prompt(1, 0, truth[0]))
        session.prompt(mask_prompt(1, 3, truth[3]))
        with pytest.raises(PropagationError, match="at most 1"):
            session.prompt(mask_prompt(2, 0, truth[0]))


def test_running_without_prompts_is_refused_at_once() -> None:
    frames, _ = _clip()
    with (
        FlowPropagator().open(Video.from_frames(frames)) as session,
        pytest.raises(PropagationError, match="prompt at least one object"),
    ):
        session.run()


def test_an_unknown_direction_is_refused() -> None:
    frames, truth = _clip()
    with FlowPropagator().open(Video.from_frames(frames)) as session:
        session.prompt(mask_prompt(1, 0, truth[0]))
        with pytest.raises(PropagationError, match="sideways"):
            session.run("sideways")  # type: ignore[arg-type]


def test_nothing_works_after_close() -> None:
    frames, truth = _clip()
    session = FlowPropagator().open(Video.from_frames(frames))
    session.prompt(mask_prompt(1, 0, truth[0]))
    running = session.run()
    next(running)
    session.close()
    session.close()
    with pytest.raises(PropagationError, match="closed"):
        next(running)
    with pytest.raises(PropagationError, match="closed"):
        session.prompt(mask_prompt(2, 0, truth[0]))
    with pytest.raises(PropagationError, match="closed"):
        session.run()


@pytest.mark.parametrize(
    ("direction", "stop", "expected"),
    [
        ("forward", None, [2, 3, 4, 5]),
        ("forward", 4, [2, 3]),
        ("forward", 100, [2, 3, 4, 5]),
        ("forward", 2, []),
        ("backward", None, [2, 1, 0]),
        ("backward", 1, [2, 1]),
        ("backward", 2, [2]),
        ("backward", 3, []),
    ],
)
def test_stop_bounds_the_run(direction: str, stop: int | None, expected: list[int]) -> None:
    frames, truth = _clip()
    prompt = mask_prompt(1, 2, truth[2])
    results = propagate(frames, [prompt], direction=direction, stop=stop)
    assert [result.frame for result in results] == expected


def test_a_session_runs_in_both_directions() -> None:
    frames, truth = _clip(10)
    with FlowPropagator().open(Video.from_frames(frames)) as session:
        session.prompt(mask_prompt(1, 4, truth[4]))
        forward = [result.frame for result in session.run()]
        backward = [result.frame for result in session.run("backward")]
    assert forward == [4, 5, 6, 7, 8, 9]
    assert backward == [4, 3, 2, 1, 0]


def test_an_object_prompted_while_running_joins_there() -> None:
    frames, truth = _clip(12)
    with FlowPropagator().open(Video.from_frames(frames)) as session:
        session.prompt(mask_prompt(1, 0, truth[0]))
        seen = []
        for result in session.run():
            seen.append(set(result.masks))
            if result.frame == 3:
                session.prompt(mask_prompt(2, 4, disc((140, 30), 10)))
    assert seen[3] == {1}
    assert seen[4] == {1, 2}


@pytest.mark.parametrize("causal", [False, True])
def test_the_same_run_gives_the_same_masks(causal: bool) -> None:
    frames, truth = _clip(8)
    runs = [
        propagate(frames, [mask_prompt(1, 0, truth[0])], propagator=FlowPropagator(causal=causal))
        for _ in range(2)
    ]
    for first, second in zip(*runs, strict=True):
        np.testing.assert_array_equal(first.masks[1], second.masks[1])


def test_a_causal_run_does_not_depend_on_the_future() -> None:
    frames, truth = _clip(10)
    changed = frames.copy()
    changed[6:] = 255 - changed[6:]
    propagator = FlowPropagator(causal=True)
    prompt = mask_prompt(1, 0, truth[0])
    original = propagate(frames, [prompt], propagator=propagator)
    other = propagate(changed, [prompt], propagator=propagator)
    for first, second in zip(original[:6], other[:6], strict=True):
        np.testing.assert_array_equal(first.masks[1], second.masks[1])


def test_a_live_source_is_not_read_ahead() -> None:
    frames, truth = _clip(6)
    handed_out: list[int] = []

    def camera() -> Iterator[Frame]:
        for index, frame in enumerate(frames):
            handed_out.append(index)
            yield frame

    video = Video.from_iterator(camera(), fps=24, live=True)
    assert video.num_frames is None
    with FlowPropagator().open(video) as session:
        session.prompt(mask_prompt(1, 0, truth[0]))
        for result in session.run():
            assert max(handed_out) <= result.frame + 1
    assert len(handed_out) == 6


class _OneBuffer:
    """A source that writes all its frames to the same memory."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames
        self.num_frames, self.size = len(frames), frames.shape[1:3]

    def iter_frames(
        self, start: int = 0, stop: int | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        buffer = np.empty_like(self._frames[0])
        for index in range(start, len(self._frames) if stop is None else stop):
            buffer[:] = self._frames[index]
            yield index, buffer


@pytest.mark.parametrize("follow", [False, True])
def test_a_source_may_use_the_memory_of_its_frames_again(follow: bool) -> None:
    frames, truth = _clip()
    with FlowPropagator(follow=follow).open(_OneBuffer(frames)) as session:  # type: ignore[arg-type]
        session.prompt(mask_prompt(1, 0, truth[0]))
        results = list(session.run())
    expected = propagate(frames, [mask_prompt(1, 0, truth[0])])
    for result, plain in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result.masks[1], plain.masks[1])


class _Filler:
    """A segmenter that fills boxes, and finds nothing at points."""

    def segment(self, video: VideoSource, prompts: Sequence[Prompt]) -> list[ObjectMask]:
        masks = []
        for prompt in prompts:
            mask = np.zeros(video.size, bool)
            if prompt.box is not None and prompt.box.width > 12:
                box = prompt.box
                mask[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = True
            masks.append(ObjectMask(mask))
        return masks


def test_a_box_goes_through_the_segmenter() -> None:
    frames, _ = _clip()
    prompt = Prompt(1, 0, box=Box(34, 44, 67, 77))
    results = propagate(frames, [prompt], propagator=FlowPropagator(segmenter=_Filler()))
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[44:77, 34:67] = True
    np.testing.assert_array_equal(results[0].masks[1], expected)


def test_a_box_in_which_nothing_is_found_becomes_an_ellipse() -> None:
    frames, _ = _clip(3)
    prompt = Prompt(1, 0, box=Box(40, 50, 50, 70))
    results = propagate(frames, [prompt], propagator=FlowPropagator(segmenter=_Filler()))
    assert results[0].masks[1].sum() == pytest.approx(np.pi * 5 * 10, rel=0.1)


def test_a_point_at_which_nothing_is_found_leaves_the_others_be() -> None:
    frames, truth = _clip()
    prompts = [mask_prompt(1, 0, truth[0]), Prompt(2, 0, points=(Point(150, 20),))]
    results = propagate(frames, prompts, propagator=FlowPropagator(segmenter=_Filler()))
    assert not any(result.masks[2].any() for result in results)
    assert overlap(results[-1].masks[1], truth[-1]) > 0.85


@pytest.mark.parametrize("kind", ["box", "point"])
def test_boxes_and_points_work_without_naming_a_segmenter(kind: str) -> None:
    frames, truth = _clip(5)
    prompt = (
        Prompt(1, 0, box=Box(33, 43, 68, 78))
        if kind == "box"
        else Prompt(1, 0, points=(Point(50, 60),))
    )
    results = propagate(frames, [prompt])
    assert overlap(results[-1].masks[1], truth[-1]) > 0.6


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (2, 2), (3, 5), (16, 16), (17, 33)])
@pytest.mark.parametrize("content", ["noise", "gray"])
def test_frames_of_any_size_and_content_are_propagated(
    size: tuple[int, int], content: str
) -> None:
    frames = np.full((4, *size, 3), 128, np.uint8)
    if content == "noise":
        frames = np.random.default_rng(0).integers(0, 256, frames.shape, dtype=np.uint8)
    mask = np.zeros(size, bool)
    mask[: (size[0] + 1) // 2, : (size[1] + 1) // 2] = True
    other = ~mask if not mask.all() else mask
    results = propagate(frames, [mask_prompt(1, 0, mask), mask_prompt(2, 1, other)])
    assert [result.masks[1].shape for result in results] == [size] * 4


def test_a_video_of_one_frame_yields_its_prompt() -> None:
    frames, truth = _clip(1)
    for direction in ("forward", "backward"):
        results = propagate(frames, [mask_prompt(1, 0, truth[0])], direction=direction)
        assert len(results) == 1
        np.testing.assert_array_equal(results[0].masks[1], truth[0])


def test_memory_does_not_grow_with_the_video() -> None:
    frames, truth = _clip(4)

    def peak(num_frames: int) -> int:
        cycle = (frames[index % 4] for index in range(num_frames))
        video = Video.from_iterator(cycle, fps=24, live=True, cache_bytes=1)
        with FlowPropagator().open(video) as session:
            session.prompt(mask_prompt(1, 0, truth[0]))
            running = session.run()
            next(running)
            tracemalloc.start()
            for _ in running:
                pass
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return most

    peak(6)
    assert peak(60) < 1.3 * peak(20)
