"""The imports of pickles, found without running them."""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["foreign_globals", "is_whole_pickle"]

_MAX_BYTES = 64 * 2**20  # imports come before the numbers, where a pickle has both
_MAX_STEPS = 2_000_000
_MAX_PICKLES = 5  # before zip archives, torch wrote this many one after another

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)

# What torch.save writes for tensors; loading these by name runs nothing else.
_TENSOR_GLOBALS = re.compile(
    r"collections\.(OrderedDict|defaultdict|Counter)"
    r"|(builtins|__builtin__)\.(set|frozenset|bytearray|complex|dict|list|int|float)"
    r"|_codecs\.encode"
    r"|torch\.(\w+Storage|Size|Tensor|device|dtype|b?float\w+|u?int\w+|q\w+|bool|complex\w+)"
    r"|torch\.storage\.\w+Storage"
    r"|torch\._utils\._rebuild_\w+"
    r"|torch\._tensor\._rebuild_from_type_v2"
    r"|torch\.nn\.parameter\.(Parameter|Buffer)"
    r"|torch\.serialization\._get_layout"
)


def foreign_globals(path: Path) -> list[str]:
    """Return the names that the pickles of a file import beside those of tensors, sorted."""
    with path.open("rb") as file:
        names = [name for stream in _streams(file) for name in _pickle_globals(stream)]
    # Other bytes can look like a pickle, but hardly hold the name of a Python object.
    return sorted(
        {name for name in names if _NAME.fullmatch(name) and not _TENSOR_GLOBALS.fullmatch(name)}
    )


def pickle_protocol(path: Path) -> int | None:
    """Return the protocol of the first pickle of a file; None if it does not say."""
    with path.open("rb") as file:
        heads = [stream.read(2) for stream in _streams(file)]
    return next((head[1] for head in heads if len(head) == 2 and head[0] == 0x80), None)


def _streams(file: BinaryIO) -> Iterator[io.BytesIO]:
    """Yield the parts with pickles: members of a zip archive, or the beginning of the file."""
    if file.read(2) != b"PK":
        yield _beginning(file)
        return
    try:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                if name == "data.pkl" or name.endswith("/data.pkl"):
                    with archive.open(name) as member:
                        yield io.BytesIO(member.read(_MAX_BYTES))
    # A damaged archive can raise nearly any error.
    except Exception:
        return


def _pickle_globals(stream: io.BytesIO) -> Iterator[str]:
    """Yield the names that the pickles at the beginning of a stream import."""
    for _ in range(_MAX_PICKLES):
        is_whole = yield from _globals(stream)
        if not is_whole:
            return


def is_whole_pickle(file: BinaryIO) -> bool:
    """Return whether a file begins with a whole pickle, which may be of an old protocol."""
    walk = _globals(_beginning(file))
    while True:
        try:
            next(walk)
        except StopIteration as end:
            return bool(end.value)


def _beginning(file: BinaryIO) -> io.BytesIO:
    # Bounded, since a few bytes can make the rest be read at once.
    file.seek(0)
    return io.BytesIO(file.read(_MAX_BYTES))


def _globals(file: io.BytesIO) -> Generator[str, None, bool]:
    """Yield the names that one pickle imports, without running it; return whether it is whole."""
    strings: list[str] = []
    memo: dict[Any, str] = {}
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            kind = opcode.name
            if kind in ("GLOBAL", "INST"):
                yield ".".join(str(argument).split(" ", 1))
            elif kind == "STACK_GLOBAL":
                yield ".".join(strings[-2:])
            elif kind == "MEMOIZE" or kind.endswith("PUT"):
                memo[len(memo) if argument is None else argument] = "".join(strings[-1:])
            elif kind.endswith("GET"):
                strings = [*strings[-1:], memo.get(argument, "")]
            elif isinstance(argument, str):
                strings = [*strings[-1:], argument]
            if number > _MAX_STEPS:
                return False
    # A damaged pickle may end anywhere, and what follows the pickles is not one.
    except Exception:
        return False
    return True
