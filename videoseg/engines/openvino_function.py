"""A module of torch that runs in OpenVINO, which is faster than torch on many CPUs."""

from __future__ import annotations

import copy
import importlib
import threading
import warnings
from typing import TYPE_CHECKING, Any

from videoseg.engines.eight_bits import with_eight_bits

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["OpenVinoFunction"]


class OpenVinoFunction:
    """Does in OpenVINO what a module of torch does with one tensor, on the CPU and in float32.

    The module is converted when the first tensor of a shape comes, which takes seconds, and kept
    for the shape seen last. It may be called from several threads.

    Args:
        module: Maps a tensor of float32 to several, by steps that depend on its shape alone.
            It is copied, and must be one that ``torch.jit.trace`` can follow.
        eight_bit: Whether its convolutions and linear layers multiply 8-bit numbers. The ranges
            of their inputs are those that the first tensor of a shape has.
    """

    def __init__(self, module: nn.Module, *, eight_bit: bool = False) -> None:
        self._module = copy.deepcopy(module).eval()
        self._eight_bit = eight_bit
        self._shape: tuple[int, ...] = ()
        self._compiled: Any = None
        self._lock = threading.Lock()

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return what the module does, contiguous."""
        import torch

        with self._lock:
            if self._shape != tuple(x.shape):
                self._compiled = self._convert(x)
                self._shape = tuple(x.shape)
            request = self._compiled.create_infer_request()
        # The results are copies, so the request may go.
        found = request.infer([x.contiguous().numpy()])
        return tuple(torch.from_numpy(value) for value in found.values())

    def _convert(self, x: Tensor) -> Any:
        import torch

        openvino = importlib.import_module("openvino")
        # Tracing needs tensors outside of inference mode.
        with torch.inference_mode(mode=False), torch.no_grad():
            example = torch.from_numpy(x.contiguous().numpy().copy())
            module = self._module
            if self._eight_bit:
                module = with_eight_bits(module, example)
            with warnings.catch_warnings():
                # It traces the module in a way that newer versions of torch advise against.
                warnings.simplefilter("ignore", DeprecationWarning)
                model = openvino.convert_model(
                    module, example_input=example, input=list(example.shape)
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
