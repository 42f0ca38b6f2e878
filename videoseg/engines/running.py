"""Running a part of a network in an engine, and making two convolutions one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from videoseg.engines.choices import Engine, Precision
from videoseg.engines.openvino_function import OpenVinoFunction
from videoseg.errors import MissingDependencyError
from videoseg.text import shorten_text

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["join_convolutions", "run_in"]


def run_in(
    engine: Engine, module: nn.Module, *, precision: Precision = "float32"
) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Return what does the same as a module, in an engine.

    Args:
        engine: The engine. OpenVINO gets a copy of the module; ``compile`` changes how it runs
            when it is next called.
        module: Maps a tensor to several, by steps that depend on its shape alone.
        precision: ``int8`` for layers that multiply 8-bit numbers in OpenVINO. Whether torch
            computes in bfloat16 is up to the caller.

    Raises:
        MissingDependencyError: When what is returned is first called, if torch cannot compile.
    """
    if engine == "openvino":
        return OpenVinoFunction(module, eight_bit=precision == "int8")
    return _compiled(module) if engine == "compile" else module


def _compiled(module: nn.Module) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Return a module that is compiled when it is first called, or says why it cannot be."""
    module.compile(dynamic=False)

    def run(x: Tensor) -> tuple[Tensor, ...]:
        # Compiling imports it anyway.
        from torch._dynamo.exc import TorchDynamoException

        try:
            return module(x)  # type: ignore[no-any-return]
        except TorchDynamoException as error:
            reason = str(error).strip().partition("\n")[0]
            raise MissingDependencyError(
                f"engine 'compile' cannot compile the network here: {shorten_text(reason, 200)}. "
                "torch needs a C++ compiler such as g++ for a CPU, and Triton for a GPU; install "
                "what is missing, or use engine='eager'"
            ) from error

    return run


def join_convolutions(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """Return the convolution that does what a 1x1 convolution does after another convolution.

    It is worth it where the second has fewer channels. Its weights are computed in float64.

    Args:
        first: The convolution before, of one group.
        second: With a kernel of 1x1, a stride of 1 and no padding, of one group.
    """
    import torch
    from torch import nn

    weight = second.weight.double()[:, :, 0, 0]
    joined = nn.Conv2d(
        first.in_channels,
        second.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        first.stride,  # type: ignore[arg-type]
        first.padding,  # type: ignore[arg-type]
        device="meta",
    )
    dtype = first.weight.dtype
    both = torch.einsum("oc,cikl->oikl", weight, first.weight.double())
    bias = weight.new_zeros(len(weight)) if second.bias is None else second.bias.double()
    if first.bias is not None:
        bias = bias + weight @ first.bias.double()
    joined.weight = nn.Parameter(both.to(dtype), requires_grad=False)
    joined.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
    return joined
