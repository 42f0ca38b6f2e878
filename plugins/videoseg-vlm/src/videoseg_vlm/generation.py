"""Generating several answers from one pass over the conversation."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from inspect import signature
from typing import Any

__all__ = ["Sampling", "cache_keyword", "generate", "stop_tokens"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """The settings of sampling.

    Args:
        num_samples: How many answers.
        temperature: 0 for the most likely answer.
        top_p: Cumulative probability of the tokens that are sampled from.
        max_tokens: Upper bound on the tokens of each answer.
        seed: The seed.
        max_batch: How many answers are generated at once.
    """

    num_samples: int
    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    max_batch: int


def generate(model: Any, inputs: dict[str, Any], sampling: Sampling) -> list[list[int]]:
    """Return the tokens of each answer.

    The conversation with its images is encoded once: all tokens except the last go through the
    model in one pass, and every answer starts from a copy of the resulting key-value cache.
    Generating with ``num_return_sequences`` would encode every image for each answer.

    Args:
        model: A ``transformers`` model that generates.
        inputs: The output of its processor for one conversation; ``input_ids`` of shape (1, L).
        sampling: The settings.

    Returns:
        The tokens of each answer, including the one that ends it.
    """
    import torch

    # At temperature 0 all answers are the same.
    distinct = sampling.num_samples if sampling.temperature > 0 else 1
    # Listed, since torch warns about several GPUs otherwise.
    gpus = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.inference_mode(), torch.random.fork_rng(devices=gpus):
        torch.manual_seed(sampling.seed % 2**63)
        answers = (
            _generate_alone(model, inputs, sampling)
            if distinct == 1
            else _generate_from_prefix(model, inputs, sampling, distinct)
        )
    return answers * (sampling.num_samples // len(answers))


def stop_tokens(model: Any) -> set[int]:
    """Return the tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    return set(ends if isinstance(ends, list) else [] if ends is None else [ends])


def _generate_alone(model: Any, inputs: dict[str, Any], sampling: Sampling) -> list[list[int]]:
    output = model.generate(**inputs, **_keywords(sampling))
    return _answers(model, output, inputs["input_ids"].shape[1])


def _generate_from_prefix(
    model: Any, inputs: dict[str, Any], sampling: Sampling, count: int
) -> list[list[int]]:
    length = inputs["input_ids"].shape[1]
    # Inputs with one entry per token are needed in the second pass, too; images are not.
    per_token = {
        name: value
        for name, value in inputs.items()
        if getattr(value, "ndim", 0) == 2 and value.shape == (1, length)
    }
    prefix = {**inputs, **{name: value[:, :-1] for name, value in per_token.items()}}
    # Only the cache is needed; not every model can skip the logits.
    fewer = (
        {"logits_to_keep": 1} if "logits_to_keep" in signature(model.forward).parameters else {}
    )
    name = cache_keyword()
    cache = getattr(model(**prefix, use_cache=True, **fewer), name)
    answers: list[list[int]] = []
    while (missing := count - len(answers)) > 0:
        batch = min(missing, sampling.max_batch)
        # Copied, since generating changes it; the last batch uses the original.
        branch = copy.deepcopy(cache) if batch < missing else cache
        branch.batch_repeat_interleave(batch)
        output = model.generate(
            input_ids=inputs["input_ids"].expand(batch, -1),
            attention_mask=inputs["attention_mask"].expand(batch, -1),
            **{name: branch},
            # A checkpoint's own choice of cache would conflict with the one given.
            cache_implementation=None,
            **_keywords(sampling),
        )
        answers += _answers(model, output, length)
    return answers


def cache_keyword() -> str:
    """Return by what name models take the key-value cache; it depends on transformers' version."""
    from transformers import GenerationMixin

    # generate accepts any keyword, so its signature does not show the name.
    known = signature(GenerationMixin.prepare_inputs_for_generation).parameters
    return "cache" if "cache" in known else "past_key_values"


def _keywords(sampling: Sampling) -> dict[str, Any]:
    drawing: dict[str, Any]
    if sampling.temperature <= 0:
        drawing = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    else:
        # A checkpoint may set top_k=1, which would make all answers the same.
        drawing = {
            "do_sample": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": 0,
        }
    return {"max_new_tokens": sampling.max_tokens, **drawing}


def _answers(model: Any, output: Any, start: int) -> list[list[int]]:
    stops = stop_tokens(model)
    answers = []
    for row in output[:, start:].tolist():
        # Shorter answers are padded to the length of the longest.
        stop = next((at + 1 for at, token in enumerate(row) if token in stops), len(row))
        answers.append(row[:stop])
    return answers
