"""An encoder of images in OpenVINO, which is faster than torch on many CPUs.

It is the part of a network that always sees one image of one size, whatever the objects. The rest
is left to torch.
"""

from __future__ import annotations

import copy
import importlib
import threading
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["OpenVinoEncoder"]

# Steps of unsigned and signed 8-bit numbers; weights are symmetric, so -128 is not used.
_UNSIGNED, _SIGNED = 255, 127


class OpenVinoEncoder(nn.Module):
    """Runs an encoder of images in OpenVINO, in place of torch.

    It is converted when the first image of a size comes, which takes seconds, and kept for the
    size seen last.

    Args:
        encoder: Maps an image (1, 3, H, W) to several features; without batch norms.
        eight_bit: Whether its convolutions multiply 8-bit numbers. Their ranges are those that
            the first image of a size has.
    """

    def __init__(self, encoder: nn.Module, *, eight_bit: bool = False) -> None:
        super().__init__()
        # Not a submodule: the rest of the network is rewritten and moved.
        self._encoder = (copy.deepcopy(encoder).eval(),)
        self._eight_bit = eight_bit
        self._shape: tuple[int, ...] = ()
        self._compiled: Any = None
        self._lock = threading.Lock()

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Do what the encoder does."""
        with self._lock:
            if self._shape != tuple(image.shape):
                self._compiled = self._convert(image.clone(memory_format=torch.contiguous_format))
                self._shape = tuple(image.shape)
            request = self._compiled.create_infer_request()
        # The results are copies, so the request may go.
        found = request.infer([image.contiguous().numpy()])
        return tuple(
            torch.from_numpy(value).contiguous(memory_format=torch.channels_last)
            for value in found.values()
        )

    def _convert(self, image: Tensor) -> Any:
        openvino = importlib.import_module("openvino")
        # Tracing needs tensors outside of inference mode.
        with torch.inference_mode(mode=False), torch.no_grad():
            example = torch.from_numpy(image.numpy().copy())
            encoder = self._encoder[0]
            if self._eight_bit:
                encoder = _quantized(encoder, example)
            with warnings.catch_warnings():
                # It traces the encoder in a way that newer versions of torch advise against.
                warnings.simplefilter("ignore", DeprecationWarning)
                model = openvino.convert_model(
                    encoder, example_input=example, input=list(example.shape)
                )
        return openvino.Core().compile_model(
            model,
            "CPU",
            {
                # It would take bfloat16 by itself where the CPU has it.
                "INFERENCE_PRECISION_HINT": "f32",
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "PERFORMANCE_HINT": "LATENCY",
                # Pinned threads get in the way of torch's and of other programs.
                "ENABLE_CPU_PINNING": False,
            },
        )


def _quantized(encoder: nn.Module, image: Tensor) -> nn.Module:
    """Return a copy of an encoder whose convolutions round inputs and weights to 8 bits.

    OpenVINO recognizes the rounding and computes with whole numbers.

    Args:
        encoder: The encoder.
        image: Shows which values come.
    """
    ranges: dict[str, tuple[float, float]] = {}
    hooks = []
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Conv2d):

            def note(_: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
                ranges[name] = float(inputs[0].min()), float(inputs[0].max())

            hooks.append(module.register_forward_pre_hook(note))
    encoder(image)
    for hook in hooks:
        hook.remove()
    rounded = copy.deepcopy(encoder)
    for name, (least, most) in ranges.items():
        parent, _, attribute = name.rpartition(".")
        convolution = encoder.get_submodule(name)
        assert isinstance(convolution, nn.Conv2d)
        setattr(
            rounded.get_submodule(parent),
            attribute,
            _EightBitConvolution(convolution, largest=max(-least, most), signed=least < 0),
        )
    return rounded


class _EightBitConvolution(nn.Module):
    """A convolution whose inputs (as a whole) and filters (each) are rounded to 8 bits."""

    def __init__(self, convolution: nn.Conv2d, *, largest: float, signed: bool) -> None:
        super().__init__()
        self._convolution = convolution
        self._least, self._most = (-_SIGNED, _SIGNED) if signed else (0, _UNSIGNED)
        self._scale = max(largest, 1e-12) / self._most
        weight = convolution.weight
        scales = weight.abs().amax(dim=(1, 2, 3)).clamp_min(1e-12) / _SIGNED
        self.register_buffer("_scales", scales)
        self.register_buffer("_zeros", torch.zeros(len(scales), dtype=torch.int32))
        self._scales: Tensor
        self._zeros: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H', W')."""
        x = torch.fake_quantize_per_tensor_affine(x, self._scale, 0, self._least, self._most)
        weight = torch.fake_quantize_per_channel_affine(
            self._convolution.weight, self._scales, self._zeros, 0, -_SIGNED, _SIGNED
        )
        convolution = self._convolution
        return functional.conv2d(
            x, weight, convolution.bias, convolution.stride, convolution.padding
        )
