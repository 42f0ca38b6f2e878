"""Every turn's ``[SEG]`` in training: which mask it belongs to, and the mask's logits.

A training step aligns the tokens of whole conversations with the masks of their turns, runs the
language model once, and decodes all masks at once, with gradients:

    alignment = align_seg_tokens([conversation.tokens], [turns], seg_token=model.seg_token)
    hidden = hidden_states(model.vlm, conversation)[None]
    features = model.encode_images(model.image_input(frames))
    logits = turn_mask_logits(model, hidden, alignment, features, shown)

``alignment.rows`` and ``.positions`` say where in the tokens each ``[SEG]`` stands, so that what
its mask adds to its log-probability is added there; ``token_logits(model.vlm, hidden)`` are the
logits of the tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from videoseg import ConfigError, VideosegError
from videoseg_o3.model.network import FrameFeatures, SegModel

__all__ = [
    "AlignmentError",
    "SegAlignment",
    "SegToken",
    "TurnSpan",
    "align_seg_tokens",
    "find_turns",
    "turn_mask_logits",
]


class AlignmentError(VideosegError):
    """``[SEG]`` tokens and masks that do not belong to each other."""


@dataclass(frozen=True, slots=True)
class TurnSpan:
    """The tokens of one answer of the model in a conversation.

    Args:
        start: Index of its first token.
        stop: Index after its last.
        num_masks: How many masks were made in this turn; None if it is not known.
    """

    start: int
    stop: int
    num_masks: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.stop or (self.num_masks or 0) < 0:
            raise ConfigError(
                f"a turn needs 0 <= start <= stop and num_masks >= 0, got {self.start}, "
                f"{self.stop} and {self.num_masks}"
            )


@dataclass(frozen=True, slots=True)
class SegToken:
    """Where one ``[SEG]`` stands.

    Args:
        row: Which conversation of the batch.
        position: Index of the token; the hidden state there is the mask's, the state before it
            predicts the token.
        turn: In which answer, counted from 0.
        mask: Which mask of this turn it is, counted from 0; None if the turn has fewer masks.
    """

    row: int
    position: int
    turn: int
    mask: int | None


@dataclass(frozen=True, slots=True)
class SegAlignment:
    """All ``[SEG]`` of a batch of conversations, in the order of rows and positions.

    Args:
        tokens: The tokens.
        problems: Turns whose masks are not as many as their tokens, in words.
    """

    tokens: tuple[SegToken, ...]
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def rows(self) -> Tensor:
        """The conversation of each, shape (n,), dtype int64."""
        return torch.tensor([token.row for token in self.tokens], dtype=torch.int64)

    @property
    def positions(self) -> Tensor:
        """The index of each, shape (n,), dtype int64."""
        return torch.tensor([token.position for token in self.tokens], dtype=torch.int64)

    def with_masks(self) -> SegAlignment:
        """Return only those that have a mask."""
        return SegAlignment(
            tuple(token for token in self.tokens if token.mask is not None), self.problems
        )


def align_seg_tokens(
    token_ids: Tensor | Sequence[Sequence[int]],
    turns: Sequence[Sequence[TurnSpan]],
    *,
    seg_token: int,
    strict: bool = True,
) -> SegAlignment:
    """Find every ``[SEG]`` that the model said, and the mask it belongs to.

    The i-th ``[SEG]`` of a turn belongs to the turn's i-th mask. A ``[SEG]`` outside of the turns,
    as in a query, is none.

    Args:
        token_ids: Tokens of b conversations, shape (b, T), or b sequences.
        turns: The answers of each conversation, in order.
        seg_token: The id of ``[SEG]``.
        strict: Whether a turn that has more or fewer masks than tokens is an error. If not, it
            stands in ``problems``, and tokens without a mask have ``mask=None``.

    Raises:
        AlignmentError: If counts differ and ``strict``, or if a turn lies outside of the tokens
            or over the one before.
    """
    rows = token_ids.tolist() if isinstance(token_ids, Tensor) else [list(r) for r in token_ids]
    if len(rows) != len(turns):
        raise AlignmentError(
            f"there are {len(rows)} conversations and the turns of {len(turns)}; give one "
            "sequence of turns for each conversation"
        )
    tokens: list[SegToken] = []
    problems: list[str] = []
    for row, (ids, spans) in enumerate(zip(rows, turns, strict=True)):
        _check_spans(row, len(ids), spans)
        for number, span in enumerate(spans):
            found = [at for at in range(span.start, span.stop) if ids[at] == seg_token]
            known = len(found) if span.num_masks is None else span.num_masks
            if known != len(found):
                problems.append(
                    f"turn {number} of conversation {row} has {len(found)} [SEG] and {known} masks"
                )
            tokens.extend(
                SegToken(row, at, number, index if index < known else None)
                for index, at in enumerate(found)
            )
    if problems and strict:
        raise AlignmentError(
            f"{'; '.join(problems[:5])}; leave such conversations out, or align with strict=False "
            "and use with_masks()"
        )
    return SegAlignment(tuple(tokens), tuple(problems))


def find_turns(token_ids: Sequence[int], tokenizer: Any) -> list[TurnSpan]:
    """Return the answers in a conversation that was made with the model's chat template.

    Args:
        token_ids: The conversation's tokens.
        tokenizer: The model's.

    Returns:
        A span for each answer, from its first token to its ``<|im_end|>``, which belongs to it;
        an answer that was cut short goes to the end.
    """
    ids = list(token_ids)
    head = [
        tokenizer.convert_tokens_to_ids("<|im_start|>"),
        *tokenizer.encode("assistant\n", add_special_tokens=False),
    ]
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    spans = []
    for at in range(len(ids) - len(head) + 1):
        if ids[at : at + len(head)] == head:
            start = at + len(head)
            stop = next((i + 1 for i in range(start, len(ids)) if ids[i] == end), len(ids))
            spans.append(TurnSpan(start, stop))
    return spans


def turn_mask_logits(
    model: SegModel,
    hidden: Tensor,
    alignment: SegAlignment,
    features: FrameFeatures,
    shown: Sequence[Sequence[int]],
    *,
    batch_size: int = 32,
) -> list[Tensor]:
    """Decode the mask of every ``[SEG]`` on the frames that it is trained on.

    Args:
        model: The model.
        hidden: States of the last layer before its norm, shape (b, T, d); see ``hidden_states``.
        alignment: See ``align_seg_tokens``.
        features: Of all frames of the batch; each is encoded once, however often it is used.
        shown: For each token of the alignment, on which of these frames its mask is decoded:
            those of the overview, the keyframe that was pending in its turn, or both.
        batch_size: How many masks are decoded at once.

    Returns:
        For each token the logits, shape (number of its frames, S / 4, S / 4), dtype float32. A
        gradient goes back to ``hidden``, the projector and SAM 2's decoder and prompt encoder.

    Raises:
        AlignmentError: If there are not as many ``shown`` as tokens, or a frame does not exist.
    """
    _check_shown(alignment, features, shown)
    if not alignment.tokens:
        return []
    device = hidden.device
    vectors = model.project(hidden[alignment.rows.to(device), alignment.positions.to(device)])
    counts = [len(frames) for frames in shown]
    frames = torch.tensor([frame for some in shown for frame in some], dtype=torch.int64)
    owners = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    side = model.image_size // 4
    parts = [
        model.mask_logits(
            features.select(frames[part].to(device)), vectors[owners[part].to(device)]
        )
        for part in _slices(len(owners), batch_size)
    ]
    logits = torch.cat(parts) if parts else hidden.new_zeros((0, side, side), dtype=torch.float32)
    return list(torch.split(logits, counts))


def _slices(length: int, size: int) -> Iterator[slice]:
    if size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {size}")
    return (slice(start, start + size) for start in range(0, length, size))


def _check_spans(row: int, length: int, spans: Sequence[TurnSpan]) -> None:
    before = 0
    for number, span in enumerate(spans):
        if span.start < before or span.stop > length:
            raise AlignmentError(
                f"turn {number} of conversation {row} is tokens {span.start} to {span.stop}; it "
                f"must begin at {before} or later and end within the {length} tokens"
            )
        before = span.stop


def _check_shown(
    alignment: SegAlignment, features: FrameFeatures, shown: Sequence[Sequence[int]]
) -> None:
    if len(shown) != len(alignment):
        raise AlignmentError(
            f"{len(alignment)} [SEG] are aligned, but frames are given for {len(shown)}"
        )
    for number, frames in enumerate(shown):
        wrong = [frame for frame in frames if not 0 <= frame < len(features)]
        if wrong:
            raise AlignmentError(
                f"[SEG] {number} is to be decoded on frame {wrong[0]}; there are features of "
                f"{len(features)} frames"
            )
