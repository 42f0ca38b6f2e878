"""The files of predictions: a folder, or a zip that is read without unpacking it."""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

from videoseg.benchmarks.untrusted import is_safe_id
from videoseg.errors import EvaluationError
from videoseg.files import read_bytes
from videoseg.text import printable, shorten, shorten_text

__all__ = ["FileTree", "open_tree"]

MAX_FILES = 5_000_000
MAX_FILE_BYTES = 64 * 2**20
# PNGs inside a zip hardly shrink; uncompressed masks may shrink a hundredfold.
MAX_RATIO = 1000
# Listing a zip takes memory proportional to the length of its names.
MAX_NAME_LENGTH = 1000

_DRIVE = re.compile(r"[A-Za-z]:")

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Errors that zipfile raises for damaged zips.
_DAMAGES = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    RuntimeError,
    ValueError,
    EOFError,
    OverflowError,
    MemoryError,
)


class FileTree(Protocol):
    """Files by their path within a tree, parts joined by ``/``."""

    def names(self, folder: str) -> frozenset[str]:
        """The names directly inside a folder; empty if there is no such folder."""

    def read(self, path: str) -> bytes:
        """Return the content of a file.

        Raises:
            EvaluationError: If it cannot be read or is larger than a mask can be.
        """


def open_tree(path: Path) -> FileTree:
    """Open a folder or a zip.

    Raises:
        EvaluationError: If it is neither, or the zip is not safe to read.
    """
    # Unlike the methods of Path, these return False for impossible names, such as long ones.
    if os.path.isdir(path):  # noqa: PTH112
        return _Folder(path)
    if os.path.isfile(path) and zipfile.is_zipfile(path):  # noqa: PTH113
        return _Zip(path)
    raise EvaluationError(
        f"{shorten_text(printable(str(path)), 300)} is neither a folder nor a zip; give one of "
        "predictions"
    )


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, folder: str) -> frozenset[str]:
        try:
            return frozenset(entry.name for entry in (self._root / folder).iterdir())
        # Missing, not a folder, or a loop of links.
        except (OSError, RuntimeError):
            return frozenset()

    def read(self, path: str) -> bytes:
        file = self._root / path
        try:
            return read_bytes(file, max_bytes=MAX_FILE_BYTES)
        except OSError as error:
            raise EvaluationError(
                f"{file} cannot be read ({error.strerror or error}); write the mask again"
            ) from error


class _Zip:
    def __init__(self, path: Path) -> None:
        self._name = str(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except _DAMAGES as error:
            raise EvaluationError(
                f"{path} is not a readable zip ({_reason(error)}); write it again"
            ) from error
        self._children: dict[str, set[str]] = {}
        self._members: dict[str, zipfile.ZipInfo] = {}
        members = self._zip.infolist()
        if len(members) > MAX_FILES:
            raise EvaluationError(f"{path} has more than {MAX_FILES} files; no submission has")
        for member in members:
            self._add(member)

    def _add(self, member: zipfile.ZipInfo) -> None:
        path = _path_inside(member.filename)
        if path is not None and not path.lower().endswith(".png") and not is_safe_id(path):
            # A folder, or what some programs put beside the masks.
            return
        if path is None or len(path) > MAX_NAME_LENGTH or not is_safe_id(path):
            raise EvaluationError(
                f"{self._name} holds {shorten(member.filename)}, a name that leads out of it or "
                "cannot be a file's; do not trust this zip"
            )
        if member.compress_type not in _METHODS:
            # Of others zipfile unpacks a whole chunk at once, however large it gets.
            raise EvaluationError(
                f"{self._name} holds {shorten(member.filename)}, packed by the method "
                f"{member.compress_type}; pack the zip again, with deflate, the usual method"
            )
        if member.file_size > MAX_FILE_BYTES or (
            member.file_size > 2**20 and member.file_size > MAX_RATIO * member.compress_size
        ):
            raise EvaluationError(
                f"{self._name} holds {shorten(member.filename)}, which unpacks to "
                f"{member.file_size} bytes; masks do not, so this zip is not read"
            )
        self._members[path] = member
        folder, _, name = path.rpartition("/")
        while name:
            known = self._children.setdefault(folder, set())
            if name in known:
                break
            known.add(name)
            folder, _, name = folder.rpartition("/")

    def names(self, folder: str) -> frozenset[str]:
        return frozenset(self._children.get(folder, ()))

    def read(self, path: str) -> bytes:
        member = self._members.get(path)
        if member is None:
            raise EvaluationError(f"{self._name} has no file {path!r}")
        try:
            with self._zip.open(member) as file:
                # A zip may state wrong sizes: read at most the limit.
                content = file.read(MAX_FILE_BYTES + 1)
        except _DAMAGES as error:
            raise EvaluationError(
                f"{path!r} in {self._name} cannot be read ({_reason(error)}); write the zip again"
            ) from error
        if len(content) > MAX_FILE_BYTES:
            raise EvaluationError(f"{path!r} in {self._name} is too large to be a mask")
        return content


def _path_inside(name: str) -> str | None:
    """Return a name in a zip with parts joined by ``/``; None if it leads out of the zip.

    Some programs on Windows write a backslash between the parts, some put ``./`` before them.
    """
    path = name.replace("\\", "/").removeprefix("./")
    parts = path.split("/")
    leads_out = path.startswith("/") or ".." in parts or _DRIVE.fullmatch(parts[0])
    return None if leads_out else path


def _reason(error: BaseException) -> str:
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return shorten_text(printable(text or type(error).__name__), 200)
