from __future__ import annotations

import json

import pytest
import torch
from videoseg_tiny import Demonstrator, Teacher
from videoseg_tiny.footage import Footage
from videoseg_tiny.imitation import ImitationSettings
from videoseg_tiny.perception import PerceptionSettings
from videoseg_tiny.plugin import videoseg_o3_tiny, videoseg_r1_tiny
from videoseg_tiny.scoring import build_pipeline, score_pipeline, summarize
from videoseg_tiny.train import train


@pytest.fixture(scope="module")
def samples(processor, clips):
    import numpy as np

    demonstrator = Demonstrator(processor, np.random.default_rng(0))
    return [
        (clip, one)
        for clip in clips
        for question in clip.questions[:3]
        for strategy in ("ground", "r1", "o3")
        for one in demonstrator.demonstrate(clip, question, strategy)
    ]


def settings(steps):
    return ImitationSettings(
        "imitation", steps=steps, num_ground=2, num_times=2, num_episodes=1, evaluate_every=1000
    )


def run(folder, processor, samples, *, steps=3):
    return train(
        folder,
        processor,
        samples,
        samples[:2],
        perception=PerceptionSettings(steps=2, batch=4),
        stages=[settings(steps)],
    )


def test_it_is_reproducible_and_writes_a_model(processor, samples, tmp_path):
    first = run(tmp_path / "first", processor, samples)
    second = run(tmp_path / "second", processor, samples)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
    lines = (tmp_path / "first" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["stage"] for line in lines] == ["perception", "imitation"]
    size = sum(file.stat().st_size for file in (tmp_path / "first" / "model").iterdir())
    assert size < 8e6


def test_an_interrupted_run_ends_as_one_that_was_not(processor, samples, tmp_path, monkeypatch):
    whole = run(tmp_path / "whole", processor, samples)
    monkeypatch.setattr("videoseg_tiny.imitation._KEEP_EVERY", 1)
    real = torch.nn.utils.clip_grad_norm_
    calls = []

    def interrupted(*args, **options):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", processor, samples)
    again = run(tmp_path / "parts", processor, samples)
    assert len(calls) == 6, "the first four steps must not be done again"
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("make", [videoseg_r1_tiny, videoseg_o3_tiny])
def test_the_teacher_itself_scores_high_in_the_real_pipelines(make, clips):
    teacher = Teacher()
    pipeline = build_pipeline(make(), chat=teacher)
    facts = clips[0]
    rows = []

    def ask(video, text):
        question = next(one for one in facts.questions if one.text == text)
        teacher.begin(facts, Footage(facts.size, 16, 16, 12.0), question)
        return pipeline(video, text)

    rows = list(score_pipeline(ask, range(facts.seed, facts.seed + 1)))
    assert len(rows) == len(facts.questions)
    assert summarize(rows)["jf"] > 0.85
