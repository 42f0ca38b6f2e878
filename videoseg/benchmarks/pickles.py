"""Pickles of foreign origin: plain containers, numbers and text, and nothing else.

Unpickling can call any function. Two benchmarks publish pickles all the same; what they hold are
lists and dictionaries, for which nothing has to be looked up by name.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, NoReturn

from videoseg.benchmarks.problems import Problems

__all__ = ["read_pickle"]


class _RefusedError(Exception):
    pass


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise _RefusedError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise _RefusedError(f"persistent object {str(pid)[:80]}")


def read_pickle(path: Path, problems: Problems) -> Any:
    """Read a pickle of plain containers; None, with a problem noted, if that is not possible.

    Lists, tuples, dictionaries, sets, text, bytes, numbers, booleans and None are taken. Anything
    that would be looked up by name is refused before it is imported or called.
    """
    try:
        with path.open("rb") as file:
            # Text of Python 2 comes as bytes in an encoding that is not written down.
            return _PlainUnpickler(file, encoding="utf-8", errors="replace").load()
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
            f"is a pickle that asks for {error}, which plain data does not",
            fix="do not trust this file; download it from the benchmark's own page, or convert "
            "it to JSON",
        )
    # A damaged pickle can end in nearly any error of the machine that reads it.
    except Exception as error:
        problems.add(
            path,
            f"is no readable pickle ({type(error).__name__}: {str(error)[:100]})",
            fix="download it again",
        )
    return None
