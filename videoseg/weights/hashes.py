"""Hashes of weights files, and whether they are those that were published."""

from __future__ import annotations

import hashlib
from pathlib import Path

from videoseg.weights.published import WeightsFile

__all__ = ["file_sha256", "other_hash"]

_CHUNK = 1 << 20
"""How much is read at a time, in bytes."""


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    return _file_digest(path, "sha256")


def other_hash(file: WeightsFile, path: Path) -> str:
    """Return in which hash a file that is here differs from the published one; empty if in none.

    Of a file for which none is stated, nothing is known.
    """
    if file.sha256:
        name, stated, found = "SHA-256", file.sha256, file_sha256(path)
    elif file.md5:
        name, stated, found = "MD5", file.md5, _file_digest(path, "md5")
    else:
        return ""
    return "" if found == stated else f"its {name} is {found} and not {stated}"


def _file_digest(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
