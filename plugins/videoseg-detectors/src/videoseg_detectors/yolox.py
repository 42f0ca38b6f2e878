"""The detector ``yolox``."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval

from videoseg.errors import ConfigError
from videoseg.plugins import checked_options
from videoseg.types import Box, Detection, Frame, Size
from videoseg_detectors.coco import COCO_CLASSES
from videoseg_detectors.matching import NameMatcher
from videoseg_detectors.onnx_header import input_shape
from videoseg_detectors.onnx_runtimes import Network, Runtime, load_network
from videoseg_detectors.yolox_boxes import (
    RawBoxes,
    decode,
    letterbox,
    num_places,
    suppress,
)
from videoseg_detectors.yolox_files import check_hash, find_checkpoint

__all__ = ["YoloxDetector"]

_NOT_CLASSES = 5  # center, size and objectness
_OPEN_SIDE = 640  # of inputs whose size the file leaves open; that of training
_LARGEST_STRIDE = 32


class YoloxDetector:
    """YOLOX (Ge et al., 2021) in an ONNX file, run by OpenCV or onnxruntime.

    Each place of the network belongs to its best class. A name stands for one class or several
    (see ``NameMatcher``); boxes of one name that overlap are removed but for the best. Frames are
    read one at a time, as the published files take them.

    Args:
        checkpoint: A published file (``nano``, ``tiny``, ``s``, ``m``, ``l``, ``x``, looked for in
            ``~/.cache/videoseg/yolox``), or the path of an ONNX file.
        class_names: The classes of a file of your own, in order; by default those of COCO.
        min_score: Boxes must score more. The default is that of the official demo.
        max_overlap: Largest intersection over union of two boxes of one name. The default is
            that of the official demo.
        decoded: Whether the file gives boxes in pixels, as one exported with
            ``--decode_in_inference`` does. The published files do not.
        runtime: ``opencv``, ``onnxruntime``, or ``auto``: onnxruntime where it is installed.

    Raises:
        ConfigError: If an option is not allowed, or the file is no ONNX file.
        MissingWeightsError: If the file is not on this machine; the message has the command.
    """

    @checked_options("detector 'yolox'")
    def __init__(
        self,
        *,
        checkpoint: str | Path = "nano",
        class_names: tuple[str, ...] | None = None,
        min_score: Annotated[float, Interval(ge=0, le=1)] = 0.3,
        max_overlap: Annotated[float, Interval(ge=0, le=1)] = 0.45,
        decoded: bool = False,
        runtime: Runtime = "auto",
    ) -> None:
        class_names = COCO_CLASSES if class_names is None else class_names
        if not class_names or len(set(class_names)) < len(class_names):
            raise ConfigError("class_names must name each class of the file once, in its order")
        self._checkpoint = checkpoint
        self._matcher = NameMatcher(class_names)
        self._min_score, self._max_overlap = min_score, max_overlap
        self._decoded = decoded
        self._runtime: Runtime = runtime
        self._lock = threading.Lock()
        self._network: Network | None = None
        self._path = find_checkpoint(checkpoint)
        self._size = _input_size(self._path)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The classes of the file."""
        return self._matcher.vocabulary

    def unknown_names(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return those of the names that are neither a class nor a word for some of them."""
        return self._matcher.unknown(names)

    def detect(self, frames: Sequence[Frame], names: Sequence[str]) -> list[list[Detection]]:
        """Find things on each of several frames; see ``videoseg.Detector.detect``.

        Raises:
            UnknownNameError: If one of the names is not known.
            ConfigError: If the file is damaged or not of YOLOX, or has other classes.
        """
        matches = self._matcher.require(names)
        if not matches:
            return [[] for _ in frames]
        numbers = {name: number for number, name in enumerate(self.vocabulary)}
        wanted = {
            name: np.array([numbers[one] for one in match.classes])
            for name, match in matches.items()
        }
        return [self._detect(frame, wanted) for frame in frames]

    def _detect(self, frame: Frame, wanted: dict[str, Any]) -> list[Detection]:
        pixels, scale = letterbox(frame, self._size)
        raw = self._run(pixels)
        size = (frame.shape[0], frame.shape[1])
        found = [
            detection
            for name, classes in wanted.items()
            for detection in self._choose(raw, name, classes, size, scale)
        ]
        return sorted(found, key=lambda detection: -detection.score)

    def _choose(
        self, raw: RawBoxes, name: str, classes: Any, size: Size, scale: float
    ) -> list[Detection]:
        fits = np.isin(raw.classes, classes) & (raw.scores > self._min_score)
        fits &= np.isfinite(raw.corners).all(axis=1)
        corners, scores = raw.corners[fits] / scale, raw.scores[fits]
        kept = suppress(corners, scores, max_overlap=self._max_overlap)
        found = []
        for index in kept:
            x1, y1, x2, y2 = corners[index].tolist()
            box = Box(x1, y1, x2, y2).clipped(size) if x1 < x2 and y1 < y2 else None
            if box is not None:
                class_name = self.vocabulary[int(raw.classes[fits][index])]
                # Products of two sigmoids may exceed 1 by a rounding error.
                found.append(Detection(box, name, min(1.0, float(scores[index])), class_name))
        return found

    def _run(self, pixels: Any) -> RawBoxes:
        # OpenCV's networks keep their input, so that only one frame can be in one.
        with self._lock:
            if self._network is None:
                check_hash(self._path, self._checkpoint)
                self._network = load_network(self._path, self._runtime)
            output = self._network(pixels)
        expected = (1, num_places(self._size), _NOT_CLASSES + len(self.vocabulary))
        if output.shape != expected:
            raise ConfigError(
                f"checkpoint {str(self._path)!r} gives numbers of shape {output.shape} where a "
                f"YOLOX of {len(self.vocabulary)} classes gives {expected}; give a file of YOLOX, "
                "with its classes as class_names if they are not those of COCO"
            )
        return decode(output[0], self._size, is_decoded=self._decoded)

    def close(self) -> None:
        """Free the network; the next call loads it again."""
        with self._lock:
            self._network = None

    def __getstate__(self) -> dict[str, Any]:
        # Another process loads its own network.
        return {**self.__dict__, "_network": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"YoloxDetector(checkpoint={str(self._checkpoint)!r})"


def _input_size(path: Path) -> Size:
    """Return (height, width) of a file's input.

    Raises:
        ConfigError: If it is no image of YOLOX, or is for several images at once.
    """
    shape = input_shape(path)
    if len(shape) != 4 or shape[1] not in (3, None):
        raise ConfigError(
            f"checkpoint {str(path)!r} takes an input of shape {shape}, not one image "
            "(1, 3, height, width); give a file of YOLOX"
        )
    if shape[0] not in (1, None):
        raise ConfigError(
            f"checkpoint {str(path)!r} takes {shape[0]} images at once; export it for one "
            "(--batch-size 1)"
        )
    height, width = shape[2] or _OPEN_SIDE, shape[3] or _OPEN_SIDE
    if height % _LARGEST_STRIDE or width % _LARGEST_STRIDE:
        raise ConfigError(
            f"checkpoint {str(path)!r} takes images of {height}x{width} pixels, but sides of "
            f"YOLOX are multiples of {_LARGEST_STRIDE}"
        )
    return height, width
