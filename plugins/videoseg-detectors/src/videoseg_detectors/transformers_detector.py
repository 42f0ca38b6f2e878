"""What the detectors that run models of transformers share: batches, boxes, freeing."""

from __future__ import annotations

import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from videoseg.devices import is_out_of_memory, pick_device, release_memory, torch_defaults
from videoseg.errors import ConfigError
from videoseg.types import BoolArray, Box, Detection, Frame, Rle, Size
from videoseg_detectors.checkpoints import (
    DEVICE_KINDS,
    CheckpointChoice,
    LoadedModel,
    require_checkpoint,
)
from videoseg_detectors.yolox_boxes import suppress

__all__ = ["TransformersDetector", "make_detections"]


class TransformersDetector(ABC):
    """The base of detectors that load a checkpoint on first use. Calls are made one at a time.

    Args:
        choice: The checkpoint.
        max_batch: How many frames are in one batch.
    """

    def __init__(self, choice: CheckpointChoice, *, max_batch: int) -> None:
        self._choice = choice
        self._max_batch = max_batch
        self._lock = threading.Lock()
        self._loaded: LoadedModel | None = None
        # So that a pipeline reports missing weights before its first stage runs.
        require_checkpoint(choice)
        pick_device(choice.device, kinds=DEVICE_KINDS)

    @abstractmethod
    def _load(self) -> LoadedModel:
        """Load the checkpoint."""

    @abstractmethod
    def _detect_batch(
        self, model: LoadedModel, images: list[Any], size: Size, names: Sequence[str]
    ) -> list[list[Detection]]:
        """Find things on pictures of one size, given as images of Pillow."""

    def detect(self, frames: Sequence[Frame], names: Sequence[str]) -> list[list[Detection]]:
        """Find things on each of several frames; see ``videoseg.Detector.detect``.

        Raises:
            UnknownNameError: If one of the names is not known.
            MissingWeightsError: If the checkpoint is not on this machine.
            ConfigError: If it is damaged or of another kind, or memory runs out.
        """
        names = tuple(dict.fromkeys(names))
        if not names:
            return [[] for _ in frames]
        answers: dict[int, list[Detection]] = {}
        for indices in self._batches(frames):
            found = self._run([frames[index] for index in indices], names)
            answers.update(zip(indices, found, strict=True))
        return [sorted(answers[index], key=lambda one: -one.score) for index in range(len(frames))]

    def _batches(self, frames: Sequence[Frame]) -> Iterator[list[int]]:
        """Yield the indices of frames of one size, not more at once than allowed.

        Frames of one size need no borders, so that a batch gives what single frames give.
        """
        by_size: dict[tuple[int, ...], list[int]] = {}
        for index, frame in enumerate(frames):
            by_size.setdefault(frame.shape, []).append(index)
        for indices in by_size.values():
            for start in range(0, len(indices), self._max_batch):
                yield indices[start : start + self._max_batch]

    def _run(self, frames: list[Frame], names: Sequence[str]) -> list[list[Detection]]:
        import torch
        from PIL import Image

        size = (frames[0].shape[0], frames[0].shape[1])
        images = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
        with self._lock, torch_defaults(), torch.inference_mode():
            self._loaded = self._loaded or self._load()
            remedy = f" with {len(frames)} frames; lower max_batch, or take a smaller model"
            with self._explained_memory(remedy):
                return self._detect_batch(self._loaded, images, size, names)

    @contextmanager
    def _explained_memory(self, remedy: str) -> Iterator[None]:
        """Turn a lack of memory into an error that says what to do."""
        try:
            yield
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            # The frames of the traceback hold references to what fills the memory.
            traceback.clear_frames(error.__traceback__)
            release_memory()
            raise ConfigError(
                f"{self._choice.model!r} ran out of memory on {self.device}{remedy}"
            ) from error

    @property
    def device(self) -> str | None:
        """The device of the model; None before it is loaded."""
        return None if self._loaded is None else str(self._loaded.device)

    def close(self) -> None:
        """Free the model; the next call loads it again."""
        with self._lock:
            self._loaded = None
            release_memory()

    def __getstate__(self) -> dict[str, Any]:
        # Another process loads its own model.
        return {**self.__dict__, "_loaded": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self._choice.model!r})"


def make_detections(
    answer: Mapping[str, Any],
    label: str,
    size: Size,
    *,
    max_overlap: float,
    class_names: Sequence[str] = (),
    masks: BoolArray | None = None,
) -> list[Detection]:
    """Return detections from what a processor of transformers makes of one picture.

    Args:
        answer: ``scores`` (N,) and ``boxes`` (N, 4) as tensors, corners in pixels of the frame.
        label: The name that was asked for.
        size: (height, width) of the frame.
        max_overlap: Of boxes with a larger intersection over union the best remains.
        class_names: The model's own name for each box; empty for none.
        masks: Shape (N, H, W); None for none.
    """
    scores = answer["scores"].float().cpu().numpy()
    boxes = answer["boxes"].float().cpu().numpy().reshape(-1, 4)
    places = np.arange(len(scores))
    # Boxes without area, and numbers of a damaged checkpoint.
    fits = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    fits &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    places = places[fits]
    kept = suppress(boxes[places], scores[places], max_overlap=max_overlap)
    found = []
    for place in places[kept].tolist() if kept else ():
        box = Box(*boxes[place].tolist()).clipped(size)
        if box is not None:
            class_name = class_names[place] if class_names else ""
            mask = None if masks is None else Rle.encode(masks[place])
            found.append(Detection(box, label, min(1.0, float(scores[place])), class_name, mask))
    return found
