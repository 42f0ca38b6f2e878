"""Tiny vision-language models with random weights, saved as real checkpoints.

The classes, processors, chat templates and generation are the real ones of ``transformers``;
only the sizes are small and the tokenizer knows bytes. What they say is noise.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

from torchvision_builds import declare_missing_operators

Family: TypeAlias = Literal["qwen2-vl", "qwen2.5-vl", "qwen3-vl"]

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}"
    "{% if part.type == 'text' %}{{ part.text }}"
    "{% else %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# Rotary sections share out half of the head dimension between time, height and width.
_TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
}


def save_tiny_vlm(
    folder: Path,
    family: Family = "qwen2.5-vl",
    *,
    max_positions: int = 8192,
    seed: int = 0,
    tokenizer: Any = None,
) -> Path:
    """Build a model and its processor and save them.

    Args:
        folder: Where to; a folder named for the family is made in it.
        family: Which architecture.
        max_positions: How many tokens the model takes.
        seed: Seed of the weights.
        tokenizer: What ``byte_tokenizer`` returned; by default one without more special tokens.

    Returns:
        The checkpoint's folder, for ``from_pretrained``.
    """
    declare_missing_operators()
    import torch

    target = folder / family
    tokenizer = tokenizer or byte_tokenizer()
    model_class, config = _MODELS[family](tokenizer, max_positions)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = model_class(config)
    # As published Qwen-VL checkpoints have it; servers sample only where this stands.
    model.generation_config.do_sample = True
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.generation_config.pad_token_id = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    model.save_pretrained(target)
    processor_of(family, tokenizer).save_pretrained(target)
    return target


def byte_tokenizer(*more_special_tokens: str) -> Any:
    """Return a tokenizer with a token for each byte, and for each special token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: number for number, symbol in enumerate(alphabet)}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=[*SPECIAL_TOKENS, *more_special_tokens],
    )


def processor_of(family: Family, tokenizer: Any) -> Any:
    """Return a family's processor."""
    import transformers

    # Small images, so that a test's prompt stays short; the limits are a checkpoint's own.
    patch = 16 if family == "qwen3-vl" else 14
    facts: dict[str, Any] = {
        "patch_size": patch,
        "merge_size": 2,
        "temporal_patch_size": 2,
        "size": {"shortest_edge": 4 * (2 * patch) ** 2, "longest_edge": 256 * (2 * patch) ** 2},
    }
    name, videos = {
        "qwen2-vl": ("Qwen2VLProcessor", "Qwen2VLVideoProcessor"),
        "qwen2.5-vl": ("Qwen2_5_VLProcessor", "Qwen2VLVideoProcessor"),
        "qwen3-vl": ("Qwen3VLProcessor", "Qwen3VLVideoProcessor"),
    }[family]
    return getattr(transformers, name)(
        image_processor=transformers.Qwen2VLImageProcessor(**facts),
        tokenizer=tokenizer,
        video_processor=getattr(transformers, videos)(**facts),
        chat_template=CHAT_TEMPLATE,
    )


def _token_ids(tokenizer: Any) -> dict[str, int]:
    return {
        "image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    }


def _text(tokenizer: Any, max_positions: int) -> dict[str, Any]:
    return {
        **_TEXT,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": max_positions,
        "bos_token_id": None,
        "eos_token_id": tokenizer.convert_tokens_to_ids("<|im_end|>"),
    }


def _qwen2(tokenizer: Any, max_positions: int) -> tuple[Callable[..., Any], Any]:
    import transformers

    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2}
    return transformers.Qwen2VLForConditionalGeneration, transformers.Qwen2VLConfig(
        text_config=_text(tokenizer, max_positions),
        vision_config={**vision, "patch_size": 14, "spatial_merge_size": 2},
        **_token_ids(tokenizer),
    )


def _qwen2_5(tokenizer: Any, max_positions: int) -> tuple[Callable[..., Any], Any]:
    import transformers

    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "out_hidden_size": 64,
        "patch_size": 14,
        "window_size": 112,
        "fullatt_block_indexes": [1],
    }
    return transformers.Qwen2_5_VLForConditionalGeneration, transformers.Qwen2_5_VLConfig(
        text_config=_text(tokenizer, max_positions),
        vision_config=vision,
        **_token_ids(tokenizer),
    )


def _qwen3(tokenizer: Any, max_positions: int) -> tuple[Callable[..., Any], Any]:
    import transformers

    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "out_hidden_size": 64,
        "patch_size": 16,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
    }
    text = {**_text(tokenizer, max_positions), "head_dim": 16}
    return transformers.Qwen3VLForConditionalGeneration, transformers.Qwen3VLConfig(
        text_config=text, vision_config=vision, **_token_ids(tokenizer)
    )


_MODELS = {"qwen2-vl": _qwen2, "qwen2.5-vl": _qwen2_5, "qwen3-vl": _qwen3}
