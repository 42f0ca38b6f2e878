"""The journal of a project: one line of JSON for each action, on the disk before it counts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from videoseg.errors import OutputError
from videoseg.text import parse_json, show_path

__all__ = ["Journal"]

# A correction of a large frame takes some 10 kB; an hour of clicks stays far below this.
_MAX_BYTES = 256 * 2**20


class Journal:
    """An append-only file of actions.

    A line that a killed process left half-written at the end is cut off when the journal is
    opened: its action was never answered. Each action gets a number, 1 and up.

    Args:
        path: The file; created if it does not exist.

    Attributes:
        path: The file.
        actions: What was read when it was opened; not extended by ``append``.
        dropped: How many bytes at the end were cut off.

    Raises:
        OutputError: If it cannot be read or written, or is damaged in the middle.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise OutputError(
                f"cannot open {show_path(path)}: {error.strerror}; choose another project folder"
            ) from error
        # Without a buffer: what a full disk refuses must not be written later.
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            with path.open("rb") as file:
                self.actions, end = _read(file.read(_MAX_BYTES + 1), path)
            self.dropped = self._file.seek(0, os.SEEK_END) - end
            self._file.truncate(end)
        except OSError as error:
            self._file.close()
            raise OutputError(f"cannot read {show_path(path)}: {error.strerror}") from error
        except BaseException:
            self._file.close()
            raise
        self._number, self._end = len(self.actions), end

    def append(self, action: Mapping[str, Any]) -> dict[str, Any]:
        """Write an action, wait until the disk has it, and return it with its number ``seq``.

        Raises:
            OutputError: If it cannot be written; then it does not count.
        """
        numbered = {"seq": self._number + 1, **action}
        line = (json.dumps(numbered, ensure_ascii=False, allow_nan=False) + "\n").encode()
        if self._end + len(line) > _MAX_BYTES:
            raise OutputError(
                f"{show_path(self.path)} is full: a journal holds 256 MiB of corrections; export "
                "the masks, then go on in another project folder"
            )
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            os.fsync(self._file.fileno())
        except OSError as error:
            # Half a line would join the next one.
            with suppress(OSError):
                self._file.truncate(self._end)
            raise OutputError(
                f"cannot write {show_path(self.path)}: {error.strerror}; free some space, then "
                "repeat what you did last"
            ) from error
        self._end += len(line)
        self._number += 1
        return numbered

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _read(data: bytes, path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the actions and where the last whole line ends."""
    if len(data) > _MAX_BYTES:
        raise OutputError(f"{show_path(path)} is larger than a journal may be (256 MiB)")
    actions: list[dict[str, Any]] = []
    end = 0
    for line in data.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        try:
            action = parse_json(line, allow_nan=False)
            if not isinstance(action, dict) or action.get("seq") != len(actions) + 1:
                raise ValueError("it is not the action that should follow")
        except ValueError as error:
            raise OutputError(
                f"line {len(actions) + 1} of {show_path(path)} is damaged: {error}; move the "
                "lines from this one on to another file to open what is before them"
            ) from error
        actions.append(action)
        end += len(line)
    return actions, end
