"""What the segmenter ``cut`` promises."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from videoseg_attributes.segmentation.cut import CutSegmenter
from videoseg_attributes.segmentation.region_cut import RegionHint, cut_region
from videoseg_attributes.vision.motion import MotionEvidence

from videoseg.errors import ConfigError, IncompatibleStagesError, ShapeError, VideoError
from videoseg.stages import Segmenter
from videoseg.types import Box, Embedding, Point, Prompt, Rle
from videoseg.video import Video

_DATA = Path(os.environ.get("VIDEOSEG_TEST_DATA", Path(__file__).parents[5] / "shared" / "data"))


def textured(size, *, seed, base, spread=14):
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, spread, (size[0] // 6 + 2, size[1] // 6 + 2, 3)).astype(np.float32)
    field = cv2.resize(coarse, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.array(base, np.float32) + field, 0, 255).astype(np.uint8)


def scene(size=(120, 160), *, discs, seed=0):
    """Colored discs (x, y, radius, color) on a textured ground, and their masks."""
    frame = textured(size, seed=seed, base=(90, 110, 90))
    y, x = np.mgrid[: size[0], : size[1]]
    masks = []
    for number, (cx, cy, radius, color) in enumerate(discs):
        mask = np.hypot(x + 0.5 - cx, y + 0.5 - cy) <= radius
        frame[mask] = textured(size, seed=seed + 1 + number, base=color)[mask]
        masks.append(mask)
    return frame, masks


def iou(first, second):
    return (first & second).sum() / max(1, (first | second).sum())


def box_of(mask, margin=0):
    box = Rle.encode(mask).box
    return Box(box.x1 - margin, box.y1 - margin, box.x2 + margin, box.y2 + margin)


RED, BLUE = (190, 60, 50), (50, 70, 190)


def test_is_a_segmenter():
    assert isinstance(CutSegmenter(), Segmenter)


def test_box_on_a_single_image_gives_the_object():
    frame, [disc] = scene(discs=[(80, 60, 26, RED)])
    [answer] = CutSegmenter().segment(
        Video.from_frames(frame[None]), [Prompt(1, 0, box=box_of(disc, 3))]
    )
    assert answer.mask.shape == disc.shape and answer.mask.dtype == bool
    assert 0.0 <= answer.score <= 1.0
    assert iou(answer.mask, disc) > 0.9


def test_motion_finds_an_object_of_the_grounds_own_colors():
    size = (120, 160)
    ground = textured(size, seed=3, base=(100, 100, 100), spread=40)
    object_texture = textured((50, 50), seed=4, base=(100, 100, 100), spread=40)
    y, x = np.mgrid[:50, :50]
    shape = np.hypot(x - 24.5, y - 24.5) <= 24
    frames, masks = [], []
    for step in range(5):
        frame, mask = ground.copy(), np.zeros(size, bool)
        left = 40 + 4 * step
        frame[35:85, left : left + 50][shape] = object_texture[shape]
        mask[35:85, left : left + 50] = shape
        frames.append(frame)
        masks.append(mask)
    video = Video.from_frames(np.stack(frames))
    prompt = Prompt(1, 2, box=box_of(masks[2], 8))
    [moving] = CutSegmenter().segment(video, [prompt])
    [still] = CutSegmenter(use_motion=False).segment(video, [prompt])
    assert iou(moving.mask, masks[2]) > 0.75
    assert iou(moving.mask, masks[2]) > iou(still.mask, masks[2])


def test_a_point_alone_finds_the_extent():
    frame, [disc] = scene(discs=[(70, 60, 22, RED)])
    [answer] = CutSegmenter().segment(
        Video.from_frames(frame[None]), [Prompt(1, 0, points=(Point(72, 58),))]
    )
    assert iou(answer.mask, disc) > 0.8


def test_a_negative_point_excludes_what_it_marks():
    frame, [left, right] = scene(discs=[(60, 60, 18, RED), (100, 60, 18, BLUE)])
    both = Box(40, 40, 120, 80)
    prompt = Prompt(1, 0, box=both, points=(Point(60, 60),), negative_points=(Point(100, 60),))
    [answer] = CutSegmenter().segment(Video.from_frames(frame[None]), [prompt])
    assert not answer.mask[60, 100]
    assert (answer.mask & right).sum() < 0.1 * right.sum()
    assert (answer.mask & left).sum() > 0.8 * left.sum()


def test_prompts_on_one_frame_are_told_apart():
    frame, [left, right] = scene(discs=[(62, 60, 20, RED), (100, 60, 20, BLUE)])
    answers = CutSegmenter().segment(
        Video.from_frames(frame[None]),
        [Prompt(1, 0, box=box_of(left, 6)), Prompt(2, 0, box=box_of(right, 6))],
    )
    assert not (answers[0].mask & answers[1].mask).any()
    assert iou(answers[0].mask, left) > 0.8 and iou(answers[1].mask, right) > 0.8


def test_two_prompts_for_one_thing_both_get_it():
    frame, [disc] = scene(discs=[(80, 60, 26, RED)])
    box = box_of(disc, 3)
    answers = CutSegmenter().segment(
        Video.from_frames(frame[None]), [Prompt(1, 0, box=box), Prompt(2, 0, box=box)]
    )
    assert all(iou(answer.mask, disc) > 0.8 for answer in answers)


def test_a_given_mask_comes_back_and_its_pixels_are_not_given_away():
    frame, [disc] = scene(discs=[(80, 60, 26, RED)])
    given_mask = disc.copy()
    given_mask[:, 80:] = False
    answers = CutSegmenter().segment(
        Video.from_frames(frame[None]),
        [Prompt(1, 0, mask=Rle.encode(given_mask)), Prompt(2, 0, box=box_of(disc, 3))],
    )
    assert np.array_equal(answers[0].mask, given_mask)
    assert (answers[1].mask & given_mask).sum() < 0.05 * given_mask.sum()


def test_answers_keep_the_order_of_prompts_across_frames():
    frame, [left, right] = scene(discs=[(45, 60, 18, RED), (115, 60, 18, BLUE)])
    video = Video.from_frames(np.stack([frame] * 3))
    answers = CutSegmenter().segment(
        video, [Prompt(1, 2, box=box_of(right, 3)), Prompt(2, 0, box=box_of(left, 3))]
    )
    assert iou(answers[0].mask, right) > 0.8 and iou(answers[1].mask, left) > 0.8


def test_same_input_gives_same_masks_and_draws_no_random_numbers():
    frame, [disc] = scene(discs=[(80, 60, 26, RED)])
    video = Video.from_frames(frame[None])
    prompt = Prompt(1, 0, box=box_of(disc, 10))
    cv2.setRNGSeed(7)
    expected_next = cv2.randu(np.zeros((1, 8), np.uint8), 0, 255).copy()
    cv2.setRNGSeed(7)
    [first] = CutSegmenter().segment(video, [prompt])
    assert np.array_equal(cv2.randu(np.zeros((1, 8), np.uint8), 0, 255), expected_next)
    [second] = CutSegmenter().segment(video, [prompt])
    assert np.array_equal(first.mask, second.mask) and first.score == second.score


@settings(max_examples=25, deadline=None)
@given(data=st.data(), height=st.integers(1, 40), width=st.integers(1, 40))
def test_any_prompt_inside_any_frame_gives_a_mask(data, height, width):
    rng = np.random.default_rng(height * 41 + width)
    frames = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    x = data.draw(st.floats(0, width, exclude_max=True))
    y = data.draw(st.floats(0, height, exclude_max=True))
    box = Box(x, y, x + data.draw(st.floats(0.01, 50)), y + data.draw(st.floats(0.01, 50)))
    prompts = [
        Prompt(1, 0, box=box),
        Prompt(2, 1, points=(Point(x, y),)),
        Prompt(3, 1, box=box, negative_points=(Point(x, y),)),
    ]
    for answer in CutSegmenter().segment(Video.from_frames(frames), prompts):
        assert answer.mask.shape == (height, width)
        assert answer.mask.any()


def test_a_sliver_at_the_border_is_inside_the_frame():
    video = Video.from_frames(np.zeros((1, 3, 12, 3), np.uint8))
    prompt = Prompt(1, 0, box=Box(np.nextafter(12, 0), 0, 30, 3))
    [answer] = CutSegmenter().segment(video, [prompt])
    assert answer.mask[:, 11].any()


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        (Prompt(1, 0, box=Box(200, 0, 220, 20)), ConfigError),
        (Prompt(1, 0, points=(Point(160, 10),)), ConfigError),
        (Prompt(1, 0, box=Box(1, 1, 9, 9), negative_points=(Point(-1, 3),)), ConfigError),
        (Prompt(1, 0, mask=Rle.empty((120, 160))), ConfigError),
        (Prompt(1, 0, mask=Rle.empty((60, 80))), ShapeError),
        (Prompt(1, 0, embedding=Embedding("some-model", (0.0,))), IncompatibleStagesError),
        (Prompt(1, 9, box=Box(1, 1, 9, 9)), VideoError),
    ],
)
def test_prompts_that_cannot_be_used_are_refused(prompt, error):
    frame, _ = scene(discs=[])
    with pytest.raises(error):
        CutSegmenter().segment(Video.from_frames(frame[None]), [prompt])


@pytest.mark.skipif(not (_DATA / "davis").is_dir(), reason="needs the DAVIS sequences")
def test_true_boxes_give_good_masks_on_real_frames():
    scores = []
    for name in ("blackswan", "dog", "car-shadow"):
        folder = _DATA / "davis" / "Annotations" / "480p" / name
        truth = np.array(Image.open(min(folder.glob("*.png"))))
        truth = (truth if truth.ndim == 2 else truth[..., 0]) > 0
        video = Video.open(_DATA / "davis" / "JPEGImages" / "480p" / name)
        [answer] = CutSegmenter().segment(video, [Prompt(1, 0, box=box_of(truth))])
        scores.append(iou(answer.mask, truth))
    assert np.mean(scores) > 0.78


def test_a_part_that_looks_like_the_surroundings_is_cut_out_up_to_the_side_of_the_box():
    frame, [mask] = scene(discs=[(80, 60, 32, (200, 60, 50))])
    blue = textured(frame.shape[:2], seed=7, base=(60, 60, 170))
    top, pillar = mask.copy(), np.zeros_like(mask)
    top[46:] = False
    pillar[20:100, 110:124] = True
    frame[top | (pillar & ~mask)] = blue[top | (pillar & ~mask)]
    [answer] = CutSegmenter().segment(
        Video.from_frames(frame[None]), [Prompt(1, 0, box=box_of(mask))]
    )
    hint = RegionHint(box_of(mask))
    assert not (cut_region(frame, MotionEvidence(()), hint).mask & top).any()
    assert iou(answer.mask, mask) > 0.95


@pytest.mark.parametrize("margin", [6, 12, 20])
def test_a_loose_box_does_not_make_an_object_larger(margin):
    frame, [mask] = scene(discs=[(80, 60, 32, (200, 60, 50))])
    [answer] = CutSegmenter().segment(
        Video.from_frames(frame[None]), [Prompt(1, 0, box=box_of(mask, margin))]
    )
    assert iou(answer.mask, mask) > 0.95
