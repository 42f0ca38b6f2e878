"""What a run writes down line by line, and how a resumed run goes on with it.

``metrics.jsonl`` has a line for each step and each evaluation, ``episodes.jsonl`` the episodes of
evaluations that are shown, ``timings.jsonl`` what differs from machine to machine. So the first
two are the same to the last byte for a run that was interrupted and resumed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videoseg.errors import OutputError
from videoseg.files import make_folder, write_file
from videoseg.text import show_path

__all__ = ["EPISODES", "METRICS", "TIMINGS", "Journal", "read_lines"]

METRICS = "metrics.jsonl"
EPISODES = "episodes.jsonl"
TIMINGS = "timings.jsonl"

_NAMES = (METRICS, EPISODES, TIMINGS)


class Journal:
    """The lines of a run.

    Args:
        folder: The run's folder.
        enabled: Whether anything is written; only one of several processes does.
    """

    def __init__(self, folder: Path, *, enabled: bool = True) -> None:
        self._folder = folder
        self._enabled = enabled

    def cut(self, step: int, *, evaluated: bool = True) -> None:
        """Drop all lines of later steps, and one that was written half.

        Args:
            step: The last step whose lines are kept.
            evaluated: Whether those of an evaluation after this step are kept, too.
        """
        if not self._enabled:
            return
        for name in _NAMES:
            path = self._folder / name
            if path.exists():
                kept = [
                    text
                    for text, line in _complete(path)
                    if line["step"] < step
                    or (line["step"] == step and (evaluated or not _is_of_evaluation(name, line)))
                ]
                write_file(path, "".join(text + "\n" for text in kept))

    def clear(self) -> None:
        """Begin without lines."""
        self.cut(-1)

    def add(self, name: str, line: Mapping[str, Any]) -> None:
        """Add a line, which is on the disk when this returns.

        Raises:
            OutputError: If it cannot be written.
        """
        if not self._enabled:
            return
        path = self._folder / name
        try:
            make_folder(self._folder)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"cannot write {show_path(path)}: {error.strerror or error}; free some space and "
                "resume the run from its last checkpoint"
            ) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the complete lines of a file; none if there is no file."""
    return [line for _, line in _complete(path)] if path.exists() else []


def _is_of_evaluation(name: str, line: Mapping[str, Any]) -> bool:
    is_evaluation = line.get("kind") == "evaluation" or "evaluation" in line.get("seconds", ())
    return name == EPISODES or is_evaluation


def _complete(path: Path) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for text in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            found.append((text, line))
    return found
