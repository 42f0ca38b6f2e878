"""Pickles of foreign origin: plain containers, numbers and text, and nothing else.

Unpickling can call any function. Two benchmarks publish pickles all the same; what they hold are
lists and dictionaries, for which nothing has to be looked up by name. What a pickle may cost is
bounded, too: the instructions that reserve memory by a number in the file are not taken, and
containers may neither hold themselves nor share so many parts that reading them has no end.
"""

from __future__ import annotations

import pickle
import pickletools
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

from videoseg.benchmarks.problems import Problems
from videoseg.files import read_bytes
from videoseg.text import shorten_text

__all__ = ["read_pickle"]

_MAX_VALUES = 20_000_000
_MAX_DEPTH = 50

_PLAIN = {
    *("MARK", "STOP", "POP", "POP_MARK", "DUP", "PROTO", "FRAME", "NONE"),
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("NEWTRUE", "NEWFALSE", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_SET", "ADDITEMS", "FROZENSET"),
    *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"),
}


class _RefusedError(Exception):
    pass


# The unpickler in C reserves memory by the numbers of a file; the one in Python keeps what it
# remembers in a dictionary and tells its instructions apart in a table.
class _PlainUnpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise _RefusedError(f"asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise _RefusedError(f"asks for the persistent object {str(pid)[:80]}")


def _refusal(name: str) -> Any:
    def refuse(_unpickler: Any) -> NoReturn:
        raise _RefusedError(f"holds the instruction {name}")

    return refuse


def _plain_dispatch() -> dict[int, Any]:
    table: dict[int, Any] = dict(pickle._Unpickler.dispatch)
    # These end in find_class or persistent_load, whose refusals say what is asked for.
    named = {"GLOBAL", "STACK_GLOBAL", "INST", "PERSID", "BINPERSID"}
    for opcode in pickletools.opcodes:
        if opcode.name not in _PLAIN | named:
            table[ord(opcode.code)] = _refusal(opcode.name)
    return table


_PlainUnpickler.dispatch = _plain_dispatch()


def read_pickle(path: Path, problems: Problems) -> Any:
    """Read a pickle of plain containers; None, with a problem noted, if that is not possible.

    Lists, tuples, dictionaries, sets, text, bytes, numbers, booleans and None are taken. Anything
    that would be looked up by name is refused before it is imported or called.
    """
    try:
        # Text of Python 2 comes as bytes in an encoding that is not written down.
        content = BytesIO(read_bytes(path))
        value = _PlainUnpickler(content, encoding="utf-8", errors="replace").load()
        _check_extent(value)
    except FileNotFoundError:
        problems.add(
            path, "is missing", fix="give the benchmark's folder as root, with all its files"
        )
    except OSError as error:
        problems.add(
            path,
            f"cannot be read ({error.strerror or error})",
            fix="check that it is a file you may read",
        )
    except _RefusedError as error:
        problems.add(
            path,
            f"is a pickle that {error}, which plain data does not",
            fix="do not trust this file; download it from the benchmark's own page, or convert "
            "it to JSON",
        )
    # A damaged pickle can end in nearly any error of the machine that reads it.
    except Exception as error:
        reason = shorten_text(" ".join(str(error).split()), 100)
        problems.add(
            path,
            f"is no readable pickle ({type(error).__name__}: {reason})",
            fix="download it again",
        )
    else:
        return value
    return None


def _check_extent(value: Any) -> None:
    """Refuse containers that hold themselves, or that are endless to whoever walks them.

    Raises:
        _RefusedError: If there are more than ``_MAX_VALUES`` values, those that are shared
            counted each time, or more than ``_MAX_DEPTH`` containers in each other.
    """
    extents: dict[int, int] = {}
    # From the outside in: a container, the parts of it that are still to be counted, and what
    # has been counted.
    path: list[tuple[Any, Any, int]] = [(None, iter([value]), 0)]
    while path:
        container, parts, extent = path.pop()
        for part in parts:
            if not isinstance(part, (list, tuple, dict, set, frozenset)):
                extent += 1
            elif id(part) in extents:
                extent += extents[id(part)]
            else:
                if len(path) > _MAX_DEPTH:
                    raise _RefusedError(f"holds more than {_MAX_DEPTH} containers in each other")
                path += [(container, parts, extent), (part, _parts(part), 0)]
                break
        else:
            extents[id(container)] = extent + 1
            if path:
                outer, rest, counted = path.pop()
                path.append((outer, rest, counted + extent + 1))
        if extent > _MAX_VALUES:
            raise _RefusedError(f"holds more than {_MAX_VALUES:,} values")


def _parts(container: Any) -> Any:
    if isinstance(container, dict):
        return (part for item in container.items() for part in item)
    return iter(container)
