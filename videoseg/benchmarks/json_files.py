"""JSON of foreign origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from videoseg.benchmarks.problems import Problems
from videoseg.files import read_bytes
from videoseg.text import parse_json

__all__ = ["MAX_ANNOTATION_BYTES", "read_json", "read_mapping"]

MAX_ANNOTATION_BYTES = 2**32
"""Largest file of annotations that is read, in bytes; masks of a training set take 1 GB."""


def read_json(path: Path, problems: Problems) -> Any:
    """Read a JSON file; None, with a problem noted, if that is not possible."""
    try:
        return parse_json(read_bytes(path, max_bytes=MAX_ANNOTATION_BYTES))
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
    except ValueError as error:
        problems.add(path, f"is not valid JSON ({error})", fix="download it again")
    return None


def read_mapping(path: Path, problems: Problems) -> dict[str, Any] | None:
    """Read a JSON file that holds an object; None, with a problem noted, if it does not."""
    before = problems.count
    value = read_json(path, problems)
    if isinstance(value, dict):
        return value
    if problems.count > before:
        return None
    problems.add(
        path,
        f"holds a {type(value).__name__} where an object {{...}} is expected",
        fix="check that it is the file the benchmark publishes",
    )
    return None
