"""Running an ONNX file: with onnxruntime where it is installed, or else with OpenCV."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from videoseg.errors import ConfigError, MissingDependencyError
from videoseg_detectors.yolox_boxes import FloatArray32

__all__ = ["Network", "Runtime", "load_network"]

Runtime: TypeAlias = Literal["auto", "opencv", "onnxruntime"]
Network: TypeAlias = Callable[[FloatArray32], FloatArray32]
"""From the input to the first output of a network."""

_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


def load_network(path: Path, runtime: Runtime) -> Network:
    """Load a network.

    Args:
        path: An ONNX file.
        runtime: ``auto`` is onnxruntime where it is installed.

    Raises:
        ConfigError: If the file cannot be loaded.
        MissingDependencyError: If onnxruntime was asked for and is not installed.
    """
    has_onnxruntime = importlib.util.find_spec("onnxruntime") is not None
    if runtime == "onnxruntime" and not has_onnxruntime:
        raise MissingDependencyError(
            "runtime='onnxruntime' needs onnxruntime, which is not installed: pip install "
            "'videoseg-detectors[onnx]', or leave the option out"
        )
    load = _with_onnxruntime if runtime != "opencv" and has_onnxruntime else _with_opencv
    try:
        return load(path)
    # Both libraries raise errors of their own for damaged files and for unknown operations.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"checkpoint {str(path)!r} cannot be loaded: {reason}") from error


def _with_onnxruntime(path: Path) -> Network:
    onnxruntime: Any = importlib.import_module("onnxruntime")
    available = onnxruntime.get_available_providers()
    session = onnxruntime.InferenceSession(
        str(path), providers=[name for name in _PROVIDERS if name in available]
    )
    name = session.get_inputs()[0].name

    def run(pixels: FloatArray32) -> FloatArray32:
        return np.asarray(session.run(None, {name: pixels})[0], dtype=np.float32)

    return run


def _with_opencv(path: Path) -> Network:
    import cv2

    network = cv2.dnn.readNetFromONNX(str(path))

    def run(pixels: FloatArray32) -> FloatArray32:
        network.setInput(pixels)
        return np.asarray(network.forward(), dtype=np.float32)

    return run
