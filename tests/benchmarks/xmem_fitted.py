"""A random network of XMem whose masks follow the objects of one clip, for the other scripts.

Nearly all probabilities of a random network are close calls, so that the least rounding moves
its masks. This one stays random but for its last convolution, which is fitted to the clip's
annotation by logistic regression.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from videoseg_xmem.network import XMemNetwork
from xmem_reference import informative_network

# Logits are those of whole objects while the memory is shown the annotation.
_TAUGHT = 6.0
# Keeps the fitted filter short, so that no small difference of features decides a mask.
_DECAY = 1e-3


class Runner(Protocol):
    """One run of a network over the clip."""

    @property
    def last_convolution(self) -> torch.nn.Module:
        """Makes the logits at stride 4."""

    def step(self, image: Tensor, given: Mapping[int, Tensor], *, last: bool = False) -> Tensor:
        """Return probabilities, (1 + N, H, W)."""


class Builder(Protocol):
    """Loads a checkpoint."""

    def __call__(self, checkpoint: Path) -> Runner:
        """Return a new run of it."""


def fit(
    checkpoint: Path,
    build: Builder,
    images: Sequence[Tensor],
    given: Mapping[int, Mapping[int, Tensor]],
    annotation: Sequence[Tensor],
    *,
    seed: int = 0,
    rounds: int = 2,
) -> None:
    """Write a checkpoint that follows the annotated objects.

    The features that the last convolution sees depend on the masks remembered before. They
    are collected once with the annotation in their place, and then ``rounds`` times with what
    the network fitted so far makes of the clip; each fit uses all features so far.

    Args:
        checkpoint: Where to write it.
        build: Runs a checkpoint.
        images: The frames, (3, H, W) each.
        given: Masks given on some frames, by object.
        annotation: Masks of all objects on each frame, (N, H, W) each.
        seed: Of the random weights.
        rounds: How often to run the fitted network.
    """
    network = informative_network(seed=seed)
    with torch.no_grad():
        # More of the masks in what is remembered, and of the image in what is decoded.
        network.value_encoder.conv1.weight[:, 3:].mul_(2)
        network.get_parameter("decoder.up_16_8.skip_conv.weight").mul_(2)
        network.get_parameter("decoder.up_8_4.skip_conv.weight").mul_(2)
    lesson = _Lesson(annotation)
    for number in range(rounds + 1):
        torch.save(network.state_dict(), checkpoint)
        runner = build(checkpoint)
        lesson.begin(runner, taught=number == 0)
        for step, image in enumerate(images):
            lesson.step = step
            runner.step(image, given.get(step, {}), last=step == len(images) - 1)
        _regress(network, torch.cat(lesson.features), torch.cat(lesson.shares))
    torch.save(network.state_dict(), checkpoint)


class _Lesson:
    """Collects what the last convolution sees, and what it should answer.

    Attributes:
        step: The frame that is being computed.
        features: Of every frame of every run, (N, C, h, w) each.
        shares: How much of each place is the object's, (N, 1, h, w) each.
    """

    def __init__(self, annotation: Sequence[Tensor]) -> None:
        self._wanted = _shares(annotation)
        self._taught = False
        self.step = 0
        self.features: list[Tensor] = []
        self.shares: list[Tensor] = []

    def begin(self, runner: Runner, *, taught: bool) -> None:
        """Listen to a run; if it is taught, its logits are those of the annotation."""
        self._taught = taught
        runner.last_convolution.register_forward_hook(self._collect)

    def _collect(self, _module: object, inputs: tuple[Tensor], _logits: Tensor) -> Tensor | None:
        share = self._wanted[self.step][: len(inputs[0])]
        self.features.append(inputs[0].half())
        self.shares.append(share)
        return _TAUGHT * (2 * share - 1) if self._taught else None


def _shares(annotation: Sequence[Tensor]) -> list[Tensor]:
    """Return how much of each place at stride 4 is the object's, (N, 1, h, w) each."""
    found = []
    for masks in annotation:
        tall, wide = (-length % 16 for length in masks.shape[-2:])
        padding = (wide // 2, wide - wide // 2, tall // 2, tall - tall // 2)
        found.append(functional.avg_pool2d(functional.pad(masks, padding)[:, None], 4))
    return found


def _regress(network: XMemNetwork, features: Tensor, shares: Tensor) -> None:
    """Fit the last convolution by logistic regression; objects count five times."""
    last = network.decoder.pred
    weight = last.weight.detach().clone().requires_grad_()
    bias = last.bias.detach().clone().requires_grad_()
    features = features.float().contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=50, history_size=20, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = functional.conv2d(features, weight, bias, padding=1)
        value = functional.binary_cross_entropy_with_logits(logits, shares, weight=1 + 4 * shares)
        value = value + _DECAY * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    with torch.no_grad():
        last.weight.copy_(weight)
        last.bias.copy_(bias)


class _Convolutions(TorchFunctionMode):
    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        # The two names are one function.
        if function not in (torch.conv2d, functional.conv2d):
            return function(*args, **kwargs)
        rounds = torch.is_autocast_enabled("cpu") or args[0].dtype == torch.bfloat16
        if not rounds:
            return function(*args, **kwargs)
        exact = [_rounded(value).float() if _is_number(value) else value for value in args]
        named = {
            name: _rounded(value).float() if _is_number(value) else value
            for name, value in kwargs.items()
        }
        with torch.autocast("cpu", enabled=False):
            return function(*exact, **named).bfloat16()


def _is_number(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _rounded(value: Tensor) -> Tensor:
    return value.bfloat16()


@contextlib.contextmanager
def quick_bfloat16() -> Iterator[None]:
    """Compute convolutions in bfloat16 as hardware does, quickly on any processor.

    Inputs and weights are bfloat16 numbers, sums are float32 and the output is rounded. A
    processor that has to emulate bfloat16 does the same many times slower.
    """
    with _Convolutions():
        yield
