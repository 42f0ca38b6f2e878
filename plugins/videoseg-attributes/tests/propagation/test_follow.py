"""The option ``follow``: a view that follows the objects, and the frame where one is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from videoseg_attributes.propagation import session as sessions
from videoseg_attributes.propagation.flow import FlowPropagator
from videoseg_attributes.propagation.view import RereadFrames, View, choose_view, suits

from .clips import mask_prompt, overlap, propagate, textured

SIZE = (480, 854)
SCENE, SKIN = textured(*SIZE, 1, (90, 110, 80)), textured(*SIZE, 2, (200, 60, 50))
FOLLOWING = FlowPropagator(follow=True)
Path = Callable[[int], tuple[int, int]]


def _clip(num_frames: int, *paths: Path, radius: int = 18) -> tuple[np.ndarray, np.ndarray]:
    """Return frames (T, H, W, 3) with a disc on each path, and masks (T, N, H, W)."""
    frames, masks = [], []
    for index in range(num_frames):
        frame, of_frame = SCENE.copy(), []
        for path in paths:
            x, y = path(index)
            drawn = cv2.circle(np.zeros(SIZE, np.uint8), (x, y), radius, 1, -1).astype(bool)
            frame[drawn] = np.roll(SKIN, (y, x), axis=(0, 1))[drawn]
            of_frame.append(drawn)
        frames.append(frame)
        masks.append(of_frame)
    return np.stack(frames), np.array(masks)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return the sizes of the views in which cues are measured, as they come."""
    seen: list[tuple[int, int]] = []

    class Spy(sessions.CueStream):
        def __post_init__(self) -> None:
            seen.append(self.size)
            super().__post_init__()

    monkeypatch.setattr(sessions, "CueStream", Spy)
    return seen


def test_a_small_object_is_followed_in_a_part_of_the_frame(sizes: list) -> None:
    frames, truth = _clip(28, lambda t: (160 + 12 * t, 200))
    results = propagate(frames, [mask_prompt(1, 0, truth[0, 0])], propagator=FOLLOWING)
    assert [result.frame for result in results] == list(range(28))
    assert min(overlap(r.masks[1], truth[r.frame, 0]) for r in results) > 0.9
    # The first look is at how fast it is.
    assert len(sizes) > 2 and sizes[0] == SIZE
    assert all(height * width < 0.5 * SIZE[0] * SIZE[1] for height, width in sizes[1:])


def test_backward_follows_too() -> None:
    frames, truth = _clip(10, lambda t: (500 - 14 * t, 240))
    prompt = mask_prompt(1, 9, truth[9, 0])
    results = propagate(frames, [prompt], propagator=FOLLOWING, direction="backward")
    assert [result.frame for result in results] == list(range(9, -1, -1))
    assert min(overlap(r.masks[1], truth[r.frame, 0]) for r in results) > 0.9


def test_a_lost_object_is_found_again_in_the_whole_frame(sizes: list) -> None:
    frames, truth = _clip(12, lambda t: (760, 200))
    hidden = range(4, 8)
    for index in hidden:
        frames[index] = SCENE
    results = propagate(frames, [mask_prompt(1, 0, truth[0, 0])], propagator=FOLLOWING)
    assert not any(results[index].masks[1].any() for index in hidden)
    assert overlap(results[-1].masks[1], truth[-1, 0]) > 0.8
    assert sizes[1] != SIZE
    assert SIZE in sizes[2:]


def test_a_fast_object_is_propagated_as_without_it() -> None:
    # By more than its width with every frame, which a narrow view would not show.
    frames, truth = _clip(6, lambda t: (60 + 32 * t, 200), radius=14)
    prompt = mask_prompt(1, 0, truth[0, 0])
    plain = propagate(frames, [prompt])
    followed = propagate(frames, [prompt], propagator=FOLLOWING)
    for first, second in zip(plain, followed, strict=True):
        np.testing.assert_array_equal(first.masks[1], second.masks[1])


def test_a_view_is_not_narrowed_to_what_is_seen_of_an_object_behind_something(sizes: list) -> None:
    frames, truth = _clip(14, lambda t: (180 + 12 * t, 200), radius=40)
    wall = slice(240, 330)
    frames[:, :, wall] = SCENE[:, wall]
    truth[..., wall] = False
    results = propagate(frames, [mask_prompt(1, 0, truth[0, 0])], propagator=FOLLOWING)
    assert overlap(results[-1].masks[1], truth[-1, 0]) > 0.8
    assert min(height for height, _ in sizes) >= sizes[1][0] * 0.6


def test_a_late_object_elsewhere_joins() -> None:
    frames, truth = _clip(9, lambda t: (120 + 4 * t, 90), lambda t: (700 - 4 * t, 400))
    prompts = [mask_prompt(1, 0, truth[0, 0]), mask_prompt(2, 4, truth[4, 1])]
    results = propagate(frames, prompts, propagator=FOLLOWING)
    assert [set(result.masks) for result in results] == [{1}] * 4 + [{1, 2}] * 5
    np.testing.assert_array_equal(results[4].masks[2], truth[4, 1])
    for number in (1, 2):
        assert overlap(results[-1].masks[number], truth[-1, number - 1]) > 0.85


def test_a_large_object_is_propagated_as_without_it(sizes: list) -> None:
    frames, truth = _clip(4, lambda t: (400 + 3 * t, 240), radius=120)
    prompt = mask_prompt(1, 0, truth[0, 0])
    plain = propagate(frames, [prompt])
    followed = propagate(frames, [prompt], propagator=FOLLOWING)
    for first, second in zip(plain, followed, strict=True):
        np.testing.assert_array_equal(first.masks[1], second.masks[1])
    assert set(sizes) == {SIZE}


def test_the_same_run_gives_the_same_masks() -> None:
    frames, truth = _clip(6, lambda t: (200 + 20 * t, 200))
    prompt = mask_prompt(1, 0, truth[0, 0])
    first, second = (propagate(frames, [prompt], propagator=FOLLOWING) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.masks[1], other.masks[1])


@pytest.mark.parametrize("area", [(0, 0, 9, 9), (470, 840, 480, 854), (200, 300, 260, 420)])
@pytest.mark.parametrize("velocity", [(0.0, 0.0), (9.0, -30.0)])
def test_a_view_holds_the_objects_and_lies_in_the_frame(area: tuple, velocity: tuple) -> None:
    view = choose_view([area], SIZE, velocity=velocity)
    assert 0 <= view.top <= area[0]
    assert 0 <= view.left <= area[1]
    assert area[2] <= view.top + view.height <= SIZE[0]
    assert area[3] <= view.left + view.width <= SIZE[1]
    assert suits(view, [area], SIZE, velocity=velocity)


def test_a_view_does_not_suit_objects_at_its_border_or_of_another_size() -> None:
    size = (2160, 3840)
    view = choose_view([(1000, 1000, 1200, 1200)], size)
    assert suits(view, [(1010, 1020, 1210, 1220)], size)
    assert not suits(view, [(1000, view.left + 10, 1200, view.left + 210)], size)
    assert not suits(view, [(1095, 1095, 1105, 1105)], size)
    assert not suits(view, [], size)
    assert choose_view([], size) == View(0, 0, *size)


def test_frames_are_read_again_and_no_further_than_needed() -> None:
    drawn: list[int] = []

    def source() -> Iterator[tuple[int, np.ndarray]]:
        for index in range(10):
            drawn.append(index)
            yield index, np.full((4, 6, 3), index, np.uint8)

    frames = RereadFrames(source())
    assert frames.peek() == 0
    first = frames.read(View(0, 0, 4, 6))
    assert [next(first)[0] for _ in range(4)] == [0, 1, 2, 3]
    frames.advance_to(2)
    again = frames.read(View(1, 2, 2, 3))
    index, part = next(again)
    assert (index, part.shape) == (2, (2, 3, 3))
    assert [next(again)[0] for _ in range(2)] == [3, 4]
    assert drawn == [0, 1, 2, 3, 4]
