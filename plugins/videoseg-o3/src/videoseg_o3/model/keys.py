"""The names of parameters: those of released checkpoints, and those of our network's parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PROJECTOR", "SAM2", "VLM", "StateParts", "describe_state", "join_state", "split_state"]

# What stands before the names of each part, in the official code.
VLM = "model."
PROJECTOR = "text_hidden_fcs."
SAM2 = "grounding_encoder.sam2_model."

# transformers would rename parameters called gamma, so the official code calls them otherwise.
_GAMMA, _RELEASED_GAMMA = ".gamma", ".g_weight"

# Names of releases of transformers before 4.52, for Qwen2.5-VL.
_OLD_VLM = (
    (re.compile(r"^visual\."), "model.visual."),
    (re.compile(r"^model\.(?=(?:layers|embed_tokens|norm)\.)"), "model.language_model."),
)


@dataclass(frozen=True, slots=True)
class StateParts:
    """Parameters by name, apart for each part of the model.

    Args:
        vlm: As the class of transformers names them.
        projector: As ``torch.nn.Sequential`` names them.
        sam2: As ``SAM2Base`` names them.
        others: Those that belong to no part, by their full names.
    """

    vlm: dict[str, Tensor]
    projector: dict[str, Tensor]
    sam2: dict[str, Tensor]
    others: dict[str, Tensor]


def split_state(state: Mapping[str, Tensor]) -> StateParts:
    """Return the parts of a checkpoint's parameters; see ``join_state`` for the reverse."""
    parts = StateParts({}, {}, {}, {})
    for name, tensor in state.items():
        for prefix, part in ((PROJECTOR, parts.projector), (SAM2, parts.sam2), (VLM, parts.vlm)):
            if name.startswith(prefix):
                part[name.removeprefix(prefix)] = tensor
                break
        else:
            parts.others[name] = tensor
    for name in [name for name in parts.sam2 if name.endswith(_RELEASED_GAMMA)]:
        parts.sam2[name.removesuffix(_RELEASED_GAMMA) + _GAMMA] = parts.sam2.pop(name)
    for pattern, new in _OLD_VLM:
        for name in [name for name in parts.vlm if pattern.search(name)]:
            parts.vlm[pattern.sub(new, name)] = parts.vlm.pop(name)
    return parts


def join_state(parts: StateParts) -> dict[str, Tensor]:
    """Return the parameters under the names that released checkpoints have."""
    return {
        **{VLM + name: tensor for name, tensor in parts.vlm.items()},
        **{PROJECTOR + name: tensor for name, tensor in parts.projector.items()},
        **{SAM2 + _release(name): tensor for name, tensor in parts.sam2.items()},
        **parts.others,
    }


def _release(name: str) -> str:
    if name.endswith(_GAMMA):
        return name.removesuffix(_GAMMA) + _RELEASED_GAMMA
    return name


def describe_state(names: Iterable[str]) -> str:
    """Return what a checkpoint is whose parameters have these names, and what to do.

    Returns:
        Words to put after a message; empty if it looks like a whole ``[SEG]`` model.
    """
    names = list(names)
    has_projector = any(name.startswith(PROJECTOR) for name in names)
    has_sam2 = any(name.startswith(SAM2) for name in names)
    plain = ("lm_head.", "model.language_model.", "model.visual.", "visual.", "model.layers.")
    if has_projector and has_sam2:
        return ""
    if any(name.startswith(("image_encoder.", "sam_mask_decoder.")) for name in names):
        return (
            "it is SAM 2 alone, which belongs to the propagator 'sam2'; or make a new model of it "
            "and a vision-language model with new_seg_model"
        )
    if any(".lora_A." in name or ".lora_B." in name for name in names):
        return "it is an adapter (LoRA): merge it into its model first"
    if not has_projector and not has_sam2 and any(name.startswith(plain) for name in names):
        return (
            "it is a vision-language model without [SEG], which belongs to the chat model "
            "'transformers'; or make a new model of it and SAM 2 with new_seg_model"
        )
    if has_projector:
        return "it lacks SAM 2 (grounding_encoder.*): take a whole checkpoint"
    if has_sam2:
        return "it lacks the projector (text_hidden_fcs.*): take a whole checkpoint"
    return "it is no checkpoint of VideoSEG-O3"
