"""From the question to the masks with the [SEG] model itself, whose words are given."""

from __future__ import annotations

import json

import pytest
from torchvision_builds import declare_missing_operators

declare_missing_operators()

from tiny_seg_model import save_tiny_seg_model  # noqa: E402

import videoseg as vs  # noqa: E402
from videoseg.testing import moving_square  # noqa: E402

THINK = "<think>Step 1: {step}.</think>"
SPAN = '<VTG>{{"start": {start}, "end": {end}, "keyframe": {keyframe}}}</VTG>'
SEG = "<RefSeg>[SEG]</RefSeg>"
LOOK = f"{THINK}<select>{SPAN} {SEG}</select>"
ANSWER = f"{THINK}<answer>{SPAN}, {SEG}</answer>"
WORDS = (
    LOOK.format(step="early", start=2, end=9, keyframe=6),
    LOOK.format(step="closer", start=4, end=8, keyframe=6),
    ANSWER.format(step="found", start=2, end=9, keyframe=3),
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return str(save_tiny_seg_model(tmp_path_factory.mktemp("seg"), max_positions=16_384))


@pytest.fixture
def pipe(checkpoint, monkeypatch):
    """Return a pipeline of tiny parts; everything is computed, only the words are given."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint)
    words = iter(WORDS)
    coming: list[int] = []

    def choose(logits, *_):
        if not coming:
            coming.extend(tokenizer(next(words) + "<|im_end|>").input_ids)
        return logits.new_tensor([coming.pop(0)]).long()

    monkeypatch.setattr("videoseg_o3.model.generation.choose_tokens", choose)
    with vs.Pipeline(
        vs.use("coarse", num_context=5, num_detail=2, num_look=3),
        vs.use("o3", answer="seg"),
        vs.use("o3", model=checkpoint, device="cpu"),
        chat=vs.use("o3", model=checkpoint, device="cpu"),
        max_turns=3,
    ) as made:
        yield made


def test_an_episode_ends_in_masks_and_encodes_each_frame_once_at_each_size(pipe, tmp_path):
    clip = moving_square(12, size=(240, 320))
    record = tmp_path / "exchanges.jsonl"
    result = pipe.recording(record)(clip.video, "the square")
    turns = result.trace.turns
    assert [turn.action for turn in turns] == ["look", "look", "answer"]
    assert result.grounding.keyframe == 6, "as released: the frame that was selected last"
    [prompt] = result.grounding.prompts
    assert len(prompt.embedding.values) > 1
    assert len(result.tracks) == 1
    details = [
        json.loads(line)["replies"][0]["details"] for line in record.read_text().splitlines()
    ]
    shown = {
        (frame, group.max_pixels)
        for turn in turns
        for group in turn.selection.groups
        for frame in group.indices
    }
    assert sum(one["encoded_images"] for one in details) == len(shown)
    # Each later turn computes what was added; its history is in the cache.
    assert details[2]["computed_tokens"] < details[0]["computed_tokens"]
