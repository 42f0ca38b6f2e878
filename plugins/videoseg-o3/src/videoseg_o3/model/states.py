"""Hidden states of the last layer, which the projector and the output head go on from.

Throughout this plug-in they are the states before the final norm. What the classes of
transformers call the last states differs: release 4.57.0, with which the released models were
trained and evaluated, records those before the norm for Qwen3-VL and those behind it for
Qwen2.5-VL; from release 5 on they are those behind it for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

__all__ = ["projector_input", "record_states", "token_logits"]


@contextmanager
def record_states(vlm: Any) -> Iterator[list[Tensor]]:
    """Record the states of each call of the model inside, shape (B, n, d), with gradient.

    Args:
        vlm: A ``Qwen3VLForConditionalGeneration`` or ``Qwen2_5_VLForConditionalGeneration``.
    """
    states: list[Tensor] = []
    hook = vlm.model.language_model.norm.register_forward_pre_hook(
        lambda _norm, inputs: states.append(inputs[0])
    )
    try:
        yield states
    finally:
        hook.remove()


def token_logits(vlm: Any, states: Tensor) -> Tensor:
    """Return the logits of the tokens that follow.

    Args:
        vlm: The vision-language model.
        states: Shape (..., d).

    Returns:
        Shape (..., vocabulary).
    """
    logits: Tensor = vlm.lm_head(vlm.model.language_model.norm(states))
    return logits


def projector_input(vlm: Any, states: Tensor) -> Tensor:
    """Return what the projector was trained to take of states, shape (..., d)."""
    if vlm.config.model_type == "qwen3_vl":
        return states
    normalized: Tensor = vlm.model.language_model.norm(states)
    return normalized
