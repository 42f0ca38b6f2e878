"""What a server sends, read within bounds: bytes, text, and the JSON in it."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from videoseg.text import parse_json, printable, well_formed
from videoseg_vlm.server.event_streams import read_events

__all__ = ["MAX_BYTES", "UnreadableBodyError", "clean_strings", "decode", "join", "parse"]

MAX_BYTES = 16 * 2**20
"""Longest body that is read, before and after it is decoded; answers are far shorter."""

_MOST_PARTS = 1_000_000
"""Most values in a body: each takes far more memory than its characters."""

_EVENTS = re.compile(r"\s*(data|event|id|retry)?:")
_LAYERS = 3
_MOST_MEMBERS = 32


class UnreadableBodyError(ValueError):
    """A body that will be no better when it is asked for again."""


def join(chunks: Iterable[bytes]) -> bytes:
    """Return the whole of a body.

    Raises:
        UnreadableBodyError: If it is longer than ``MAX_BYTES``.
    """
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_BYTES:
            raise _too_long()
    return bytes(body)


def decode(body: bytes, encoding: str) -> str:
    """Return a body as text.

    Args:
        body: The bytes received.
        encoding: The header ``Content-Encoding``. None but ``identity`` is asked for, and some
            servers compress all the same.

    Raises:
        UnreadableBodyError: If it is compressed in an unknown way, or longer than
            ``MAX_BYTES`` after decompression, or of so many parts that it would fill the memory.
        ValueError: If it is damaged.
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    layers = [] if _is_text(body) else [name for name in names if name not in ("", "identity")]
    if len(layers) > _LAYERS or not set(layers) <= {"gzip", "x-gzip", "deflate"}:
        raise UnreadableBodyError(f"compressed in a way that was not asked for ({encoding})")
    for name in reversed(layers):
        body = _unpack(body, name)
    # Unmarked, JSON is UTF-8; a damaged character need not cost an answer.
    is_utf_16 = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = body.decode("utf-16" if is_utf_16 else "utf-8-sig", errors="replace")
    if sum(text.count(sign) for sign in ",[{") > _MOST_PARTS:
        raise UnreadableBodyError("made of more parts than any answer may have")
    return text


def _is_text(body: bytes) -> bool:
    """Whether a body is not compressed, though a gateway may have left the header that says so.

    Others name there what is no compression, such as ``utf-8``.
    """
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unpack(body: bytes, name: str) -> bytes:
    # With the header of gzip or zlib; some servers send deflate data without any.
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        unpacked, rest = bytearray(), body
        try:
            # Data of gzip may come in several parts, each with its own header.
            for _ in range(_MOST_MEMBERS):
                decompressor = zlib.decompressobj(window)
                unpacked += decompressor.decompress(rest, MAX_BYTES + 1 - len(unpacked))
                if len(unpacked) > MAX_BYTES:
                    raise _too_long()
                rest = decompressor.unused_data
                if decompressor.eof and not rest:
                    return bytes(unpacked)
        except zlib.error:
            continue
    raise ValueError(f"damaged {name} data")


def _too_long() -> UnreadableBodyError:
    return UnreadableBodyError(f"longer than any answer may be ({MAX_BYTES // 2**20} MB)")


def parse(text: str) -> Any:
    """Return what a body says: the JSON value, or the answer that a stream of events makes up.

    Raises:
        ValueError: If it is neither, or not whole.
    """
    return read_events(text) if _EVENTS.match(text) else parse_json(text)


def clean_strings(data: Any, redact: Callable[[str], str]) -> Any:
    """Return a JSON value whose strings can be shown and written anywhere.

    Args:
        data: The value; its lists and dicts are changed in place.
        redact: Takes secrets out of a string.
    """

    def clean(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not value.isprintable():
            value = printable(well_formed(value), keep="\n\t")
        return redact(value)

    # A loop, since what can be parsed may be nested deeper than functions can.
    remaining = [data]
    while remaining:
        value = remaining.pop()
        if isinstance(value, list):
            value[:] = [clean(item) for item in value]
            remaining += value
        elif isinstance(value, dict):
            cleaned = {clean(name): clean(item) for name, item in value.items()}
            value.clear()
            value.update(cleaned)
            remaining += cleaned.values()
    return clean(data)
