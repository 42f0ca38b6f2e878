"""Everything that is wrong with a folder of data, told at once."""

from __future__ import annotations

from pathlib import Path

from videoseg.errors import EvaluationError

__all__ = ["MAX_LISTED", "Problems"]

MAX_LISTED = 20
"""How many problems a message lists; the others are counted."""


class Problems:
    """Collects what is wrong with one folder, so that it is all told in one error.

    Args:
        subject: What is being read, such as ``mevis/valid_u``.
        root: Its folder; files in messages are named relative to it.
    """

    def __init__(self, subject: str, root: Path) -> None:
        self.subject = subject
        self.root = root
        self.count = 0
        self._listed: list[str] = []

    def add(self, file: Path | str, what: str, *, fix: str) -> None:
        """Note one problem: the file, what is wrong with it and what to do."""
        self.count += 1
        if len(self._listed) < MAX_LISTED:
            self._listed.append(f"{self._shown(file)}: {what}; {fix}")

    def raise_any(self) -> None:
        """Raise what has been collected, if there is anything.

        Raises:
            EvaluationError: With one line for each problem, at most ``MAX_LISTED`` of them.
        """
        if not self.count:
            return
        number = "1 problem" if self.count == 1 else f"{self.count} problems"
        lines = [f"{self.subject} cannot be read from {self.root} ({number}):"]
        lines += [f"- {problem}" for problem in self._listed]
        if self.count > len(self._listed):
            lines.append(f"- and {self.count - len(self._listed)} more")
        raise EvaluationError("\n".join(lines))

    def _shown(self, file: Path | str) -> str:
        path = Path(file)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(file)
