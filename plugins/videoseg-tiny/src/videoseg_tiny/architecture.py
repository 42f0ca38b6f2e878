"""The architecture: a real Qwen3-VL model of a million parameters, and its processor."""

from __future__ import annotations

import importlib
import math
from typing import Any

from videoseg_tiny.clips import FRAME_SIDE, PATCH
from videoseg_tiny.vocabulary import CHAT_TEMPLATE, new_tokenizer

__all__ = ["MAX_POSITIONS", "new_model", "new_processor"]

MAX_POSITIONS = 4096
"""Tokens of the longest conversation."""

_GRID = FRAME_SIDE // PATCH
_POSITION_SCALE = 0.5
"""Amplitude of the positions of patches; drawn at random they are drowned by the patches."""


def new_processor() -> Any:
    """Return a ``Qwen3VLProcessor`` for small images."""
    transformers: Any = importlib.import_module("transformers")
    sizes: dict[str, Any] = {
        "patch_size": PATCH,
        "merge_size": 1,
        "temporal_patch_size": 2,
        "size": {"shortest_edge": PATCH * PATCH, "longest_edge": FRAME_SIDE * FRAME_SIDE},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    return transformers.Qwen3VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(**sizes),
        tokenizer=new_tokenizer(),
        video_processor=transformers.Qwen3VLVideoProcessor(**sizes),
        chat_template=CHAT_TEMPLATE,
    )


def new_model(tokenizer: Any, *, seed: int = 0) -> Any:
    """Return a ``Qwen3VLForConditionalGeneration`` with random weights, dtype float32.

    Args:
        tokenizer: The tokenizer of ``new_processor``.
        seed: Seed of the weights.
    """
    import torch
    import transformers

    width = 128
    token = tokenizer.convert_tokens_to_ids
    config = transformers.Qwen3VLConfig(
        text_config={
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "head_dim": 32,
            "initializer_range": 0.05,
            "tie_word_embeddings": True,
            "max_position_embeddings": MAX_POSITIONS,
            # Half of the 32 numbers of a head, shared out to time, height and width.
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [4, 6, 6],
                "mrope_interleaved": True,
            },
            "vocab_size": len(tokenizer),
            "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
        },
        vision_config={
            "depth": 4,
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_heads": 4,
            "out_hidden_size": width,
            "patch_size": PATCH,
            "spatial_merge_size": 1,
            "temporal_patch_size": 2,
            "num_position_embeddings": _GRID * _GRID,
            "deepstack_visual_indexes": [],
            "initializer_range": 0.05,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.Qwen3VLForConditionalGeneration(config)
    positions = model.model.visual.pos_embed.weight
    with torch.no_grad():
        positions.copy_(_POSITION_SCALE * _plane_waves(_GRID, positions.shape[1]))
    model.generation_config.eos_token_id = token("<|im_end|>")
    model.generation_config.pad_token_id = token("<|endoftext|>")
    model.generation_config.do_sample = False
    return model


def _plane_waves(side: int, width: int) -> Any:
    """Return sines and cosines of row and column, shape (side * side, width)."""
    import torch

    places = torch.arange(side) / side
    rates = math.pi * torch.logspace(-1, math.log2(side), width // 4, base=2)
    waves = torch.cat([(places[:, None] * rates).sin(), (places[:, None] * rates).cos()], 1)
    rows = waves[:, None].expand(side, side, -1)
    columns = waves[None].expand(side, side, -1)
    return torch.cat([rows, columns], 2).reshape(side * side, width)
