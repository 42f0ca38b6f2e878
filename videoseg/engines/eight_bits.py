"""Modules whose convolutions and linear layers round what they multiply to 8 bits."""

from __future__ import annotations

import copy
import types
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["with_eight_bits"]

# Steps of unsigned and signed 8-bit numbers; weights are symmetric, so -128 is not used.
_UNSIGNED, _SIGNED = 255, 127


def with_eight_bits(
    module: nn.Module, *examples: Tensor, exact: Collection[str] = ()
) -> nn.Module:
    """Return a copy of a module whose convolutions and linear layers multiply 8-bit numbers.

    Inputs are rounded as a whole, weights for each output channel. torch computes with what is
    rounded in float32; OpenVINO recognizes the rounding and computes with whole numbers.

    Args:
        module: The module, in float32.
        examples: Its inputs, which show what values come.
        exact: Names of submodules in which nothing is rounded.
    """
    from torch import nn

    ranges: dict[str, tuple[float, float]] = {}
    from_outside: set[str] = set()
    hooks = []
    for name, layer in module.named_modules():
        if _is_within(name, exact):
            continue
        if isinstance(layer, nn.Conv2d | nn.Linear):

            def note(_: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
                least, most = float(inputs[0].min()), float(inputs[0].max())
                before = ranges.get(name, (least, most))
                ranges[name] = min(least, before[0]), max(most, before[1])
                if any(inputs[0] is example for example in examples):
                    from_outside.add(name)

            hooks.append(layer.register_forward_pre_hook(note))
    try:
        module(*examples)
    finally:
        for hook in hooks:
            hook.remove()
    rounded = copy.deepcopy(module)
    for name, (least, most) in ranges.items():
        # Behind a ReLU the least is 0. What happens to be above may be below another time, and so
        # may what comes from outside: a bright picture has no values below 0, a dark one has.
        signed = least != 0 or name in from_outside
        _round(rounded.get_submodule(name), largest=max(-least, most), signed=signed)
    return rounded


def _is_within(name: str, modules: Collection[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _round(layer: Any, *, largest: float, signed: bool) -> None:
    """Let a layer round its input and its weight each time, in place."""
    import torch
    from torch import nn
    from torch.nn import functional

    lowest, highest = (-_SIGNED, _SIGNED) if signed else (0, _UNSIGNED)
    scale = max(largest, 1e-12) / highest
    weight = layer.weight
    scales = weight.abs().flatten(1).amax(dim=1).clamp_min(1e-12) / _SIGNED
    zeros = torch.zeros(len(scales), dtype=torch.int32)

    def forward(self: Any, x: Tensor) -> Tensor:
        x = torch.fake_quantize_per_tensor_affine(x, scale, 0, lowest, highest)
        rounded = torch.fake_quantize_per_channel_affine(
            self.weight, scales, zeros, 0, -_SIGNED, _SIGNED
        )
        if isinstance(self, nn.Linear):
            return functional.linear(x, rounded, self.bias)
        return functional.conv2d(
            x, rounded, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    # Not a class of its own, for which torch would have to be imported with this module.
    layer.forward = types.MethodType(forward, layer)
