"""Which mask each ``[SEG]`` of a conversation belongs to, and all masks of a batch at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_seg_model import save_tiny_seg_model
from torchvision_builds import declare_missing_operators
from videoseg_o3.model.checkpoint import SegOptions, load_seg_model
from videoseg_o3.model.network import SegModel
from videoseg_o3.model.states import record_states, token_logits
from videoseg_o3.model.turns import (
    AlignmentError,
    SegToken,
    TurnSpan,
    align_seg_tokens,
    find_turns,
    turn_mask_logits,
)

from videoseg import ConfigError
from videoseg.testing import moving_square

SEG = 9


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SegModel:
    declare_missing_operators()
    folder = save_tiny_seg_model(tmp_path_factory.mktemp("model"), num_shards=1)
    return load_seg_model(SegOptions(str(folder), device="cpu"))


def states_of(model: SegModel, inputs: Any) -> torch.Tensor:
    """Return the last states of whole conversations, shape (b, T, d), with gradient."""
    with record_states(model.vlm) as states:
        model.vlm.model(**inputs, use_cache=False)
    return states[-1]


def test_tokens_belong_to_the_masks_of_their_turn_in_order() -> None:
    ids = [[SEG, 1, SEG, 2, 3, SEG, SEG, 4], [0, 0, 0, SEG, 1, 1, 1, 1]]
    turns = [[TurnSpan(1, 4, 1), TurnSpan(5, 8, 2)], [TurnSpan(2, 5), TurnSpan(5, 8, 0)]]
    for given in (ids, torch.tensor(ids)):
        alignment = align_seg_tokens(given, turns, seg_token=SEG)
        # The first one stands in the query.
        assert alignment.tokens == (
            SegToken(0, 2, 0, 0),
            SegToken(0, 5, 1, 0),
            SegToken(0, 6, 1, 1),
            SegToken(1, 3, 0, 0),
        )
        assert alignment.rows.tolist() == [0, 0, 0, 1]
        assert alignment.positions.tolist() == [2, 5, 6, 3]
        assert not alignment.problems


def test_other_counts_are_an_error_or_are_reported() -> None:
    ids = [[SEG, SEG, 0, 1, 1, 0, SEG]]
    turns = [[TurnSpan(0, 2, 1), TurnSpan(3, 5, 1), TurnSpan(6, 7, 1)]]
    with pytest.raises(AlignmentError, match=r"turn 0 of conversation 0 has 2 \[SEG\] and 1 mask"):
        align_seg_tokens(ids, turns, seg_token=SEG)
    alignment = align_seg_tokens(ids, turns, seg_token=SEG, strict=False)
    assert alignment.problems == (
        "turn 0 of conversation 0 has 2 [SEG] and 1 masks",
        "turn 1 of conversation 0 has 0 [SEG] and 1 masks",
    )
    assert [token.mask for token in alignment.tokens] == [0, None, 0]
    assert [token.position for token in alignment.with_masks().tokens] == [0, 6]


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([], "there are 1 conversations and the turns of 0"),
        ([[TurnSpan(0, 4)]], "is tokens 0 to 4; it must begin at 0 or later and end within the 3"),
        ([[TurnSpan(0, 2), TurnSpan(1, 3)]], "is tokens 1 to 3; it must begin at 2 or later"),
    ],
)
def test_turns_outside_of_the_tokens_are_refused(turns: Any, message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        align_seg_tokens([[1, SEG, 2]], turns, seg_token=SEG)


def test_turns_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="start <= stop"):
        TurnSpan(3, 2)


def conversation(model: SegModel, *answers: str) -> str:
    messages = [{"role": "user", "content": "Find [SEG]."}]
    for answer in answers:
        messages.append({"role": "assistant", "content": answer})
        messages.append({"role": "user", "content": "Again."})
    text: str = model.processor.apply_chat_template(messages[:-1], tokenize=False)
    return text


def test_answers_are_found_in_a_conversation(model: SegModel) -> None:
    tokenizer = model.processor.tokenizer
    ids = tokenizer.encode(conversation(model, "a [SEG]", "bc"))
    spans = find_turns(ids, tokenizer)
    texts = [tokenizer.decode(ids[span.start : span.stop]) for span in spans]
    assert texts == ["a [SEG]<|im_end|>", "bc<|im_end|>"]
    # Cut short inside of the last answer.
    cut = ids[: spans[1].start + 1]
    assert find_turns(cut, tokenizer)[1] == TurnSpan(spans[1].start, len(cut))
    (token,) = align_seg_tokens([ids], [spans], seg_token=model.seg_token).tokens
    assert token.turn == 0
    assert ids[token.position] == model.seg_token


def test_all_masks_of_a_batch_are_decoded_at_once(model: SegModel) -> None:
    tokenizer = model.processor.tokenizer
    texts = [conversation(model, "a [SEG] [SEG]", "[SEG] b"), conversation(model, "no", "c [SEG]")]
    tokenizer.padding_side = "left"
    inputs = tokenizer(texts, return_tensors="pt", padding=True)
    ids = inputs["input_ids"]
    turns = [find_turns(row.tolist(), tokenizer) for row in ids]
    alignment = align_seg_tokens(ids, turns, seg_token=model.seg_token)
    assert [(t.row, t.turn, t.mask) for t in alignment.tokens] == [
        (0, 0, 0),
        (0, 0, 1),
        (0, 1, 0),
        (1, 1, 0),
    ]
    clip = moving_square(3)
    frames = model.image_input([clip.video[index] for index in range(3)])
    features = model.encode_images(frames)
    shown = [[0, 1], [2], [], [1, 1, 0]]
    hidden = states_of(model, inputs)
    logits = turn_mask_logits(model, hidden, alignment, features, shown, batch_size=4)
    assert [tuple(one.shape) for one in logits] == [(n, 32, 32) for n in (2, 1, 0, 3)]
    for token, frames_of, found in zip(alignment.tokens, shown, logits, strict=True):
        vectors = model.project(hidden[token.row, token.position][None])
        for frame, mask in zip(frames_of, found, strict=True):
            alone = model.mask_logits(frames[frame][None], vectors)[0]
            torch.testing.assert_close(mask, alone, atol=1e-4, rtol=1e-4)
    assert (
        turn_mask_logits(model, hidden, align_seg_tokens([[1]], [[]], seg_token=SEG), features, [])
        == []
    )
    for wrong, message in (([[0]], "4 .* but frames are given for 1"), ([[3]] * 4, "on frame 3")):
        with pytest.raises(AlignmentError, match=message):
            turn_mask_logits(model, hidden, alignment, features, wrong)
    with pytest.raises(ConfigError, match="batch_size"):
        turn_mask_logits(model, hidden, alignment, features, shown, batch_size=0)


def test_the_last_hidden_state_is_that_of_generation(model: SegModel) -> None:
    inputs = model.processor.tokenizer([conversation(model, "a [SEG]")], return_tensors="pt")
    outputs = model.vlm(**inputs, output_hidden_states=True)
    hidden = states_of(model, inputs)
    norm = model.vlm.model.language_model.norm
    torch.testing.assert_close(norm(hidden), outputs.hidden_states[-1])
    torch.testing.assert_close(token_logits(model.vlm, hidden), outputs.logits)


def test_a_mask_calibrates_the_probability_of_its_token(model: SegModel) -> None:
    """The policy gradient of the paper's calibration: value unchanged, gradient through masks."""
    tokenizer = model.processor.tokenizer
    inputs = tokenizer([conversation(model, "x [SEG] y")], return_tensors="pt")
    ids = inputs["input_ids"]
    turns = [[TurnSpan(s.start, s.stop, 1) for s in find_turns(ids[0].tolist(), tokenizer)]]
    alignment = align_seg_tokens(ids, turns, seg_token=model.seg_token)
    features = model.encode_images(model.image_input([moving_square(1).video[0]]))
    with torch.no_grad():
        sampled = turn_mask_logits(model, states_of(model, inputs), alignment, features, [[0]])[0]
    model.zero_grad()
    hidden = states_of(model, inputs)
    (logits,) = turn_mask_logits(model, hidden, alignment, features, [[0]])
    likelihood = -torch.nn.functional.binary_cross_entropy_with_logits(
        logits, (sampled > sampled.median()).float()
    )
    log_probabilities = token_logits(model.vlm, hidden[:, :-1]).log_softmax(-1)
    chosen = log_probabilities.gather(-1, ids[:, 1:, None])[..., 0]
    # The probability of the token at a position stands one place before it.
    calibrated = chosen.index_put(
        (alignment.rows, alignment.positions - 1), likelihood[None], accumulate=True
    )
    ratio = (calibrated - calibrated.detach()).exp()
    assert torch.equal(ratio, torch.ones_like(ratio))
    ratio[alignment.rows, alignment.positions - 1].sum().backward()
    for part in (model.projector, model.sam2.sam_mask_decoder, model.vlm.model.language_model):
        assert any(p.grad is not None and p.grad.any() for p in part.parameters())
