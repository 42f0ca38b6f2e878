"""Hidden states of several conversations in one pass, for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from videoseg import ConfigError
from videoseg_o3.model.backbone import Backbone, Conversation
from videoseg_o3.model.vision_cache import encode_images

__all__ = ["batch_hidden_states"]


def batch_hidden_states(vlm: Any, conversations: Sequence[Conversation]) -> Tensor:
    """Return the normalized states of the last layer of whole conversations.

    As ``hidden_states`` one by one, but computed together; each distinct image goes through the
    vision encoder once. Gradients flow to all parameters that are trained.

    Args:
        vlm: A ``Qwen3VLForConditionalGeneration`` or ``Qwen2_5_VLForConditionalGeneration``.
        conversations: B conversations; the longest has L tokens.

    Returns:
        Shape (B, L, d). What stands behind the end of a shorter conversation means nothing.

    Raises:
        ConfigError: If there is none, or placeholders and images do not fit.
    """
    if not conversations:
        raise ConfigError("hidden states need at least one conversation")
    backbone = Backbone(vlm)
    distinct = {image.digest: image for one in conversations for image in one.images}
    features = dict(zip(distinct, encode_images(vlm, list(distinct.values())), strict=True))
    rows = [
        backbone.embed(one, [features[image.digest] for image in one.images])
        for one in conversations
    ]
    length = max(len(one.tokens) for one in conversations)
    # Padding stands on the right, where nothing that counts attends to it: no mask is needed.
    missing = [length - len(one.tokens) for one in conversations]
    arguments: dict[str, Any] = {
        "inputs_embeds": torch.cat(
            [
                pad(row["inputs_embeds"], (0, 0, 0, lack))
                for row, lack in zip(rows, missing, strict=True)
            ]
        ),
        "position_ids": torch.cat(
            [pad(row["position_ids"], (0, lack)) for row, lack in zip(rows, missing, strict=True)],
            dim=1,
        ),
    }
    deep = [row["deepstack_visual_embeds"] for row in rows if "deepstack_visual_embeds" in row]
    if deep:
        nowhere = torch.zeros((1, length), dtype=torch.bool, device=backbone.device)
        arguments["visual_pos_masks"] = torch.cat(
            [
                pad(row["visual_pos_masks"], (0, lack)) if "visual_pos_masks" in row else nowhere
                for row, lack in zip(rows, missing, strict=True)
            ]
        )
        arguments["deepstack_visual_embeds"] = [
            torch.cat(level) for level in zip(*deep, strict=True)
        ]
    return backbone.run(arguments)
