"""The arithmetic around a YOLOX network: pixels in, boxes out.

After YOLOX (Ge et al., 2021, arXiv:2107.08430) and its official demo for ONNX
(``demo/ONNXRuntime/onnx_inference.py`` with ``preproc``, ``demo_postprocess`` and
``multiclass_nms``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from videoseg.types import Frame, IntArray, Size

__all__ = ["FloatArray32", "RawBoxes", "decode", "letterbox", "num_places", "suppress"]

FloatArray32 = npt.NDArray[np.float32]

_GRAY = 114  # of the border, as in training
_STRIDES = (8, 16, 32)
# exp() of more overflows float32; no side of a trained network is as long.
_LARGEST_LOG = 20.0


def letterbox(frame: Frame, size: Size) -> tuple[FloatArray32, float]:
    """Return the network's input for a frame, and how much it was scaled.

    The frame keeps its proportions, lies at the top left, and the rest is gray.

    Args:
        frame: RGB uint8, shape (H, W, 3).
        size: (height, width) of the input.

    Returns:
        (blue, green, red as 0 to 255, shape (1, 3, height, width); pixels of the input for one
        of the frame)
    """
    import cv2

    height, width = frame.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    # A very long frame keeps a row.
    rows, columns = max(1, int(height * scale)), max(1, int(width * scale))
    small = cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_LINEAR)
    padded = np.full((*size, 3), _GRAY, dtype=np.uint8)
    padded[:rows, :columns] = small
    channels_first = padded[..., ::-1].transpose(2, 0, 1)
    return np.ascontiguousarray(channels_first, dtype=np.float32)[None], scale


@dataclass(frozen=True, eq=False, slots=True)
class RawBoxes:
    """What the network says of each place of its grids.

    Args:
        corners: x1, y1, x2, y2 in pixels of the input, shape (A, 4).
        scores: Objectness times the score of the best class, in [0, 1], shape (A,).
        classes: The best class, shape (A,).
    """

    corners: FloatArray32
    scores: FloatArray32
    classes: IntArray


def num_places(size: Size) -> int:
    """Return how many boxes a network with an input of this size proposes."""
    return sum((size[0] // stride) * (size[1] // stride) for stride in _STRIDES)


def decode(output: FloatArray32, size: Size, *, is_decoded: bool = False) -> RawBoxes:
    """Return boxes and scores from the output of a network.

    Args:
        output: Shape (A, 5 + C): center and logarithm of the size relative to grid and
            stride, objectness, a score for each class.
        size: (height, width) of the input.
        is_decoded: Whether centers and sizes are in pixels of the input already.
    """
    centers, sides = output[:, :2], output[:, 2:4]
    if not is_decoded:
        grids, strides = _grids(size)
        centers = (centers + grids) * strides
        sides = np.exp(np.minimum(sides, _LARGEST_LOG)) * strides
    corners = np.concatenate([centers - sides / 2, centers + sides / 2], axis=1)
    per_class = output[:, 5:]
    classes = per_class.argmax(axis=1)
    scores = output[:, 4] * per_class[np.arange(len(classes)), classes]
    return RawBoxes(corners, scores, classes)


def _grids(size: Size) -> tuple[FloatArray32, FloatArray32]:
    """Return the place (x, y) of each box in its grid, (A, 2), and the stride of it, (A, 1)."""
    grids, strides = [], []
    for stride in _STRIDES:
        rows, columns = size[0] // stride, size[1] // stride
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        grids.append(np.stack([x, y], axis=2).reshape(-1, 2))
        strides.append(np.full((rows * columns, 1), stride))
    return (
        np.concatenate(grids).astype(np.float32),
        np.concatenate(strides).astype(np.float32),
    )


def suppress(boxes: Any, scores: Any, *, max_overlap: float) -> list[int]:
    """Return which boxes remain, the highest score first, when those they cover are removed.

    Args:
        boxes: x1, y1, x2, y2, shape (N, 4).
        scores: Shape (N,); boxes that score 0 are removed.
        max_overlap: Of two boxes with a larger intersection over union the better one remains.
    """
    import cv2

    if not len(boxes):
        return []
    x1, y1, x2, y2 = np.asarray(boxes, dtype=np.float64).T
    rectangles = np.stack([x1, y1, x2 - x1, y2 - y1], axis=1).tolist()
    kept = cv2.dnn.NMSBoxes(rectangles, np.asarray(scores).tolist(), 0.0, max_overlap)
    return [int(index) for index in np.asarray(kept).reshape(-1)]
