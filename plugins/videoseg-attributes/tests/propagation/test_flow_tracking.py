"""What happens to objects: moving, still, hidden, leaving, cut away, competing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from videoseg_attributes.propagation import competition
from videoseg_attributes.propagation.flow import FlowPropagator

from videoseg.metrics import region_j
from videoseg.types import Prompt, Rle
from videoseg.video import Video

from .clips import (
    BACKGROUND,
    BLUE,
    HEIGHT,
    RED,
    WIDTH,
    disc,
    mask_prompt,
    moving_disc,
    overlap,
    paint,
    propagate,
    textured,
)

DATA = Path(os.environ.get("VIDEOSEG_TEST_DATA", Path(__file__).parents[5] / "shared" / "data"))


def test_a_moving_object_is_followed() -> None:
    frames, truth = moving_disc(lambda t: (30 + 4 * t, 60), 25)
    results = propagate(frames, [mask_prompt(1, 0, truth[0])])
    assert [result.frame for result in results] == list(range(25))
    scores = [overlap(result.masks[1], truth[result.frame]) for result in results]
    assert min(scores) > 0.85


def test_the_given_mask_is_returned_as_it_was_given() -> None:
    frames, truth = moving_disc(lambda t: (60 + t, 60), 4)
    given = truth[0].copy()
    given[5, 5] = True
    results = propagate(frames, [mask_prompt(1, 0, given)])
    np.testing.assert_array_equal(results[0].masks[1], given)


def test_a_still_object_in_a_still_scene_is_held() -> None:
    frames, truth = moving_disc(lambda t: (90, 60), 40)
    results = propagate(frames, [mask_prompt(1, 0, truth[0])])
    assert min(overlap(result.masks[1], truth[0]) for result in results) > 0.9


def test_a_still_object_is_held_while_another_thing_moves_past() -> None:
    frames, truth = moving_disc(lambda t: (50, 60), 30)
    for t in range(30):
        place = (160 - 4 * t, 100)
        paint(frames[t], disc(place, 10) & ~truth[t], BLUE, place)
    results = propagate(frames, [mask_prompt(1, 0, truth[0])])
    assert min(overlap(result.masks[1], truth[0]) for result in results) > 0.85


def test_an_object_that_passes_behind_something_is_hidden_and_taken_up_again() -> None:
    post = np.zeros((HEIGHT, WIDTH), bool)
    post[:, 75:115] = True
    skin = textured(HEIGHT, WIDTH, 9, (150, 150, 60))

    def in_front(frame: np.ndarray) -> None:
        frame[post] = skin[post]

    frames, truth = moving_disc(lambda t: (30 + 4 * t, 60), 32, in_front=in_front, hidden=post)
    results = propagate(frames, [mask_prompt(1, 0, truth[0])])
    gone = [t for t in range(32) if not truth[t].any()]
    assert gone
    # One frame of grace on either side of being covered.
    for t in gone[1:]:
        assert not results[t].masks[1].any()
    assert overlap(results[-1].masks[1], truth[-1]) > 0.8
    back = [t for t in range(gone[-1] + 1, 32) if np.count_nonzero(truth[t]) > 600]
    assert overlap(results[back[2]].masks[1], truth[back[2]]) > 0.7


def test_an_object_that_leaves_the_frame_does_not_stick_to_the_border() -> None:
    frames, truth = moving_disc(lambda t: (120 + 5 * t, 60), 24)
    results = propagate(frames, [mask_prompt(1, 0, truth[0])])
    gone = [t for t in range(24) if not truth[t].any()]
    assert len(gone) > 5
    for t in gone[2:]:
        assert not results[t].masks[1].any()


def test_an_object_that_comes_back_into_the_frame_is_taken_up_again() -> None:
    frames, truth = moving_disc(lambda t: (140 + 5 * min(t, 26 - t), 60), 27)
    assert any(not mask.any() for mask in truth)
    results = propagate(frames, [mask_prompt(1, 0, truth[0])])
    assert overlap(results[-1].masks[1], truth[-1]) > 0.75


def test_after_a_cut_the_object_is_found_again_by_its_colors() -> None:
    before, truth_before = moving_disc(lambda t: (40 + 2 * t, 40), 8)
    elsewhere = textured(HEIGHT, WIDTH, 21, (40, 130, 160))
    after, truth_after = moving_disc(lambda t: (130 - 2 * t, 80), 8, background=elsewhere)
    frames = np.concatenate([before, after])
    results = propagate(frames, [mask_prompt(1, 0, truth_before[0])])
    assert overlap(results[7].masks[1], truth_before[7]) > 0.85
    assert overlap(results[-1].masks[1], truth_after[-1]) > 0.75


def test_after_a_cut_to_a_scene_without_the_object_the_mask_is_empty() -> None:
    before, truth = moving_disc(lambda t: (40 + 2 * t, 40), 6)
    elsewhere = textured(HEIGHT, WIDTH, 22, (40, 130, 160))
    after, _ = moving_disc(lambda t: (100, 60), 6, skin=BLUE, background=elsewhere)
    results = propagate(np.concatenate([before, after]), [mask_prompt(1, 0, truth[0])])
    assert results[5].masks[1].any()
    assert not any(result.masks[1].any() for result in results[6:])


def test_objects_that_cross_keep_their_identities() -> None:
    frames, first, second = [], [], []
    for t in range(24):
        frame = BACKGROUND.copy()
        behind, front = (30 + 5 * t, 55), (150 - 5 * t, 65)
        back_mask, front_mask = disc(behind), disc(front)
        paint(frame, back_mask, RED, behind)
        paint(frame, front_mask, BLUE, front)
        frames.append(frame)
        first.append(back_mask & ~front_mask)
        second.append(front_mask)
    results = propagate(
        np.stack(frames), [mask_prompt(1, 0, first[0]), mask_prompt(2, 0, second[0])]
    )
    assert overlap(results[-1].masks[1], first[-1]) > 0.8
    assert overlap(results[-1].masks[2], second[-1]) > 0.8


def test_masks_of_two_objects_do_not_overlap() -> None:
    frames, truth = moving_disc(lambda t: (60 + 2 * t, 60), 8)
    left, right = truth[0].copy(), truth[0].copy()
    left[:, 60:], right[:, :60] = False, False
    results = propagate(frames, [mask_prompt(1, 0, left), mask_prompt(2, 0, right)])
    for result in results:
        assert not (result.masks[1] & result.masks[2]).any()


def test_a_late_object_joins_when_its_frame_is_reached() -> None:
    frames, truth = moving_disc(lambda t: (30 + 3 * t, 40), 16)
    late = [disc((150 - 3 * t, 95), 14) for t in range(16)]
    for t in range(16):
        paint(frames[t], late[t], BLUE, (150 - 3 * t, 95))
    results = propagate(frames, [mask_prompt(4, 0, truth[0]), mask_prompt(2, 6, late[6])])
    assert all(set(result.masks) == {4} for result in results[:6])
    assert all(set(result.masks) == {2, 4} for result in results[6:])
    assert overlap(results[-1].masks[4], truth[-1]) > 0.8
    assert overlap(results[-1].masks[2], late[-1]) > 0.8


def test_a_correction_moves_the_object_to_where_it_was_said_to_be() -> None:
    frames, truth = moving_disc(lambda t: (30 + 3 * t, 40), 16)
    other = [disc((150 - 3 * t, 95), 14) for t in range(16)]
    for t in range(16):
        paint(frames[t], other[t], BLUE, (150 - 3 * t, 95))
    results = propagate(frames, [mask_prompt(1, 0, truth[0]), mask_prompt(1, 8, other[8])])
    assert overlap(results[7].masks[1], truth[7]) > 0.8
    assert overlap(results[-1].masks[1], other[-1]) > 0.8


def test_backward_yields_from_the_latest_prompt_down_to_the_first_frame() -> None:
    frames, truth = moving_disc(lambda t: (30 + 3 * t, 60), 20)
    results = propagate(frames, [mask_prompt(1, 12, truth[12])], direction="backward")
    assert [result.frame for result in results] == list(range(12, -1, -1))
    assert min(overlap(result.masks[1], truth[result.frame]) for result in results) > 0.8


def test_one_lost_object_does_not_cost_the_others_their_tracks() -> None:
    frames, truth = moving_disc(lambda t: (40 + 3 * t, 60), 20)
    alone = propagate(frames, [mask_prompt(1, 0, truth[0])])
    speck = np.zeros((HEIGHT, WIDTH), bool)
    speck[3, 170] = True
    both = propagate(frames, [mask_prompt(1, 0, truth[0]), mask_prompt(2, 0, speck)])
    assert overlap(both[-1].masks[1], alone[-1].masks[1]) > 0.9


@pytest.mark.skipif(not (DATA / "davis").is_dir(), reason="no real clips here")
@pytest.mark.parametrize(("clip", "least"), [("rollerblade", 0.8), ("blackswan", 0.88)])
def test_a_real_clip_is_followed(clip: str, least: float) -> None:
    from PIL import Image

    folder = DATA / "davis" / "Annotations" / "480p" / clip
    truth = [np.array(Image.open(path)) > 0 for path in sorted(folder.glob("*.png"))[:20]]
    truth = [mask[..., 0] if mask.ndim == 3 else mask for mask in truth]
    video = Video.open(DATA / "davis" / "JPEGImages" / "480p" / clip)
    with FlowPropagator().open(video) as session:
        session.prompt(Prompt(1, 0, mask=Rle.encode(truth[0])))
        masks = [result.masks[1] for result in session.run(stop=20)]
    assert region_j(np.stack(masks[1:]), np.stack(truth[1:])).mean() > least


def test_objects_that_look_alike_are_told_apart_by_how_they_move() -> None:
    frames, upper, lower = [], [], []
    for t in range(20):
        frame = BACKGROUND.copy()
        places = (40 + 5 * t, 50), (140 - 5 * t, 72)
        masks = disc(places[0]), disc(places[1])
        paint(frame, masks[0], RED, places[0])
        paint(frame, masks[1], RED, places[1])
        frames.append(frame)
        upper.append(masks[0] & ~masks[1])
        lower.append(masks[1])
    results = propagate(
        np.stack(frames), [mask_prompt(1, 0, upper[0]), mask_prompt(2, 0, lower[0])]
    )
    assert overlap(results[-1].masks[1], upper[-1]) > 0.75
    assert overlap(results[-1].masks[2], lower[-1]) > 0.75


def test_a_still_thing_of_the_same_color_is_not_taken_over() -> None:
    frames, truth = moving_disc(lambda t: (30 + 4 * t, 45), 25)
    # A bar of the object's own colors, which the object passes along.
    bar = np.zeros((HEIGHT, WIDTH), bool)
    bar[66:82, 20:170] = True
    for frame in frames:
        frame[bar] = RED[bar]
    results = propagate(frames, [mask_prompt(1, 0, truth[0] & ~bar)])
    taken = [np.count_nonzero(result.masks[1] & bar) for result in results]
    assert max(taken) < 0.25 * np.count_nonzero(truth[0])
    assert overlap(results[-1].masks[1], truth[-1]) > 0.8


@pytest.mark.parametrize("group", [1, 3])
def test_masks_do_not_depend_on_how_many_objects_are_worked_on_together(
    group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, skins = [], (RED, BLUE)
    places = [(20 + 35 * column, 30 + 55 * row) for row in range(2) for column in range(5)]
    for t in range(4):
        frame = BACKGROUND.copy()
        for number, (x, y) in enumerate(places):
            paint(frame, disc((x + 2 * t, y), 10), skins[number % 2], (x + 2 * t, y))
        frames.append(frame)
    prompts = [
        mask_prompt(number, 0, disc(place, 10)) for number, place in enumerate(places, start=1)
    ]
    together = propagate(np.stack(frames), prompts)
    monkeypatch.setattr(competition, "_GROUP", group)
    for result, expected in zip(propagate(np.stack(frames), prompts), together, strict=True):
        assert len(result.masks) == len(places)
        for object_id, mask in result.masks.items():
            np.testing.assert_array_equal(mask, expected.masks[object_id])
