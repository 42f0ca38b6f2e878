"""Steps of a network in OpenVINO, which is faster than torch on many CPUs.

A step maps tensors to tensors. Memories, and what decides between objects, are left to torch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor, nn

from videoseg.engines import OpenVinoFunction

__all__ = ["NetworkStep", "StepFunction", "put_in_openvino"]

StepFunction: TypeAlias = Callable[..., tuple[Tensor, ...]]
"""Does what a step does."""


@dataclass(frozen=True, slots=True)
class NetworkStep:
    """A method of a network that maps tensors to a tuple of tensors.

    Args:
        name: Its name.
        parts: Names of the submodules that it needs.
        batches: Which of its inputs are batches of objects.
        exact: Names of submodules for which 8-bit numbers would be too coarse.
    """

    name: str
    parts: Collection[str]
    batches: Collection[int] = ()
    exact: Collection[str] = ()


class _Network(Protocol):
    engines: dict[str, StepFunction]

    def get_submodule(self, target: str) -> nn.Module: ...


def put_in_openvino(network: _Network, step: NetworkStep, *, eight_bit: bool) -> None:
    """Let a step of a network run in OpenVINO, which gets copies of the layers.

    Args:
        network: The network, in float32 and without batch norms. It looks the step up in its
            ``engines``.
        step: The step.
        eight_bit: Whether convolutions and linear layers multiply 8-bit numbers.
    """
    function = OpenVinoFunction(
        _Step(network, step), eight_bit=eight_bit, exact=step.exact, batches=step.batches
    )
    # With 8 bits all steps follow one another in OpenVINO, whose results are not channels-last.
    network.engines[step.name] = function if eight_bit else _ChannelsLast(function)


class _Step(nn.Module):
    """One step of a network, with those parts of it that the step needs."""

    def __init__(self, network: _Network, step: NetworkStep) -> None:
        super().__init__()
        for part in step.parts:
            self.add_module(part, network.get_submodule(part))
        self._method = getattr(type(network), step.name)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Do what the network's method does."""
        return self._method(self, *inputs)  # type: ignore[no-any-return]


class _ChannelsLast:
    """A function whose results are laid out as torch's layers take them."""

    def __init__(self, function: StepFunction) -> None:
        self._function = function

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Do what the function does."""
        found = self._function(*inputs)
        return tuple(
            one.contiguous(memory_format=torch.channels_last) if one.ndim == 4 else one
            for one in found
        )
