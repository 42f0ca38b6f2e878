"""Read pickles of plain data, without running what they may contain.

Pickles may contain plain containers, numbers and text only: unpickling can call any function, but
two benchmarks publish pickles of lists and dictionaries, for which nothing is looked up by name.
The cost of a pickle is bounded as well: instructions that allocate memory by a number in the file
are refused, and containers may neither contain themselves nor share so many parts that iterating
through them does not end.
"""

from __future__ import annotations

import pickle
import pickletools
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

from videoseg.benchmarks import Problems, read_content
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


# The unpickler in C allocates memory by numbers in the file. The one in Python keeps its memo in
# a dictionary and looks up instructions in a table, which can be restricted.
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
    """Read a pickle of plain containers; None, with a problem noted, if that fails.

    Lists, tuples, dictionaries, sets, text, bytes, numbers, booleans and None are accepted.
    Anything looked up by name is refused before it is imported or called.
    """
    try:
        content = read_content(path, problems)
        if content is None:
            return None
        # Text of Python 2 is stored as bytes without its encoding.
        reader = _PlainUnpickler(BytesIO(content), encoding="utf-8", errors="replace")
        value = reader.load()
        _check_extent(value)
    except _RefusedError as error:
        problems.add(
            path,
            f"is a pickle that {error}, which plain data does not",
            fix="do not trust this file; download it from the benchmark's own page, or convert "
            "it to JSON",
        )
    # A damaged pickle can raise nearly any error.
    except Exception as error:
        reason = shorten_text(" ".join(str(error).split()), 100)
        problems.add(
            path,
            f"is not a readable pickle ({type(error).__name__}: {reason})",
            fix="download it again",
        )
    else:
        return value
    return None


def _check_extent(value: Any) -> None:
    """Refuse containers that contain themselves, or are endless to iterate through.

    Raises:
        _RefusedError: If there are more than ``_MAX_VALUES`` values, shared ones counted each
            time, or more than ``_MAX_DEPTH`` nested containers.
    """
    extents: dict[int, int] = {}
    # From the outside in: a container, its parts that have not been counted, and the count.
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
                    raise _RefusedError(f"nests more than {_MAX_DEPTH} containers")
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
