"""The guard ladder, the multimask switch, and objects told apart."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch
from videoseg_sam2 import Sam2Segmenter
from videoseg_sam2.segmenter import _Attempt, _FrameDecoder

import videoseg as vs
from videoseg.errors import IncompatibleStagesError, ShapeError
from videoseg.testing import moving_square, passing_squares
from videoseg.types import Box, Embedding, Point, Prompt, Rle

FULL = Prompt(1, 0, box=Box(4, 4, 24, 30), points=(Point(9, 9),), negative_points=(Point(50, 9),))


@pytest.fixture
def segmenter(toy_modules: Any) -> Sam2Segmenter:
    return Sam2Segmenter(model="toy", random_weights=True, device="cpu", precision="float32")


class Answers:
    """Stands in for the decoder and notes which prompts it was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, float]) -> None:
        self.tried: list[tuple[bool, int, int]] = []
        self.multimask: list[bool] = []
        remaining = list(answers)

        def decode(_: object, prompt: Prompt, size: Any, *, multimask: bool) -> _Attempt:
            self.tried.append(
                (prompt.box is not None, len(prompt.points), len(prompt.negative_points))
            )
            self.multimask.append(multimask)
            pixels, score = remaining.pop(0)
            logits = np.full(size, -1.0, np.float32)
            logits.reshape(-1)[:pixels] = 1.0
            return _Attempt(logits, score)

        monkeypatch.setattr(_FrameDecoder, "decode", decode)


def segment(segmenter: Sam2Segmenter, prompt: Prompt = FULL) -> Any:
    return segmenter.segment(moving_square().video, [prompt])[0]


def test_a_good_first_answer_is_taken(
    segmenter: Sam2Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(monkeypatch, (5, 0.5))
    assert segment(segmenter).score == 0.5
    assert answers.tried == [(True, 1, 1)]


def test_low_scores_lead_down_the_ladder(
    segmenter: Sam2Segmenter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = Answers(monkeypatch, (5, 0.3), (6, 0.4), (7, 0.2))
    with caplog.at_level(logging.WARNING):
        answer = segment(segmenter)
    assert answers.tried == [(True, 1, 1), (True, 1, 0), (True, 0, 0)]
    assert (answer.mask.sum(), answer.score) == (6, 0.4)
    assert "object 1 on frame 0" in caplog.text


def test_the_ladder_ends_with_the_first_good_answer(
    segmenter: Sam2Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(monkeypatch, (0, 0.9), (6, 0.8))
    assert segment(segmenter).mask.sum() == 6
    assert len(answers.tried) == 2


def test_a_mask_counts_more_than_the_score_of_none(
    segmenter: Sam2Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    Answers(monkeypatch, (0, 0.9), (3, 0.1), (0, 0.8))
    assert segment(segmenter).mask.sum() == 3


def test_what_is_nowhere_found_is_empty(
    segmenter: Sam2Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    Answers(monkeypatch, (0, 0.2), (0, 0.1), (0, 0.3))
    assert not segment(segmenter).mask.any()


@pytest.mark.parametrize(
    ("prompt", "rungs"),
    [
        (Prompt(1, 0, box=FULL.box), [(True, 0, 0)]),
        (Prompt(1, 0, points=FULL.points), [(False, 1, 0)]),
        (
            Prompt(1, 0, points=FULL.points, negative_points=FULL.negative_points),
            [(False, 1, 1), (False, 1, 0)],
        ),
        (Prompt(1, 0, box=FULL.box, points=FULL.points), [(True, 1, 0), (True, 0, 0)]),
        (
            Prompt(1, 0, box=FULL.box, negative_points=FULL.negative_points),
            [(True, 0, 1), (True, 0, 0)],
        ),
    ],
)
def test_the_ladder_leaves_out_only_what_is_there(
    segmenter: Sam2Segmenter,
    monkeypatch: pytest.MonkeyPatch,
    prompt: Prompt,
    rungs: list[tuple[bool, int, int]],
) -> None:
    answers = Answers(monkeypatch, *[(0, 0.0)] * len(rungs))
    segment(segmenter, prompt)
    assert answers.tried == rungs


def test_the_multimask_switch(toy_modules: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, asked = toy_modules.sam_mask_decoder.forward, []

    def forward(**arguments: Any) -> Any:
        asked.append(arguments["multimask_output"])
        answers = decoder(**arguments)
        assert answers[0].shape[1] == (3 if asked[-1] else 1)
        return answers

    monkeypatch.setattr(toy_modules.sam_mask_decoder, "forward", forward)
    for multimask in (True, False):
        segment(
            Sam2Segmenter(
                model="toy", random_weights=True, device="cpu", multimask=multimask, low_score=0.0
            ),
            Prompt(1, 0, box=FULL.box),
        )
    assert asked == [True, False]


def test_each_object_has_its_own_negative_points(
    segmenter: Sam2Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(monkeypatch, (5, 0.9), (5, 0.9))
    clip = passing_squares()
    first = Prompt(1, 0, box=clip.box(1, 0), negative_points=(Point(1, 1), Point(2, 2)))
    second = Prompt(2, 0, box=clip.box(2, 0))
    segmenter.segment(clip.video, [first, second])
    assert answers.tried == [(True, 0, 2), (True, 0, 0)]


def test_shared_pixels_go_to_the_higher_logit_unless_boxes_overlap(
    segmenter: Sam2Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = moving_square()

    def decode(_: object, prompt: Prompt, size: Any, *, multimask: bool) -> _Attempt:
        logits = np.full(size, -1.0, np.float32)
        logits[:, 10:30] = prompt.object_id
        return _Attempt(logits, 0.9)

    monkeypatch.setattr(_FrameDecoder, "decode", decode)
    left, right = Box(0, 0, 10, 10), Box(20, 20, 30, 30)
    apart = [Prompt(1, 0, box=left), Prompt(2, 0, box=right)]
    one, two = segmenter.segment(clip.video, apart)
    assert not one.mask.any()
    assert two.mask[:, 10:30].all()
    nested = [Prompt(1, 0, box=Box(0, 0, 40, 40)), Prompt(2, 0, box=right)]
    one, two = segmenter.segment(clip.video, nested)
    assert one.mask[:, 10:30].all()
    assert two.mask[:, 10:30].all()
    clicks = [Prompt(1, 0, points=(Point(12, 9),)), Prompt(2, 0, points=(Point(25, 9),))]
    one, two = segmenter.segment(clip.video, clicks)
    assert not one.mask.any(), "clicks on two things mean two things"
    inside = [Prompt(1, 0, box=Box(0, 0, 40, 40)), clicks[1]]
    one, two = segmenter.segment(clip.video, inside)
    assert one.mask[:, 10:30].all(), "a click in a box may mean a part of it"


def test_a_given_mask_comes_back(segmenter: Sam2Segmenter) -> None:
    clip = moving_square()
    [answer] = segmenter.segment(clip.video, [clip.prompt(1, 2)])
    assert np.array_equal(answer.mask, clip.masks[1][2])
    assert answer.score == 1.0


@pytest.mark.parametrize(
    ("prompt", "error", "message"),
    [
        (Prompt(1, 0, box=Box(70, 50, 80, 60)), vs.ConfigError, "outside the 64x48 frame"),
        (Prompt(1, 0, points=(Point(-1, 3),)), vs.ConfigError, "outside the 64x48 frame"),
        (Prompt(1, 0, mask=Rle.empty((48, 64))), vs.ConfigError, "empty mask"),
        (Prompt(1, 0, mask=Rle.empty((9, 9))), ShapeError, r"got \(9, 9\)"),
        (
            Prompt(1, 0, embedding=Embedding("o3", (1.0,))),
            IncompatibleStagesError,
            "only an embedding",
        ),
        (Prompt(1, 99, box=FULL.box), vs.VideoError, "99"),
    ],
)
def test_prompts_that_cannot_be_used(
    segmenter: Sam2Segmenter, prompt: Prompt, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        segment(segmenter, prompt)


def test_running_out_of_memory_says_what_to_do(
    segmenter: Sam2Segmenter, toy_modules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(toy_modules, "forward_image", fail)
    with pytest.raises(vs.VideosegError, match="ran out on frame 0; use precision='bfloat16'"):
        segment(segmenter)


def test_low_score_must_be_a_share() -> None:
    with pytest.raises(
        vs.ConfigError, match=r"'low_score' .* must be a number from 0 to 1, got 2"
    ):
        Sam2Segmenter(model="toy", random_weights=True, low_score=2.0)
