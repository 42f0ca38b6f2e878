"""Prompts that do not fit their video are told before any stage works."""

from __future__ import annotations

import numpy as np
import pytest
from toy_stages import BoxIsMask, EverySecond, Hold, pipeline

from videoseg import Pipeline
from videoseg.errors import ConfigError, StageError, VideosegError
from videoseg.results import Segmentation
from videoseg.types import Box, Grounding, ObjectMask, Point, Prompt, Rle, Thought


class Untouched(Hold):
    def open(self, video, *, seed=0):
        raise AssertionError("the propagator was started")


def warnings_of(video, *prompts: Prompt) -> tuple[str, ...]:
    return pipeline().propagate(video, prompts).warnings


@pytest.mark.parametrize("box", [(0.1, 0.2, 0.6, 0.8), (0, 0, 1, 1), (0.5, 0, 1, 0.25)])
def test_a_box_in_fractions_of_the_frame_is_warned_of(video, box):
    [warning] = warnings_of(video, Prompt(3, 2, box=Box(*box)))
    assert "of object 3 on frame 2 is not larger than a pixel" in warning
    assert (
        "fractions of the frame (0 to 1), multiply it by the frame's width and height" in warning
    )
    assert "boxes are in pixels" in warning


def test_a_narrow_box_elsewhere_is_no_share_of_the_frame(video):
    [warning] = warnings_of(video, Prompt(1, 0, box=Box(4, 2, 4.5, 5)))
    assert "not larger than a pixel; boxes are in pixels" in warning


@pytest.mark.parametrize("box", [(0, 0, 2, 2), (0, 0, 1, 6), (3, 3, 5, 4), (3, 3, 4, 4)])
def test_a_small_box_is_nothing_to_warn_of(video, box):
    assert warnings_of(video, Prompt(1, 0, box=Box(*box))) == ()


def test_points_in_shares_of_the_frame_are_warned_of(video):
    box = Box(0, 0, 4, 4)
    shares = Prompt(1, 0, box=box, points=(Point(0.25, 0.5),), negative_points=(Point(1, 0.75),))
    [warning] = warnings_of(video, shares)
    assert "multiply them by its width and height" in warning
    assert warnings_of(video, Prompt(1, 0, box=box, points=(Point(0, 0), Point(1, 1)))) == ()
    assert warnings_of(video, Prompt(1, 0, box=box, points=(Point(0.5, 3.5),))) == ()


def test_points_outside_the_frame_are_warned_of(video):
    [warning] = warnings_of(video, Prompt(1, 0, box=Box(0, 0, 4, 4), points=(Point(30, 2),)))
    assert "(30, 2) of object 1 on frame 0 lies outside the 8x6 frame" in warning


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (
            Prompt(1, 10, box=Box(0, 0, 2, 2)),
            "on frame 10 lies outside the video; its frames are 0 to 9",
        ),
        (Prompt(1, 0, box=Box(20, 0, 30, 5)), "outside the 8x6 frame"),
        (
            Prompt(1, 0, mask=Rle.empty((8, 6))),
            r"mask of \(8, 6\); give one of the frame's size, \(height, width\) = \(6, 8\)",
        ),
    ],
)
def test_prompts_that_do_not_fit_the_video_start_nothing(video, prompt, message):
    with pytest.raises(ConfigError, match=message) as caught:
        pipeline(propagator=Untouched()).propagate(video, [prompt])
    assert caught.value.partial is None


@pytest.mark.parametrize("given", [None, 7, [None], "prompts", [Box(0, 0, 2, 2)]])
def test_what_is_no_prompt_is_refused_with_what_to_write(video, given):
    with pytest.raises(ConfigError, match=r"Prompt\(object_id, frame"):
        pipeline(propagator=Untouched()).propagate(video, given)


def test_one_prompt_is_as_good_as_a_list_of_one(video):
    result = pipeline().propagate(video, Prompt(1, 0, box=Box(0, 0, 2, 2)))
    assert result.object_ids == (1,)


def test_numbers_of_numpy_are_saved_as_pythons(video, tmp_path):
    object_id, frame = np.unique(np.array([7, 7])), np.array([3])
    box = Box(*np.array([1, 1, 4, 5], np.float32))
    result = pipeline().propagate(
        video, [Prompt(object_id[0], frame[0], box=box)], seed=np.int64(5)
    )
    loaded = Segmentation.load(result.save(tmp_path / "out", parts=["masks"]))
    assert loaded.object_ids == (7,)
    assert (tmp_path / "out/masks/7/00000.png").exists()
    assert loaded.seed == 5
    [prompt] = loaded.grounding.prompts
    assert (prompt.frame, prompt.box) == (3, Box(1, 1, 4, 5))


def test_what_the_caller_gives_must_be_savable(video):
    box = Prompt(1, 0, box=Box(0, 0, 2, 2))
    given = Grounding(0, (box,), Thought(details={"model": object()}))
    with pytest.raises(ConfigError, match=r"details\['model'\] is of type object"):
        pipeline(propagator=Untouched()).propagate(video, given)
    for seed in (1.5, "1", None, True):
        with pytest.raises(ConfigError, match="seed must be a whole number"):
            pipeline(propagator=Untouched()).propagate(video, [box], seed=seed)
    with pytest.raises(ConfigError, match="query must be text"):
        pipeline(propagator=Untouched()).propagate(video, [box], query=7)


class SaysMore:
    """Answers with details that JSON cannot hold."""

    def __init__(self, details):
        self.details = details

    def step(self, episode):
        prompt = Prompt(1, 0, box=Box(0, 0, 2, 2))
        return Grounding(0, (prompt,), Thought("because", details=self.details))


class Told:
    def videoseg_grounded(self, event):
        self.event = event


def test_what_a_stage_says_is_kept_as_far_as_json_can_hold_it(video, tmp_path):
    circle: list[object] = []
    circle.append(circle)
    details = {
        "score": np.float32(0.5),
        "areas": np.arange(3),
        "model": object(),
        "circle": circle,
        ("a", "key"): 1,
    }
    told = Told()
    result = pipeline(SaysMore(details))(video, "the red one", observers=[told])
    lost = [text for text in result.warnings if "cannot be written as JSON" in text]
    assert len(lost) == len(result.warnings) > 2
    assert any(
        "details['model'] is of type object" in text or "['model']" in text for text in lost
    )
    kept = Segmentation.load(result.save(tmp_path / "out", parts=[])).grounding.thought.details
    assert kept["score"] == 0.5
    assert kept["areas"] == [0, 1, 2]
    assert kept["model"].startswith("<object object")
    assert result == Segmentation.load(tmp_path / "out")
    # What is kept on the way must be writable, too.
    assert told.event.grounding.thought.details == kept


def test_options_that_cannot_be_saved_are_refused_before_the_first_stage(video):
    from videoseg.pipeline import Use

    pipe = Pipeline(Use("uniform", {"num_frames": object()}), SaysMore({}), Untouched())
    with pytest.raises(ConfigError, match=r"num_frames.* is of type object"):
        pipe(video, "the red one")


class Segments(BoxIsMask):
    def __init__(self, change):
        self.change = change

    def segment(self, video, prompts):
        return self.change(super().segment(video, prompts))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda masks: masks[:1], "each of 2 prompts, got 1"),
        (lambda masks: [mask.mask for mask in masks], "ObjectMask"),
        (lambda masks: [ObjectMask(mask.mask.T) for mask in masks], r"masks of \(6, 8\)"),
        (lambda masks: [ObjectMask(mask.mask * 7.5 - 3) for mask in masks], "mask > 0"),
    ],
)
def test_a_segmenter_that_answers_with_something_else_is_named(video, change, message):
    pipe = pipeline(segmenter=Segments(change))
    prompts = [Prompt(number, 0, box=Box(0, 0, 2, 2)) for number in (1, 2)]
    with pytest.raises(VideosegError, match=message) as caught:
        pipe.propagate(video, prompts)
    if "mask > 0" not in message:
        assert isinstance(caught.value, StageError)
        assert "Segments" in str(caught.value)


def test_half_a_surrogate_pair_in_a_query_becomes_a_mark(video, tmp_path):
    result = pipeline()(video, "the \ud800 red one")
    assert result.query == "the \ufffd red one"
    assert Segmentation.load(result.save(tmp_path / "out")).query == result.query


def test_samplers_may_choose_frames_of_numpy(video):
    class Numpy(EverySecond):
        def sample(self, video, query, *, window, keyframe=None, seed=0):
            frames = np.arange(window.start, window.stop, 2)
            return type(super().sample(video, query, window=window)).of(
                frames, window=window, keyframe=frames[0]
            )

    result = Pipeline(Numpy(), SaysMore({}), Hold())(video, "the red one")
    assert result.trace.turns[0].selection.indices == (0, 2, 4, 6, 8)
