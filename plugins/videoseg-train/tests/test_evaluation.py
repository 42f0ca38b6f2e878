"""Evaluations: what an answer on a held-out sample is worth, with masks and without."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from training_toys import FewFrames, toy_sample
from videoseg_o3 import O3Grounder, O3Propagator
from videoseg_train import Stages, evaluate_policy, save_policy, training_config
from videoseg_train.building import build_pipeline

import videoseg as vs
from videoseg.types import Box, Grounding, Prompt, Thought


class Says:
    """A grounder that answers without asking."""

    def __init__(self, box, *, fails=False):
        self._box, self._fails = box, fails

    def step(self, episode):
        if self._fails:
            raise vs.errors.GroundingParseError("no answer", raw_text="?")
        if self._box is None:
            return Grounding(None, (), Thought("nothing"))
        keyframe = episode.selection.indices[0]
        return Grounding(keyframe, (Prompt(1, keyframe, box=self._box),), Thought("there"))


class NeverAsked:
    def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=9, seed=0):
        raise AssertionError("it was asked")


def box_of(sample, frame):
    rows, columns = sample.mask(frame).nonzero()
    return Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def evaluate(policy, sample, box, *, pipeline=None, **options):
    stages = Stages(FewFrames(), Says(box, **options))
    return evaluate_policy(policy, stages, [sample], pipeline=pipeline, shown=1)


def test_the_true_box_is_worth_all_and_another_nothing(load_policy):
    policy, sample = load_policy(), toy_sample(0)
    right = evaluate(policy, sample, box_of(sample, 0))
    assert right.metrics["keyframe_iou"] == 1
    assert right.metrics["keyframe_shows"] == 1
    assert right.episodes[0].picture.startswith("data:image/png;base64,")
    whole = evaluate(policy, sample, Box(0, 0, 64, 48)).metrics["keyframe_iou"]
    true = box_of(sample, 0)
    assert whole == pytest.approx(true.area / (48 * 64))
    assert evaluate(policy, sample, None).metrics["keyframe_iou"] == 0
    failed = evaluate(policy, sample, None, fails=True)
    assert (failed.metrics["failed"], failed.metrics["keyframe_iou"]) == (1, 0)
    assert "no answer" in failed.episodes[0].error


def test_nothing_is_right_where_nothing_is(load_policy):
    from dataclasses import replace

    policy, sample = load_policy(), replace(toy_sample(0), truth={})
    right = evaluate(policy, sample, None).metrics
    assert (right["no_target_accuracy"], right["keyframe_iou"]) == (1, 1)
    for answer in (
        evaluate(policy, sample, Box(0, 0, 9, 9)),
        evaluate(policy, sample, None, fails=True),
    ):
        assert answer.metrics["no_target_accuracy"] == 0


def test_masks_of_the_whole_video_are_scored_with_a_propagator(load_policy):
    class Boxes:
        """Answers each prompt with its box as a mask."""

        def segment(self, video, prompts):
            import numpy as np

            from videoseg.types import ObjectMask

            found = []
            for prompt in prompts:
                mask = np.zeros(video.size, dtype=bool)
                x1, y1, x2, y2 = (int(value) for value in prompt.box.as_tuple())
                mask[y1:y2, x1:x2] = True
                found.append(ObjectMask(mask, 1.0))
            return found

    policy, sample = load_policy(), toy_sample(0)
    pipeline = vs.Pipeline("uniform", Says(None), "flow", segmenter=Boxes())
    right = evaluate(policy, sample, box_of(sample, 0), pipeline=pipeline).metrics
    wrong = evaluate(policy, sample, Box(0, 0, 3, 3), pipeline=pipeline).metrics
    assert right["j_and_f"] > 0.7 > 0.4 > wrong["j_and_f"]
    failed = evaluate(policy, sample, None, fails=True, pipeline=pipeline)
    assert failed.metrics["j_and_f"] == 0


def test_masks_are_made_by_the_sam2_that_is_being_trained(load_policy, seg_folder, tmp_path):
    policy, sample = load_policy("seg"), toy_sample(0)
    config = training_config(
        {
            "model": {"path": str(seg_folder), "kind": "seg", "device": "cpu"},
            "stages": {
                "sampler": "uniform",
                "grounder": "o3",
                "propagator": {"name": "o3", "options": {"model": "not on this machine"}},
            },
            "sft": {"steps": 1},
        },
        "sft",
    )
    with torch.no_grad():
        for value in policy.seg_model.sam2.sam_mask_decoder.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=torch.Generator().manual_seed(0)))
    [embedding] = policy.seg_model.embed(torch.ones(1, policy.vlm.lm_head.in_features))
    grounding = Grounding(3, (Prompt(1, 3, embedding=embedding),), Thought("there"))

    def masks(propagator):
        pipeline = vs.Pipeline("uniform", Says(None), propagator)
        [track] = pipeline.propagate(sample.video, grounding, seed=0).tracks
        return [track.mask(frame) for frame in range(len(sample.video))]

    policy.seg_model.train()
    own = build_pipeline(config, policy).propagate(sample.video, grounding, seed=0)
    found = [own.tracks[0].mask(frame) for frame in range(len(sample.video))]
    folder = save_policy(policy, tmp_path / "model")
    same = masks(O3Propagator(model=str(folder), device="cpu"))
    other = masks(O3Propagator(model=str(seg_folder), device="cpu"))
    assert all((one == two).all() for one, two in zip(found, same, strict=True))
    assert any((one != two).any() for one, two in zip(found, other, strict=True))


@pytest.mark.parametrize("answer", ["seg", "text"])
def test_a_propagator_that_does_not_take_the_answers_of_the_grounder_is_refused(answer):
    stages = {"grounder": {"name": "o3", "options": {"answer": answer}}, "propagator": "flow"}
    settings = {"model": {"path": "nowhere"}, "stages": {"sampler": "uniform", **stages}}
    settings["stages"]["segmenter"] = "cut"
    named = training_config({**settings, "sft": {"steps": 1}}, "sft")
    instance = O3Grounder(chat=NeverAsked(), answer=answer)
    for config in (named, replace(named, stages=Stages("uniform", instance))):
        if answer == "text":
            assert build_pipeline(config) is not None
        else:
            with pytest.raises(vs.errors.IncompatibleStagesError, match="answers with embeddings"):
                build_pipeline(config)
