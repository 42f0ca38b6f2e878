from __future__ import annotations

import numpy as np
import pytest
from scripted_chat import ScriptedChat, knowing
from videoseg_r1 import HierarchicalSampler, ReasoningGrounder
from videoseg_synthetic import make_clip

import videoseg as vs
from videoseg.metrics import boundary_f, region_j


def pipeline(chat: ScriptedChat) -> vs.Pipeline:
    return vs.Pipeline(
        HierarchicalSampler(chat=chat, num_spans=2, num_positions=2),
        ReasoningGrounder(chat=chat),
        "flow",
        segmenter="cut",
        max_turns=1,
    )


def test_with_right_answers_the_masks_are_right():
    scores = []
    for seed, difficulty in ((0, "appearance"), (1, "motion"), (3, "time"), (2, "motion")):
        clip = make_clip(seed=seed, difficulty=difficulty, num_frames=32)
        query = next(query for query in clip.queries if query.object_ids)
        result = pipeline(knowing(clip, query))(clip.video, query.text)
        predicted = np.stack([result.mask(frame) for frame in range(clip.num_frames)])
        true = clip.answer_masks(query)
        scores.append((region_j(predicted, true).mean() + boundary_f(predicted, true).mean()) / 2)
    assert np.mean(scores) >= 0.9, scores


def test_what_is_not_there_has_no_masks():
    clip = make_clip(seed=1, difficulty="absent", num_frames=16)
    query = next(query for query in clip.queries if not query.object_ids)
    result = pipeline(knowing(clip, query))(clip.video, query.text)
    assert not result.found


def test_the_result_keeps_every_question_and_answer(tmp_path):
    clip = make_clip(seed=1, difficulty="motion", num_frames=24)
    query = next(query for query in clip.queries if query.object_ids)
    result = pipeline(knowing(clip, query))(clip.video, query.text)
    result.save(tmp_path / "out", parts=())
    [turn] = vs.Segmentation.load(tmp_path / "out").trace.turns
    assert turn.selection.details["rounds"][0]["replies"]
    assert turn.selection.details["position"]["replies"]
    assert turn.thought.details["attempts"][0]["raw"].startswith("<think>")
    assert turn.thought.details["coordinate_space"] == "per_mille"


def test_the_same_seed_gives_the_same_result():
    clip = make_clip(seed=1, difficulty="motion", num_frames=16)
    query = next(query for query in clip.queries if query.object_ids)
    first, second = (
        pipeline(knowing(clip, query))(clip.video, query.text, seed=3) for _ in range(2)
    )
    assert first.tracks == second.tracks
    assert first.grounding == second.grounding


@pytest.mark.parametrize("name", ["videoseg-r1", "videoseg-r1-3b", "videoseg-r1-remote"])
def test_the_pipelines_are_complete_and_say_what_they_need(name):
    explanation = vs.Pipeline.from_name(name).explain()
    assert "htfs" in str(explanation)
    assert "xmem" in str(explanation)


def test_any_sampler_serves_the_grounder():
    clip = make_clip(seed=1, difficulty="appearance", num_frames=16)
    query = next(query for query in clip.queries if query.object_ids)
    for sampler in ("uniform", "first", "motion"):
        pipe = pipeline(knowing(clip, query)).replace(sampler=sampler)
        assert pipe(clip.video, query.text).found
