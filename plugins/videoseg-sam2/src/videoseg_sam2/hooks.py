"""Where a memory policy takes hold of the network: the decoder's choice, and what is attended to.

Both are hooks of torch on modules of the package, whose code is neither changed nor copied. They
do nothing unless a context variable of this module is set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Chooser", "KeyFactors", "install_hooks", "with_attention", "with_chooser"]

Chooser: TypeAlias = Callable[["Tensor", "Tensor", "Tensor"], Sequence[int]]
"""Gets mask logits (1, K, h, w), estimated IoUs (1, K) and the object's logit (1, 1), and returns
indices of candidates. The head then gives a mask and a pointer for each of them, one row each."""


@dataclass(frozen=True, slots=True)
class KeyFactors:
    """By what the keys of what is attended to are multiplied, in the network's order.

    Args:
        features: For each frame whose features are read.
        pointers: For each pointer, those that stand for none among them.
    """

    features: tuple[float, ...]
    pointers: tuple[float, ...]


_chooser: ContextVar[Chooser | None] = ContextVar("chooser", default=None)
_attention: ContextVar[tuple[KeyFactors | None, bool] | None] = ContextVar(
    "attention", default=None
)


@contextmanager
def with_chooser(chooser: Chooser) -> Iterator[None]:
    """Let this function choose among the mask decoder's candidates."""
    token = _chooser.set(chooser)
    try:
        yield
    finally:
        _chooser.reset(token)


@contextmanager
def with_attention(factors: KeyFactors | None, *, drop_missing: bool) -> Iterator[None]:
    """Change what memory attention reads.

    Args:
        factors: By what keys are multiplied; None for no change.
        drop_missing: Whether there are pointers of NaN, which stand for none and are taken out.
    """
    token = _attention.set((factors, drop_missing))
    try:
        yield
    finally:
        _attention.reset(token)


def install_hooks(modules: Any) -> None:
    """Add the hooks to a network."""
    modules.sam_mask_decoder.register_forward_hook(_choose)
    modules.memory_attention.register_forward_pre_hook(_attend, with_kwargs=True)


def _choose(_module: Any, _inputs: Any, output: Any) -> Any:
    chooser = _chooser.get()
    if chooser is None:
        return None
    masks, ious, tokens, score = output
    choices = list(chooser(masks, ious, score))
    # Made the highest, a choice is what the unchanged head takes, with its token. It indexes
    # masks and tokens with the highest of each row, so that further rows give further choices.
    raised = ious.repeat(len(choices), 1)
    raised[list(range(len(choices))), choices] = ious.max() + 1
    return masks, raised, tokens, score


def _attend(_module: Any, inputs: Any, keywords: dict[str, Any]) -> Any:
    attention = _attention.get()
    if attention is None:
        return None
    import torch

    factors, drop_missing = attention
    memory, positions = keywords["memory"], keywords["memory_pos"]
    # Features are kept in bfloat16. Pointers, which are joined with them, bring them back to the
    # network's type, but a run may begin on a frame behind which there are none.
    memory = memory.to(positions.dtype)
    num_tokens = keywords["num_obj_ptr_tokens"]
    if factors is not None:
        per_frame = keywords["curr"][0].shape[0]
        per_pointer = num_tokens // max(len(factors.pointers), 1)
        repeats = [per_frame] * len(factors.features) + [per_pointer] * len(factors.pointers)
        values = torch.tensor([*factors.features, *factors.pointers], device=memory.device)
        each = values.repeat_interleave(torch.tensor(repeats, device=memory.device))
        # Keys are made of the sum of both, values of the first alone.
        positions = each[:, None, None] * (memory + positions) - memory
    if drop_missing:
        there = ~memory[:, 0].isnan().any(dim=1)
        num_tokens -= int((~there).sum())
        memory, positions = memory[there], positions[there]
    changed = {"memory": memory, "memory_pos": positions, "num_obj_ptr_tokens": num_tokens}
    return inputs, {**keywords, **changed}
