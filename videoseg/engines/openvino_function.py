"""A module of torch that runs in OpenVINO, which is faster than torch on many CPUs."""

from __future__ import annotations

import copy
import importlib
import threading
import warnings
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from videoseg.engines.eight_bits import with_eight_bits

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["OpenVinoFunction"]


class OpenVinoFunction:
    """Does in OpenVINO what a module of torch does with tensors, on the CPU and in float32.

    The module is converted when the first tensors of some shapes come, which takes seconds, and
    kept for the shapes seen last. It may be called from several threads.

    Args:
        module: Maps tensors of float32 to several, by steps that depend on their shapes alone.
            It is copied, and must be one that ``torch.jit.trace`` can follow.
        eight_bit: Whether its convolutions and linear layers multiply 8-bit numbers. The ranges
            of their inputs are those that the first tensors of a shape have.
        exact: Names of submodules that compute in float32 all the same.
        batches: Which inputs are batches of one length, which may change from call to call
            without another conversion. The module must not depend on it.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        eight_bit: bool = False,
        exact: Collection[str] = (),
        batches: Collection[int] = (),
    ) -> None:
        self._module = copy.deepcopy(module).eval()
        self._eight_bit = eight_bit
        self._exact = exact
        self._batches = batches
        self._shapes: list[list[int]] = []
        self._compiled: Any = None
        self._lock = threading.Lock()

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return what the module does, contiguous."""
        import torch

        arrays = [x.contiguous().numpy() for x in inputs]
        # OpenVINO takes -1 for any length.
        shapes = [
            [-1, *x.shape[1:]] if number in self._batches else list(x.shape)
            for number, x in enumerate(inputs)
        ]
        with self._lock:
            if self._shapes != shapes:
                self._compiled = self._convert(arrays, shapes)
                self._shapes = shapes
            request = self._compiled.create_infer_request()
        # The results are copies, so the request may go.
        found = request.infer(arrays)
        return tuple(torch.from_numpy(value) for value in found.values())

    def _convert(self, arrays: Sequence[Any], shapes: list[list[int]]) -> Any:
        import torch

        openvino = importlib.import_module("openvino")
        # Tracing needs tensors outside of inference mode.
        with torch.inference_mode(mode=False), torch.no_grad():
            examples = tuple(torch.from_numpy(array.copy()) for array in arrays)
            module = self._module
            if self._eight_bit:
                module = with_eight_bits(module, *examples, exact=self._exact)
            # Traced with a batch of one, some steps are recorded as if it were always so.
            examples = tuple(
                torch.cat([x, x]) if number in self._batches and len(x) == 1 else x
                for number, x in enumerate(examples)
            )
            with warnings.catch_warnings():
                # Newer versions of torch advise against tracing, which OpenVINO needs.
                warnings.simplefilter("ignore", DeprecationWarning)
                # What a module computes of shapes is recorded as it is for these shapes.
                warnings.simplefilter(
                    "ignore",
                    torch.jit.TracerWarning,  # type: ignore[attr-defined]
                )
                # OpenVINO would trace by itself, and let torch check by running it thrice more.
                traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                    module, examples, strict=False, check_trace=False
                )
            model = _converted(openvino, traced, examples, shapes)
        return _core().compile_model(
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


@lru_cache(maxsize=1)
def _core() -> Any:
    """Return OpenVINO's core, one for all networks.

    Its plug-in for CPUs moves the stack on which signals are handled. The second of two cores
    puts back that of the first, which may be gone by then: Ctrl-C would crash the program.
    """
    return importlib.import_module("openvino").Core()


def _converted(openvino: Any, traced: Any, examples: Any, shapes: list[list[int]]) -> Any:
    """Return a traced module as a model of OpenVINO, for tensors of float32.

    It does what ``openvino.convert_model`` does but for sending statistics to its makers, for
    which a process is started that waits for the network.
    """
    decoders = importlib.import_module("openvino.frontend.pytorch.ts_decoder")
    frontend = importlib.import_module("openvino.frontend").FrontEndManager()
    frontend = frontend.load_by_framework("pytorch")
    # OpenVINO does not keep it alive.
    decoder = decoders.TorchScriptPythonDecoder(traced, example_input=examples)
    loaded = frontend.load(decoder)
    for place, shape in zip(loaded.get_inputs(), shapes, strict=True):
        loaded.set_element_type(place, openvino.Type.f32)
        loaded.set_partial_shape(place, openvino.PartialShape(shape))
    model = frontend.convert(loaded)
    # Without these, compiling does not recognize 8-bit numbers.
    steps = importlib.import_module("openvino._offline_transformations")
    steps.apply_moc_transformations(model, cf=False, smart_reshape=False)
    return model
