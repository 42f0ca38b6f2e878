"""The shape of the first input of an ONNX file, read without a library.

OpenCV does not tell the shape of an input. An ONNX file is a protocol buffer, of which only the
few fields on the way to the shape are read here; the weights are skipped.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from videoseg.errors import ConfigError

__all__ = ["input_shape"]

# Numbers of fields in onnx.proto3.
_GRAPH, _INITIALIZER, _INPUT = 7, 5, 11
_NAME, _TYPE, _TENSOR, _SHAPE, _DIMENSION, _VALUE = 1, 2, 1, 2, 1, 1
_INITIALIZER_NAME = 8
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_LONGEST_VARINT = 10


def input_shape(path: Path) -> tuple[int | None, ...]:
    """Return the shape of the first input that is no weight.

    Args:
        path: The file.

    Returns:
        The dimensions; None where the file leaves one open.

    Raises:
        ConfigError: If it is not a whole ONNX file.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _find_shape(data)
    except (OSError, ValueError, StopIteration) as error:
        raise ConfigError(
            f"checkpoint {str(path)!r} is no ONNX file, or is cut short or damaged; give an ONNX "
            "file of YOLOX, or download it again"
        ) from error


def _find_shape(data: mmap.mmap) -> tuple[int | None, ...]:
    graphs = [span for number, span in _fields(data, (0, len(data))) if number == _GRAPH]
    weights: set[bytes] = set()
    inputs: list[tuple[int, int]] = []
    for number, span in _fields(data, graphs[0] if graphs else (0, 0)):
        if number == _INITIALIZER:
            # Old exports list weights among the inputs.
            weights.add(_bytes(data, _first(data, span, _INITIALIZER_NAME)))
        elif number == _INPUT:
            inputs.append(span)
    for span in inputs:
        if _bytes(data, _first(data, span, _NAME)) in weights:
            continue
        for step in (_TYPE, _TENSOR, _SHAPE):
            span = _first(data, span, step)
        dimensions = [inner for number, inner in _fields(data, span) if number == _DIMENSION]
        return tuple(_dimension(data, inner) for inner in dimensions)
    raise ValueError("there is no input")


def _dimension(data: mmap.mmap, span: tuple[int, int]) -> int | None:
    position, end = span
    while position < end:
        key, position = _varint(data, position, end)
        if key == (_VALUE << 3) | _VARINT:
            value, _ = _varint(data, position, end)
            return value or None
        _, position = _skip(data, key, position, end)
    return None


def _first(data: mmap.mmap, span: tuple[int, int], wanted: int) -> tuple[int, int]:
    return next((inner for number, inner in _fields(data, span) if number == wanted), (0, 0))


def _bytes(data: mmap.mmap, span: tuple[int, int]) -> bytes:
    return data[span[0] : span[1]]


def _fields(data: mmap.mmap, span: tuple[int, int]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield the number and the place of every field of bytes in a message."""
    position, end = span
    while position < end:
        key, position = _varint(data, position, end)
        inner, position = _skip(data, key, position, end)
        if key & 7 == _BYTES:
            yield key >> 3, inner


def _skip(data: mmap.mmap, key: int, position: int, end: int) -> tuple[tuple[int, int], int]:
    """Return the place of a field's content, and where the next field begins."""
    kind = key & 7
    if kind == _VARINT:
        _, after = _varint(data, position, end)
        return (position, after), after
    if kind == _BYTES:
        length, position = _varint(data, position, end)
    elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
        length = 8 if kind == _EIGHT_BYTES else 4
    else:
        raise ValueError(f"a field of kind {kind}")
    if position + length > end:
        raise ValueError("the file ends inside a field")
    return (position, position + length), position + length


def _varint(data: mmap.mmap, position: int, end: int) -> tuple[int, int]:
    value = 0
    for index in range(_LONGEST_VARINT):
        if position >= end:
            raise ValueError("the file ends inside a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position
    raise ValueError("a number of too many bytes")
