"""The files of a prediction: a folder, or a zip that is read without being unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Protocol

from videoseg.benchmarks.names import is_safe_id
from videoseg.errors import EvaluationError

__all__ = ["FileTree", "open_tree"]

MAX_FILES = 5_000_000
MAX_FILE_BYTES = 64 * 2**20
# Masks are long runs: PNGs inside a zip shrink little, but raw ones may a hundredfold.
MAX_RATIO = 1000


class FileTree(Protocol):
    """Files by their path within a tree, parts joined by ``/``."""

    @property
    def name(self) -> str:
        """What the tree is called in messages."""

    def names(self, folder: str) -> frozenset[str]:
        """The names of what lies directly in a folder; empty if there is no such folder."""

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
    if path.is_dir():
        return _Folder(path)
    if path.is_file() and zipfile.is_zipfile(path):
        return _Zip(path)
    raise EvaluationError(f"{path} is neither a folder nor a zip; give one of predictions")


class _Folder:
    def __init__(self, root: Path) -> None:
        self.name = str(root)
        self._root = root

    def names(self, folder: str) -> frozenset[str]:
        try:
            return frozenset(entry.name for entry in (self._root / folder).iterdir())
        # Missing, no folder, or a link that leads in a circle: nothing to be found there.
        except (OSError, RuntimeError):
            return frozenset()

    def read(self, path: str) -> bytes:
        file = self._root / path
        try:
            if file.stat().st_size > MAX_FILE_BYTES:
                raise EvaluationError(f"{file} is larger than {MAX_FILE_BYTES} bytes; no mask is")
            return file.read_bytes()
        except OSError as error:
            raise EvaluationError(f"{file} cannot be read ({error.strerror or error})") from error


class _Zip:
    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, ValueError) as error:
            raise EvaluationError(
                f"{path} is no readable zip ({error}); write it again"
            ) from error
        self._children: dict[str, set[str]] = {}
        self._members: dict[str, zipfile.ZipInfo] = {}
        members = self._zip.infolist()
        if len(members) > MAX_FILES:
            raise EvaluationError(f"{path} has more than {MAX_FILES} files; no submission has")
        for member in members:
            self._add(member)

    def _add(self, member: zipfile.ZipInfo) -> None:
        if member.is_dir():
            return
        if not is_safe_id(member.filename):
            raise EvaluationError(
                f"{self.name} holds {member.filename[:80]!r}, a name that leads out of it or "
                "cannot be a file's; do not trust this zip"
            )
        if member.file_size > MAX_FILE_BYTES or (
            member.file_size > 2**20 and member.file_size > MAX_RATIO * member.compress_size
        ):
            raise EvaluationError(
                f"{self.name} holds {member.filename[:80]!r}, which unpacks to "
                f"{member.file_size} bytes; masks do not, so this zip is not read"
            )
        self._members[member.filename] = member
        folder, _, name = member.filename.rpartition("/")
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
            raise EvaluationError(f"{self.name} has no file {path!r}")
        try:
            with self._zip.open(member) as file:
                # A zip may lie about sizes; never read more than it claims.
                content = file.read(MAX_FILE_BYTES + 1)
        except (OSError, zipfile.BadZipFile, RuntimeError, ValueError, EOFError) as error:
            raise EvaluationError(
                f"{path!r} in {self.name} cannot be read ({error}); write the zip again"
            ) from error
        if len(content) > MAX_FILE_BYTES:
            raise EvaluationError(f"{path!r} in {self.name} is too large to be a mask")
        return content
