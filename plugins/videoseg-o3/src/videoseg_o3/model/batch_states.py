"""Hidden states of several conversations in one pass, for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from videoseg import ConfigError
from videoseg_o3.model.backbone import Backbone, Conversation
from videoseg_o3.model.vision_cache import ImageFeatures, encode_images

__all__ = ["BatchStates", "batch_hidden_states"]

# Kinds of attention that take any mask.
_ANY_MASK = ("sdpa", "eager")


@dataclass(frozen=True, slots=True, eq=False)
class BatchStates:
    """The states of the last layer for B conversations.

    Args:
        states: Of all that has been computed, shape (n, d), with gradient.
        places: For each conversation, where the states of its L tokens are, shape (L,), int64.
    """

    states: Tensor
    places: tuple[Tensor, ...]

    def of(self, number: int) -> Tensor:
        """Return the states of one conversation, shape (L, d)."""
        return self.states[self.places[number]]


def batch_hidden_states(
    vlm: Any, conversations: Sequence[Conversation], *, heads: Sequence[int] | None = None
) -> BatchStates:
    """Return the states of the last layer of whole conversations, before the final norm.

    As ``hidden_states`` one by one, but computed together; each distinct image goes through the
    vision encoder once. Gradients flow to all parameters that are trained.

    With ``heads``, conversations that begin alike are put into one row: their common head, and
    behind it the rest of each, which attends to the head and to itself. That takes an attention
    with any mask, ``sdpa`` or ``eager``; with others nothing is shared.

    Args:
        vlm: A ``Qwen3VLForConditionalGeneration`` or ``Qwen2_5_VLForConditionalGeneration``.
        conversations: B conversations.
        heads: How many of its first tokens each may share, such as those of its question; less
            than its length.

    Raises:
        ConfigError: If there is none, a head is too long, or placeholders and images do not fit.
    """
    if not conversations:
        raise ConfigError("hidden states need at least one conversation")
    backbone = Backbone(vlm)
    distinct = {image.digest: image for one in conversations for image in one.images}
    features = dict(zip(distinct, encode_images(vlm, list(distinct.values())), strict=True))
    attention = getattr(vlm.config.get_text_config(), "_attn_implementation", None)
    found = _find_rows(backbone, conversations, heads if attention in _ANY_MASK else None)
    rows = [
        _Row(backbone, [conversations[number] for number in members], head, features)
        for members, head in found
    ]
    length = max(row.length for row in rows)
    arguments = _join([row.arguments for row in rows], length)
    mask = _mask(rows, length)
    if mask is not None:
        mask = mask.to(backbone.device)
        if attention == "eager":
            kind = arguments["inputs_embeds"].dtype
            mask = torch.zeros_like(mask, dtype=kind).masked_fill(~mask, torch.finfo(kind).min)
    states = backbone.run(arguments, mask=mask)
    places: list[Tensor] = [torch.empty(0)] * len(conversations)
    for at, (row, (members, _)) in enumerate(zip(rows, found, strict=True)):
        for member, span in zip(members, row.spans, strict=True):
            places[member] = (torch.from_numpy(span) + at * length).to(states.device)
    return BatchStates(states.flatten(0, 1), tuple(places))


class _Row:
    """Conversations with a common head, one behind the other.

    Args:
        backbone: The language model's parts.
        conversations: The conversations.
        head: How many tokens they begin with in common; 0 for a single one.
        features: Of their images, by digest.

    Attributes:
        arguments: What ``Backbone.run`` takes, for this row alone.
        spans: Where the tokens of each conversation stand in the row.
        segments: Which conversation each token of the row belongs to, from 1 on; 0 in the head.
    """

    def __init__(
        self,
        backbone: Backbone,
        conversations: Sequence[Conversation],
        head: int,
        features: dict[str, ImageFeatures],
    ) -> None:
        first = conversations[0]
        parts, segments = [], [np.zeros(head, np.int64)]
        self.spans = []
        if head:
            count = _count_images(backbone, first, head)
            begin = Conversation(first.tokens[:head], first.images[:count])
            shown = [features[image.digest] for image in begin.images]
            parts.append(backbone.embed(begin, shown))
        at = head
        for number, one in enumerate(conversations, start=1):
            count = _count_images(backbone, one, head)
            known: list[ImageFeatures | None] = [None] * count
            known += [features[image.digest] for image in one.images[count:]]
            parts.append(backbone.embed(one, known, head))
            tail = len(one.tokens) - head
            segments.append(np.full(tail, number))
            self.spans.append(np.concatenate([np.arange(head), at + np.arange(tail)]))
            at += tail
        self.length = at
        self.segments = np.concatenate(segments)
        self.arguments = _join_parts(parts)


def _count_images(backbone: Backbone, conversation: Conversation, head: int) -> int:
    """Return how many images stand in the first tokens."""
    shown = sum(token == backbone.image_token for token in conversation.tokens[:head])
    count = 0
    while count < len(conversation.images) and shown > 0:
        shown -= conversation.images[count].num_tokens
        count += 1
    if shown:
        raise ConfigError(f"a head of {head} tokens ends inside an image")
    return count


def _find_rows(
    backbone: Backbone, conversations: Sequence[Conversation], heads: Sequence[int] | None
) -> list[tuple[list[int], int]]:
    """Return which conversations share a row, and how long their head is."""
    if heads is None:
        return [([number], 0) for number in range(len(conversations))]
    groups: dict[object, list[int]] = {}
    for number, (one, head) in enumerate(zip(conversations, heads, strict=True)):
        if not 0 <= head < len(one.tokens):
            raise ConfigError(
                f"a head must be shorter than its conversation of {len(one.tokens)} tokens, got "
                f"{head}"
            )
        groups.setdefault(tuple(backbone.keys(one)[:head]), []).append(number)
    return [
        (members, len(key) if len(members) > 1 and isinstance(key, tuple) else 0)
        for key, members in groups.items()
    ]


def _join_parts(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Put parts of a row one behind the other."""
    joined: dict[str, Any] = {
        "inputs_embeds": torch.cat([part["inputs_embeds"] for part in parts], dim=1),
        "position_ids": torch.cat([part["position_ids"] for part in parts], dim=2),
    }
    deep = [part["deepstack_visual_embeds"] for part in parts if _has_deepstack(part)]
    if deep:
        joined["visual_pos_masks"] = torch.cat(list(map(_visual_mask, parts)), dim=1)
        joined["deepstack_visual_embeds"] = [torch.cat(level) for level in zip(*deep, strict=True)]
    return joined


def _join(rows: Sequence[dict[str, Any]], length: int) -> dict[str, Any]:
    """Put rows one below the other, padded on the right."""
    missing = [length - row["inputs_embeds"].shape[1] for row in rows]
    pairs = list(zip(rows, missing, strict=True))
    joined: dict[str, Any] = {
        "inputs_embeds": torch.cat(
            [pad(row["inputs_embeds"], (0, 0, 0, lack)) for row, lack in pairs]
        ),
        "position_ids": torch.cat([pad(row["position_ids"], (0, lack)) for row, lack in pairs], 1),
    }
    deep = [row["deepstack_visual_embeds"] for row in rows if _has_deepstack(row)]
    if deep:
        joined["visual_pos_masks"] = torch.cat(
            [pad(_visual_mask(row), (0, lack)) for row, lack in pairs]
        )
        joined["deepstack_visual_embeds"] = [torch.cat(level) for level in zip(*deep, strict=True)]
    return joined


def _has_deepstack(part: dict[str, Any]) -> bool:
    return "deepstack_visual_embeds" in part


def _visual_mask(part: dict[str, Any]) -> Tensor:
    """Return which tokens are those of images; none in a part without images."""
    if "visual_pos_masks" in part:
        found: Tensor = part["visual_pos_masks"]
        return found
    embeds = part["inputs_embeds"]
    return torch.zeros(embeds.shape[:2], dtype=torch.bool, device=embeds.device)


def _mask(rows: Sequence[_Row], length: int) -> Tensor | None:
    """Return what each token attends to, shape (R, 1, L, L); None where that is all before it."""
    if all(len(row.spans) == 1 for row in rows):
        # Padding stands on the right, where nothing that counts attends to it.
        return None
    segments = torch.full((len(rows), length), -1)
    for number, row in enumerate(rows):
        segments[number, : row.length] = torch.from_numpy(row.segments)
    same = segments[:, :, None] == segments[:, None, :]
    before = torch.ones(length, length, dtype=torch.bool).tril()
    return (before & (same | (segments == 0)[:, None, :]))[:, None]
