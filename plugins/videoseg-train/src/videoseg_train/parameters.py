"""Which parameters are trained: parts of the model, or adapters beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from torch import nn

from videoseg import ConfigError
from videoseg.errors import MissingDependencyError
from videoseg_train.policy import Policy

__all__ = ["LoraSettings", "Part", "add_lora", "has_adapters", "set_trained", "without_adapters"]

Part: TypeAlias = Literal["language", "vision", "embeddings", "projector", "mask-decoder"]
"""``embeddings`` are those of the input and the head that gives the logits."""

# The linear layers of Qwen's language models.
_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Low-rank adapters on the linear layers of the language model.

    Args:
        rank: Rank of the adapters; 128 in the supervised stages of VideoSEG-O3.
        alpha: Their scale, times the rank; 256 there.
        dropout: Share of their inputs that is left out in updates; 0.05 there. Rollouts are made
            without.
        targets: Names of the linear layers that get adapters; by default all of them.
    """

    rank: int = 128
    alpha: float = 256
    dropout: float = 0.05
    targets: tuple[str, ...] = _LINEAR


def set_trained(policy: Policy, parts: Sequence[Part]) -> None:
    """Train these parts of the model and freeze the others.

    Raises:
        ConfigError: If the model does not have a part.
    """
    modules = _modules(policy)
    unknown = [part for part in parts if part not in modules]
    if unknown:
        raise ConfigError(
            f"the policy has no {', '.join(unknown)} to train; its parts are {', '.join(modules)}"
        )
    policy.model.requires_grad_(False)
    # The language model has the embeddings inside, so that it comes first.
    for part in ("language", "embeddings", "vision", "projector", "mask-decoder"):
        for module in modules.get(part, ()):
            module.requires_grad_(part in parts)


def add_lora(policy: Policy, settings: LoraSettings | None = None) -> None:
    """Put adapters beside the linear layers of the language model, which is frozen itself.

    The other parts, embeddings included, stay as ``set_trained`` has left them.

    Raises:
        MissingDependencyError: If peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingDependencyError(
            "training with LoRA needs peft; install it: pip install 'videoseg-train[lora]'"
        ) from error
    settings = settings or LoraSettings()
    language = policy.vlm.model.language_model
    before = {name for name, value in policy.model.named_parameters() if value.requires_grad}
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=int(settings.alpha),
        lora_dropout=settings.dropout,
        target_modules=list(settings.targets),
        bias="none",
    )
    inject_adapter_in_model(config, language)
    # Peft freezes the whole language model, in which the embeddings of the input are.
    embeddings = [one for part in _modules(policy)["embeddings"] for one in part.parameters()]
    own = {id(value) for value in language.parameters()} - {id(value) for value in embeddings}
    for name, value in policy.model.named_parameters():
        if "lora_" not in name:
            value.requires_grad_(name in before and id(value) not in own)


def has_adapters(module: nn.Module) -> bool:
    """Return whether a module has adapters of peft."""
    return any(True for _ in _adapters(module))


@contextmanager
def without_adapters(module: nn.Module) -> Iterator[None]:
    """Compute without adapters: the model as it was before training."""
    layers = list(_adapters(module))
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def _adapters(module: nn.Module) -> Iterator[Any]:
    # Models of transformers have a method of this name, too, which is another one.
    return (
        layer
        for layer in module.modules()
        if hasattr(layer, "enable_adapters") and hasattr(layer, "base_layer")
    )


def _modules(policy: Policy) -> dict[str, list[nn.Module]]:
    vlm = policy.vlm
    modules: dict[str, list[nn.Module]] = {
        "language": [vlm.model.language_model],
        "vision": [vlm.model.visual],
        "embeddings": [vlm.get_input_embeddings(), vlm.lm_head],
    }
    model = policy.seg_model
    if model is not None:
        modules["projector"] = [model.projector]
        if model.sam2 is not None:
            modules["mask-decoder"] = [
                model.sam2.sam_mask_decoder,
                model.sam2.sam_prompt_encoder,
            ]
    return modules
