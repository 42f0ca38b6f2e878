"""JSON of foreign origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from videoseg.benchmarks.problems import Problems

__all__ = ["read_json", "read_mapping"]


def read_json(path: Path, problems: Problems) -> Any:
    """Read a JSON file; None, with a problem noted, if that is not possible."""
    try:
        return json.loads(path.read_bytes())
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
    # Deep nesting ends in a RecursionError, bytes that are no text in a ValueError.
    except (ValueError, RecursionError, MemoryError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        problems.add(path, f"is not valid JSON ({reason[:200]})", fix="download it again")
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
