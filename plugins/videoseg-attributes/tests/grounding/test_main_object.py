"""Which of several things is the main one, and which moves most."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from videoseg_attributes.grounding import AttributesGrounder
from videoseg_attributes.grounding.main_object import measure_activity, measure_mainness
from videoseg_attributes.grounding.measurements import MeasuredCandidate

from videoseg.masks import iou
from videoseg.pipeline import run_episode
from videoseg.samplers import UniformSampler
from videoseg.types import Prompt
from videoseg.video import Video


def measured(
    *,
    saliency: float = 0.8,
    center: tuple[float, float] = (0.5, 0.5),
    side: float = 0.25,
    share: float = 1.0,
    speed: float = 0.2,
    energy: float = 0.2,
) -> MeasuredCandidate:
    count = 12
    visible = np.arange(count) < share * count
    x, y = center
    box = np.clip([x - side / 2, y - side / 2, x + side / 2, y + side / 2], 0, 1)
    shown = visible[:, None]
    return MeasuredCandidate(
        candidate_id=0,
        saliency=saliency,
        frames=np.arange(count, dtype=float),
        times=np.arange(count) / 10,
        visible=visible,
        areas=visible * side * side,
        centers=np.where(shown, center, np.nan),
        boxes=np.where(shown, box, np.nan),
        cut=visible & bool((box == 0).any() or (box == 1).any()),
        velocities=np.where(shown, (speed, 0.0), np.nan),
        motion=np.where(visible, energy, np.nan),
        aspect=1.5,
        colors=np.ones(512),
    )


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (measured(center=(0.9, 0.85)), "in a corner, cut by the border"),
        (measured(side=0.05), "tiny"),
        (measured(share=0.3), "there for a moment"),
        (measured(speed=0.01), "moves to and fro within"),
        (measured(saliency=0.3), "hardly stands out"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_main_object_is_not(other: MeasuredCandidate, why: str) -> None:
    main, less = measure_mainness([measured(), other])
    assert main > 1.3 * less, why


def test_mainness_stays_in_its_range() -> None:
    (alone,) = measure_mainness([measured(saliency=1.0)])
    assert 0 < alone <= 1
    assert measure_mainness([measured(share=0.0)]) == [0.0]
    assert measure_mainness([]) == []
    assert measure_activity(measured(share=0.0)) == 0


def test_what_was_seen_by_its_outline_can_be_the_main_object() -> None:
    outlined = measured(saliency=0.29)
    ripple = measured(saliency=0.4, center=(0.8, 0.7), speed=0.02, energy=0.1)
    main, less = measure_mainness([outlined, ripple])
    assert main > 1.5 * less


def test_a_fast_speck_moves_less_than_a_large_thing() -> None:
    speck = measured(side=0.03, speed=0.3, energy=0.3)
    assert measure_activity(measured()) > 2 * measure_activity(speck)


@pytest.mark.parametrize(
    ("query", "meant"), [("the object that moves most", 1), ("the fastest object", 2)]
)
def test_the_one_that_moves_most_is_not_the_fastest_speck(
    make_scene, thing, query: str, meant: int
) -> None:
    scene = make_scene(
        {
            "large": thing("red", 30, lambda time: (0.35 + 0.3 * time, 0.5)),
            "speck": thing("blue", 6, lambda time: (0.1 + 0.5 * time, 0.15)),
        }
    )
    grounder = AttributesGrounder(survey=scene.survey)
    episode = run_episode(scene.video, query, sampler=UniformSampler(), grounder=grounder)
    assert episode.grounding is not None
    (prompt,) = episode.grounding.prompts
    assert (prompt.mask.decode() & (scene.labels[prompt.frame] == meant)).any()


def test_spray_whose_motion_the_picture_does_not_show_is_not_the_main_object() -> None:
    main, less = measure_mainness([measured(), replace(measured(energy=0.3), support=0.2)])
    assert main > 1.2 * less


@pytest.fixture(scope="module")
def dancer() -> tuple[Video, np.ndarray]:
    """A figure with a red top and blue legs that moves, and where it is; still noise around."""
    rng = np.random.default_rng(0)
    ground = rng.integers(90, 150, (90, 120, 3)).astype(np.uint8)
    frames, masks = [], []
    for time in range(16):
        frame, mask = ground.copy(), np.zeros((90, 120), dtype=bool)
        left, top = 25 + 3 * time, 20
        frame[top : top + 20, left : left + 18] = (220, 30, 40)
        frame[top + 20 : top + 42, left + 2 : left + 15] = (30, 60, 210)
        mask[top : top + 20, left : left + 18] = True
        mask[top + 20 : top + 42, left + 2 : left + 15] = True
        frames.append(frame)
        masks.append(mask)
    return Video.from_frames(np.stack(frames)), np.stack(masks)


def ask(video: Video, query: str) -> Prompt:
    episode = run_episode(video, query, sampler=UniformSampler(), grounder=AttributesGrounder())
    assert episode.grounding is not None
    (prompt,) = episode.grounding.prompts
    return prompt


def test_what_moves_is_all_of_it_and_a_color_picks_a_part(dancer) -> None:
    video, masks = dancer
    whole = ask(video, "the moving object")
    part = ask(video, "the blue object")
    assert iou(whole.mask.decode(), masks[whole.frame]) > 0.8
    assert iou(part.mask.decode(), masks[part.frame]) < 0.7
