"""Tiny networks with the input and the output of YOLOX, written as ONNX files by hand.

The package ``onnx`` is not needed: a file is a protocol buffer with few kinds of fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

_FLOAT, _INT64 = 1, 7  # of TensorProto.DataType
_INT, _INTS = 2, 7  # of AttributeProto.AttributeType
STRIDES = (8, 16, 32)


def save_tiny_yolox(
    path: Path,
    *,
    size: tuple[int | None, int | None] = (64, 64),
    num_classes: int = 3,
    batch: int | None = 1,
    channels: int = 3,
    seed: int = 0,
) -> Path:
    """Write a network with one convolution for each stride and random weights.

    Args:
        path: Where to.
        size: (height, width) of the input; None leaves a dimension open.
        num_classes: How many classes it scores.
        batch: How many images it takes; None leaves it open.
        channels: Of the input.
        seed: Seed of the weights.
    """
    rng = np.random.default_rng(seed)
    width = 5 + num_classes
    nodes, weights, parts = [], [], []
    for stride in STRIDES:
        kernel = rng.normal(size=(width, channels, stride, stride)) / (200 * stride)
        names = [f"{name}{stride}" for name in ("kernel", "raw", "box", "rest", "score", "all")]
        kernel_name, raw, box, rest, score, both = names
        weights.append(_tensor(kernel_name, kernel.astype(np.float32)))
        nodes += [
            _node("Conv", ["images", kernel_name], [raw], strides=[stride, stride]),
            _node("Slice", [raw, "zero", "four", "one"], [box]),
            _node("Slice", [raw, "four", "end", "one"], [rest]),
            _node("Sigmoid", [rest], [score]),
            _node("Concat", [box, score], [both], axis=1),
            _node("Reshape", [both, "flat"], [f"flat{stride}"]),
        ]
        parts.append(f"flat{stride}")
    nodes += [
        _node("Concat", parts, ["places"], axis=2),
        _node("Transpose", ["places"], ["output"], perm=[0, 2, 1]),
    ]
    numbers = {"zero": [0], "one": [1], "four": [4], "end": [width], "flat": [1, width, -1]}
    weights += [_tensor(name, np.array(value, dtype=np.int64)) for name, value in numbers.items()]
    graph = b"".join(
        [
            *(_bytes(1, node) for node in nodes),
            _bytes(2, b"tiny"),
            *(_bytes(5, weight) for weight in weights),
            _bytes(11, _value("images", (batch, channels, *size))),
            _bytes(12, _value("output", (1, None, width))),
        ]
    )
    opset = _bytes(1, b"") + _number(2, 11)
    path.write_bytes(_number(1, 6) + _bytes(7, graph) + _bytes(8, opset))
    return path


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _tensor(name: str, array: np.ndarray) -> bytes:
    kind = _INT64 if array.dtype == np.int64 else _FLOAT
    dimensions = b"".join(_number(1, size) for size in array.shape)
    return dimensions + _number(2, kind) + _bytes(8, name.encode()) + _bytes(9, array.tobytes())


def _node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **given: object) -> bytes:
    attributes = b""
    for name, value in given.items():
        if isinstance(value, int):
            content = _number(3, value) + _number(20, _INT)
        else:
            content = b"".join(_number(8, one) for one in value) + _number(20, _INTS)
        attributes += _bytes(5, _bytes(1, name.encode()) + content)
    return (
        b"".join(_bytes(1, name.encode()) for name in inputs)
        + b"".join(_bytes(2, name.encode()) for name in outputs)
        + _bytes(3, f"{kind}_{outputs[0]}".encode())
        + _bytes(4, kind.encode())
        + attributes
    )


def _value(name: str, shape: Sequence[int | None]) -> bytes:
    dimensions = b"".join(
        _bytes(1, _bytes(2, b"open") if size is None else _number(1, size)) for size in shape
    )
    tensor = _number(1, _FLOAT) + _bytes(2, dimensions)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))
