"""The training of the tiny [SEG] model, on a few clips and for a few steps."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from videoseg_o3 import SegOptions, load_seg_model, parse_turn
from videoseg_synthetic import make_clip
from videoseg_tiny.clips import clip_options
from videoseg_tiny.seg_clips import draw_seg_clip, prepare_seg_clips
from videoseg_tiny.seg_demonstrations import make_seg_demonstrations
from videoseg_tiny.seg_imitation import SegImitationSettings
from videoseg_tiny.seg_model import TAGS, new_tiny_seg_model
from videoseg_tiny.segmentation import (
    Prompter,
    SegmentationSettings,
    mask_loss,
    new_sam2,
    prompting,
    true_masks,
)
from videoseg_tiny.train_seg import train_seg

from videoseg import ConfigError, Window

SEEDS = range(50_000_000, 50_000_003)


@pytest.fixture(scope="module")
def seg_clips():
    return [draw_seg_clip(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def seg_model(untrained, tmp_path_factory):
    return new_tiny_seg_model(untrained, new_sam2(), tmp_path_factory.mktemp("seg"))


@pytest.fixture(scope="module")
def shown(seg_model, seg_clips):
    return list(make_seg_demonstrations(seg_model.processor, seg_clips, seed=0))


def run(folder, clips, untrained, *, stop=None):
    return train_seg(
        folder,
        clips,
        clips[:1],
        language_model=str(untrained),
        segmentation=SegmentationSettings(steps=3, batch=3),
        imitation=SegImitationSettings(steps=4, batch=2),
        stop=stop,
    )


def weights(model):
    return [*model.parameters()]


def test_masks_and_pictures_are_of_the_same_frames(seg_clips):
    for clip, seed in zip(seg_clips, SEEDS, strict=True):
        drawn = make_clip(**clip_options(seed))
        assert clip.pictures.shape == (16, 96, 96, 3)
        for index, object_id in enumerate(drawn.object_ids):
            share = (drawn.labels == object_id).mean((1, 2))
            np.testing.assert_allclose((clip.labels == index + 1).mean((1, 2)), share, atol=0.02)


def test_clips_are_drawn_once(tmp_path, monkeypatch):
    first = prepare_seg_clips(tmp_path, SEEDS.start, 2)
    monkeypatch.setattr("videoseg_tiny.seg_clips.draw_seg_clip", None)
    for one, other in zip(first, prepare_seg_clips(tmp_path, SEEDS.start, 2), strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.facts.frames, other.facts.frames)


def test_every_turn_has_a_seg_and_frames_that_the_grounder_reads(shown, seg_model):
    tokenizer = seg_model.processor.tokenizer
    for _, one in shown:
        assert tokenizer.unk_token_id not in one.tokens
        [ends] = np.nonzero(np.diff(one.own.astype(int)))
        said = [tokenizer.decode(part) for part in np.split(one.tokens, ends + 1)[1::2]]
        turns = [parse_turn(text, whole=Window(0, 102)) for text in said]
        assert not any(turn.warnings for turn in turns), said
        if one.objects:
            assert [turn.kind for turn in turns] == ["select", "answer"]
            assert all(text.count("[SEG]") == 1 for text in said)
        else:
            assert [turn.kind for turn in turns] == ["answer"]
            assert "[SEG]" not in said[0]


def test_the_color_is_said_of_objects_that_are_asked_for_by_place(shown, seg_model):
    tokenizer = seg_model.processor.tokenizer
    places = [(clip, one) for clip, one in shown if one.kind.startswith("place")]
    assert places
    for clip, one in places:
        said = tokenizer.decode(one.tokens[one.own])
        assert f"where: {clip.facts.colors[one.objects[0]]} " in said


def test_tags_are_single_tokens_that_keep_their_capitals(seg_model):
    tokenizer = seg_model.processor.tokenizer
    for tag in (*TAGS, "[SEG]"):
        [token] = tokenizer(tag).input_ids
        assert tokenizer.decode([token]) == tag


def test_the_loss_of_masks_is_lowest_for_the_truth():
    labels = np.zeros((96, 96), np.uint8)
    labels[24:48, 32:64] = 2
    truth = true_masks([labels], [2])
    small = torch.nn.functional.avg_pool2d(truth[None], 2)
    right = (small - 0.5) * 40
    losses, ious = mask_loss(torch.cat([right, -right, right - 40], 1), truth)
    assert losses.argmin() == 0
    assert ious[0, 0] == 1
    assert ious[0, 1] == ious[0, 2] == 0
    _, empty = mask_loss(right - 40, torch.zeros_like(truth))
    assert empty == 1


def test_each_object_has_its_own_prompt():
    sam2 = new_sam2()
    prompter = Prompter(sam2.hidden_dim)
    facts = torch.tensor([[1.0, 0, 0.1, 0.1, 0.2, 0.2], [2.0, 0, -1, -1, -1, -1]])
    features = torch.randn(1, 48, 6, 6).expand(2, -1, -1, -1)
    fine = [torch.randn(1, 6, 24, 24).expand(2, -1, -1, -1), torch.randn(1, 12, 12, 12)]
    fine[1] = fine[1].expand(2, -1, -1, -1)
    with torch.no_grad(), prompting(sam2, prompter(facts)):
        both = sam2._forward_sam_heads(features, None, None, fine, multimask_output=True)[0]
    with torch.no_grad(), prompting(sam2, prompter(facts[1:])):
        fine = [one[:1] for one in fine]
        alone = sam2._forward_sam_heads(features[:1], None, None, fine, multimask_output=True)[0]
    assert not torch.allclose(both[0], both[1])
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=1e-4)


def test_it_is_reproducible_and_writes_a_model_that_loads(seg_clips, untrained, tmp_path):
    first = run(tmp_path / "first", seg_clips, untrained)
    second = run(tmp_path / "second", seg_clips, untrained)
    assert all(map(torch.equal, weights(first), weights(second)))
    lines = (tmp_path / "first" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["stage"] for line in lines] == ["segmentation", "seg-imitation"]
    folder = str(tmp_path / "first" / "model")
    loaded = load_seg_model(SegOptions(folder, dtype="float32", device="cpu"))
    for one, other in zip(weights(first), weights(loaded), strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=2e-3)


def test_an_early_start_is_the_same_run_stopped(seg_clips, untrained, tmp_path):
    run(tmp_path / "early", seg_clips, untrained, stop=2)
    resumed = run(tmp_path / "early", seg_clips, untrained)
    whole = run(tmp_path / "whole", seg_clips, untrained)
    assert all(map(torch.equal, weights(resumed), weights(whole)))
    model = tmp_path / "early" / "model" / "model.safetensors"
    before = model.stat().st_mtime_ns
    with pytest.raises(ConfigError, match="trained for 4 steps already, which is more than the 2"):
        run(tmp_path / "early", seg_clips, untrained, stop=2)
    assert model.stat().st_mtime_ns == before
