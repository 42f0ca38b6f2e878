"""An object within another one, and propagators that give its pixels to one of them only."""

from __future__ import annotations

import numpy as np
import pytest

import videoseg as vs
from videoseg.pipeline.overlap import Loss, OverlapWatch, describe_losses
from videoseg.types import Rle

NUM_FRAMES = 6


def rectangle(x, y, width, height):
    mask = np.zeros((64, 96), bool)
    mask[y : y + height, x : x + width] = True
    return mask


PERSON = [rectangle(10 + 3 * t, 8, 40, 50) for t in range(NUM_FRAMES)]
SHIRT = [rectangle(20 + 3 * t, 25, 20, 20) for t in range(NUM_FRAMES)]
DOG = [rectangle(70, 30, 20, 20)] * NUM_FRAMES


@pytest.fixture(scope="module")
def frames():
    noise = np.random.default_rng(0).integers(60, 120, (64, 96, 3), np.uint8)
    pictures = []
    for person, shirt, dog in zip(PERSON, SHIRT, DOG, strict=True):
        picture = noise.copy()
        picture[person], picture[shirt], picture[dog] = (200, 60, 40), (40, 80, 220), (90, 200, 60)
        pictures.append(picture)
    return np.stack(pictures)


def prompt(object_id, masks, frame=0, label=""):
    return vs.Prompt(object_id, frame, mask=Rle.encode(masks[frame]), label=label)


def propagate(frames, prompts, **options):
    pipe = vs.Pipeline.from_name("attributes").replace(propagator=vs.use("flow", **options))
    return pipe.propagate(frames, prompts)


def test_a_person_that_loses_its_shirt_is_told_of(frames):
    result = propagate(
        frames, [prompt(1, PERSON, label="person"), prompt(2, SHIRT, label="shirt")]
    )
    assert not (result.track(1).mask(3) & result.track(2).mask(3)).any()
    [warning] = result.warnings
    assert warning.startswith(
        "object 1 ('person') and object 2 ('shirt') cover the same pixels on frame 0; on the "
        "frames beside it they belong to object 2 alone"
    )
    assert "max_objects_per_pass=1" in warning


def test_the_remedy_that_the_warning_names_helps(frames):
    prompts = [prompt(1, PERSON), prompt(2, SHIRT)]
    result = propagate(frames, prompts, max_objects_per_pass=1)
    assert result.warnings == ()
    for frame in range(NUM_FRAMES):
        shared = result.track(1).mask(frame) & result.track(2).mask(frame)
        assert shared.sum() > 0.9 * SHIRT[frame].sum()


@pytest.mark.parametrize("frame", [2, NUM_FRAMES - 1])
def test_frames_before_the_prompts_are_watched_too(frames, frame):
    result = propagate(frames, [prompt(1, PERSON, frame), prompt(2, SHIRT, frame)])
    assert f"cover the same pixels on frame {frame};" in "".join(result.warnings)
    assert len(result.warnings) == 1


def test_a_part_that_is_prompted_later_is_told_of(frames):
    prompts = [prompt(1, PERSON), prompt(2, SHIRT, 3)]
    [warning] = propagate(frames, prompts).warnings
    assert "object 1 and object 2 cover the same pixels on frame 3;" in warning


def test_a_stream_warns_as_a_result_does(frames):
    class Answers:
        def step(self, episode):
            return vs.Grounding(0, (prompt(1, PERSON), prompt(2, SHIRT)))

    pipe = vs.Pipeline.from_name("attributes").replace(grounder=Answers())
    with pipe.stream(frames, "x") as stream:
        list(stream)
        assert stream.warnings == pipe(frames, "x").warnings
        assert len(stream.warnings) == 1


def test_objects_apart_and_boxes_that_touch_are_no_reason_to_warn(frames):
    assert propagate(frames, [prompt(1, PERSON), prompt(2, DOG)]).warnings == ()
    near = [np.roll(mask, 35, axis=1) for mask in PERSON]
    assert (near[0] & PERSON[0]).any()
    assert propagate(frames, [prompt(1, PERSON), prompt(2, near)]).warnings == ()


def watched(prompts, *frames_of_masks):
    watch = OverlapWatch(prompts)
    for frame, masks in enumerate(frames_of_masks):
        watch.see(frame, masks)
    return watch.losses


BOTH = [prompt(1, PERSON), prompt(2, SHIRT)]
HOLE = PERSON[1] & ~SHIRT[1]
NOTHING = np.zeros((64, 96), bool)


@pytest.mark.parametrize(
    ("later", "losses"),
    [
        ({1: HOLE, 2: SHIRT[1]}, [Loss(1, 2, 0)]),
        ({1: PERSON[1], 2: NOTHING}, [Loss(2, 1, 0)]),
        ({1: PERSON[1], 2: SHIRT[1]}, []),
        ({1: NOTHING, 2: NOTHING}, []),
        # in front of the person, and away
        ({1: PERSON[1], 2: DOG[1]}, []),
        ({1: PERSON[1]}, []),
    ],
)
def test_who_lost_to_whom(later, losses):
    assert watched(BOTH, {1: PERSON[0], 2: SHIRT[0]}, later) == losses


def test_objects_that_part_later_have_lost_nothing():
    now, then = {1: PERSON[0], 2: SHIRT[0]}, {1: PERSON[1], 2: SHIRT[1]}
    assert watched(BOTH, now, then, {1: PERSON[2], 2: DOG[2]}) == []


def test_many_pairs_are_counted():
    prompts = [prompt(number, PERSON) for number in range(1, 5)]
    losses = [Loss(1, 2, 0), Loss(1, 3, 0), Loss(1, 4, 0), Loss(2, 3, 0), Loss(3, 2, 5)]
    warnings = describe_losses(losses, prompts)
    assert len(warnings) == 4
    assert warnings[-1].startswith("1 other pair of objects")
