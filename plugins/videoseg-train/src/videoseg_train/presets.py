"""The settings of the published recipes.

[P] is the paper, [C] the released code; [V] is VisionReasoner (arXiv 2505.12081), whose settings
VideoSeg-R1 adopts where it names none; [A] is Veason-R1, the nearest published recipe; [R] is our
own choice, where nothing is published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["PRESETS"]

_R1: dict[str, Any] = {
    "model": {
        "path": "Qwen/Qwen2.5-VL-7B-Instruct",  # [P], besides the 3B
        "kind": "vlm",
        # [R]: in bfloat16 steps of 1e-6 are lost in rounding; [V] has FSDP keep float32 copies.
        "dtype": "float32",
        "precision": "bf16",  # [V]
    },
    "policy": {
        "temperature": 1.0,  # [V]
        "top_p": 1.0,  # [V]
        "max_tokens": 2000,  # [V]
        "max_pixels": 12_845_056,  # [V]
    },
    "stages": {
        # [P]: no hierarchical sampling in training. [R] as VISA: a frame on which all objects
        # show, and 8 to 12 others.
        "sampler": {"name": "target-frame", "options": {"num_context": [8, 12]}},
        "grounder": "r1",
        "segmenter": "sam2",  # [P]
        "propagator": "sam2",  # [R]; XMem in [P]
        "max_turns": 1,  # [P]
    },
    "sft": {
        # No cold start in [P]; [A]: LoRA of rank 8, rate 1e-4, one epoch.
        "epochs": 1,
        "samples_per_step": 16,
        "parts": [],
        "lora": {"rank": 8, "alpha": 16, "dropout": 0.05},
        "optimizer": {"learning_rate": 1e-4, "weight_decay": 0.01, "schedule": "cosine"},
        "warmup_share": 0.03,  # [R]
        "weighting": "token",
        "gradient_checkpointing": True,  # [R]
    },
    "grpo": {
        "epochs": 1,  # [V]: one pass over the data
        "samples_per_step": 16,  # [P]
        "group_size": 8,  # [P]
        "parts": ["language", "embeddings", "vision"],  # [P]: the language model's checkpoint
        "optimizer": {
            "learning_rate": 1e-6,  # [P]
            "weight_decay": 0.01,  # [P]
            "betas": [0.9, 0.999],  # [V]
            "max_gradient_norm": 1.0,  # [V]
            "schedule": "constant",  # [V], without warm-up
        },
        "divergence_weight": 5e-3,  # [V], the yaml file; its launch scripts have 1e-2
        "divergence_limit": 10.0,  # [V]
        "clip": 0.2,  # [V]
        "advantage_scale": "group",
        "advantage_epsilon": 1e-6,  # [V]
        "weighting": "token",  # [V]
        "gradient_checkpointing": True,  # [V]
        "entropy_weight": 1e-3,  # [V], the default of its configuration
        "num_updates": 1,
        # [P], with the values of [V]; weights of 1.
        "rewards": [
            {"name": "r1-format"},
            {"name": "r1-accuracy"},
            {"name": "r1-negative"},
            {"name": "r1-no-repeat"},
            {"name": "r1-length", "use": "factor", "options": {"budget": "difficulty"}},
        ],
    },
    # [P]
    "evaluation": {"sampler": "htfs"},
}

_O3_REWARDS = (
    *("o3-format", "o3-steps", "o3-window", "o3-keyframe"),
    *("o3-mask", "o3-keyframe-gain", "o3-progress"),
)


def _o3_rewards(variant: str) -> list[dict[str, Any]]:
    """Return the seven rewards of [C], each with the weight 1."""
    return [
        {"name": name} if name == "o3-steps" else {"name": name, "options": {"variant": variant}}
        for name in _O3_REWARDS
    ]


_O3_STAGES: dict[str, Any] = {
    "sampler": {"name": "coarse", "options": {"preset": "rollout"}},  # [C]
    "grounder": {"name": "o3", "options": {"answer": "seg"}},
    "max_turns": 3,  # [C]
}

_O3: dict[str, Any] = {
    "model": {
        # No path: what the stages of [C] begin with has not been published.
        "kind": "seg",
        # [R]: likewise; [C] has DeepSpeed keep float32 copies.
        "dtype": "float32",
        "precision": "bf16",  # [C]
    },
    "policy": {
        "temperature": 0.9,  # [C], TRL 0.17's default
        "top_p": 0.9,  # [C]
        "max_tokens": 512,  # [C], of each turn
    },
    "stages": _O3_STAGES,
    "sft": {
        "epochs": 1,  # [C]
        "samples_per_step": 32,  # [C] of the cold start; 64 or 128 in its first stage
        # [C]: embeddings and projector in full, SAM 2's mask decoder; the rest by adapters.
        "parts": ["embeddings", "projector", "mask-decoder"],
        "lora": {"rank": 128, "alpha": 256, "dropout": 0.05},  # [C]
        "optimizer": {
            "learning_rate": 4e-5,  # [C]
            "weight_decay": 0.05,  # [C]
            "betas": [0.9, 0.999],  # [C]
            "max_gradient_norm": 1.0,  # [C]
            "schedule": "cosine",  # [C]
        },
        "warmup_share": 0.05,  # [C]
        "weighting": "token",
        "cross_entropy_weight": 2.0,  # [C]
        "dice_weight": 0.5,  # [C]
        "gradient_checkpointing": True,  # [C]
    },
    "grpo": {
        "steps": 1000,  # [C]
        "samples_per_step": 16,  # [C]
        "group_size": 4,  # [C]
        # [C]: all but SAM 2's image encoder.
        "parts": ["language", "embeddings", "vision", "projector", "mask-decoder"],
        "optimizer": {
            "learning_rate": 3e-6,  # [C]
            "weight_decay": 0.0,  # [C]
            "max_gradient_norm": 1.0,  # [C]
            "schedule": "linear",  # [C], without warm-up
        },
        "divergence_weight": 0.04,  # [C]
        "divergence_limit": None,  # [C]
        "clip": None,  # [C]: each rollout is used once
        "advantage_scale": "group",
        "advantage_epsilon": 1e-4,  # [C]
        "weighting": "sequence",  # [C]
        "entropy_weight": 0.0,  # [C]: declared and unused
        "calibration": {"weight": 1.0, "target": "own", "threshold": 0.0},  # 0.5 in [C]
        "mask_weight": 0.2,  # [C]
        "rewards": _o3_rewards("fixed"),
        "gradient_checkpointing": True,  # [C]
    },
}

_O3["evaluation"] = {"sampler": {"name": "coarse", "options": {"preset": "eval"}}}

_O3_RELEASED: dict[str, Any] = {
    **_O3,
    "policy": {**_O3["policy"], "preprocessing": "released"},
    "grpo": {
        **_O3["grpo"],
        # [C]: logits are cut as if they were probabilities.
        "calibration": {"weight": 1.0, "target": "own", "threshold": 0.5},
        "rewards": _o3_rewards("released"),
    },
}

PRESETS: Mapping[str, Mapping[str, Any]] = {"r1": _R1, "o3": _O3, "o3-released": _O3_RELEASED}
"""What a configuration begins with, by the name after ``preset``."""
