"""Read untrusted files of benchmarks: names and JSON, and collect their problems.

Names in a file must not lead out of its folder. JSON is bounded in size and depth.

Problems are collected and reported together. Those that affect the whole benchmark (a file is
missing or not JSON, a name leads out of the folder) are raised. A single invalid entry is left
out and reported, unless most entries are invalid: then the folder is probably the wrong one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from videoseg.benchmarks.types import LeftOut
from videoseg.errors import EvaluationError
from videoseg.files import read_bytes
from videoseg.files.reading import MAX_BYTES, is_plain_name
from videoseg.text import parse_json, printable, shorten_text

__all__ = [
    "DO_NOT_TRUST",
    "FILE_AGAIN",
    "MAX_ANNOTATION_BYTES",
    "MAX_LISTED",
    "FirstProblem",
    "ProblemList",
    "Problems",
    "is_plain_name",
    "is_safe_id",
    "read_content",
    "read_json",
    "read_mapping",
    "unreadable",
]

FILE_AGAIN = "download the file again, or correct it"
"""Remedy for an invalid entry of a file."""

DO_NOT_TRUST = "do not trust this file; download it from the benchmark's own page"
"""Remedy for a file with names that lead out of its folder."""

MAX_LISTED = 20
"""Number of problems that a message lists; further ones are counted."""

_MAX_LINE = 400
_MOST_IN_ALL = 2 / 3


class ProblemList(Protocol):
    """Collects the problems of one file or folder."""

    def add(self, file: Path | str, what: str, *, fix: str) -> None:
        """Add one problem: the file, what is wrong with it and what to do."""


class Problems:
    """Collects the problems of one folder, to report them in one error.

    Args:
        subject: What is being read, such as ``mevis/valid_u``.
        root: Its folder; files in messages are named relative to it.
    """

    def __init__(self, subject: str, root: Path) -> None:
        self.subject = subject
        self.root = root
        self.count = 0
        self._listed: list[str] = []
        self._left_out: list[LeftOut] = []
        self._notes: list[str] = []

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The entries that have been left out, in the order they were found."""
        return tuple(self._left_out)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the data that matter for its scores."""
        return tuple(self._notes)

    def add(self, file: Path | str, what: str, *, fix: str) -> None:
        """Add a problem that makes the benchmark unreadable: file, reason and what to do."""
        self.count += 1
        if len(self._listed) < MAX_LISTED:
            self._listed.append(_line(self._shown(file), what, fix))

    def leave_out(self, file: Path | str, what: str, *, fix: str, num_samples: int = 1) -> None:
        """Add an entry that is left out, and the number of samples missing because of it."""
        reason = shorten_text(printable(what), _MAX_LINE)
        self._left_out.append(LeftOut(printable(self._shown(file)), reason, num_samples, fix))

    def entry(self, num_samples: int = 1) -> ProblemList:
        """Return a collector for the problems of one entry, which leave it out."""
        return _EntryProblems(self, num_samples)

    def note(self, text: str) -> None:
        """Add a note that matters for the scores; nothing is left out."""
        if text not in self._notes and len(self._notes) < MAX_LISTED:
            self._notes.append(shorten_text(printable(text), _MAX_LINE))

    def raise_any(self, num_kept: int | None = None, *, most_alike: float = 0.5) -> None:
        """Raise the collected problems if they make the benchmark unreadable.

        Args:
            num_kept: The number of samples that are left; None if nothing can be left out.
            most_alike: The share of all samples that may be left out for the same reason, in
                [0, 1]. If more are, the folder is the wrong one.

        Raises:
            EvaluationError: With one line for each problem, at most ``MAX_LISTED`` of them. Also
                raised if no sample is left, more than ``most_alike`` of the samples are left out
                for the same reason, or more than two thirds in all.
        """
        if self.count:
            raise unreadable(self.subject, self.root, self._listed, self.count)
        if num_kept is None:
            return
        alike: Counter[str] = Counter()
        for entry in self._left_out:
            alike[entry.remedy] += entry.num_samples
        num_all = num_kept + alike.total()
        worst = max(alike.values(), default=0)
        most = max(most_alike, _MOST_IN_ALL)
        if num_kept and worst <= most_alike * num_all and alike.total() <= most * num_all:
            return
        lines = [_line(entry.place, entry.reason, entry.remedy) for entry in self._left_out]
        summary = f"{num_kept} of its {num_all} samples can be run" if lines else ""
        lines = lines or [f"{self.root}: has no samples; check the folder"]
        raise unreadable(self.subject, self.root, lines[:MAX_LISTED], len(lines), summary=summary)

    def _shown(self, file: Path | str) -> str:
        path = Path(file)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(file)


class _EntryProblems:
    """Collects the problems of one entry; its samples are counted once."""

    def __init__(self, problems: Problems, num_samples: int) -> None:
        self._problems = problems
        self._num_samples = num_samples

    def add(self, file: Path | str, what: str, *, fix: str) -> None:
        """Leave the entry out: the file, what is wrong with it and what to do."""
        self._problems.leave_out(file, what, fix=fix, num_samples=self._num_samples)
        self._num_samples = 0


class FirstProblem:
    """Keeps the text of the first problem, for errors of other types."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, file: Path | str, what: str, *, fix: str) -> None:
        """Add a problem; only the first is kept."""
        self.text = self.text or _line(str(file), what, fix)


def unreadable(
    subject: str, root: Path | None, lines: Sequence[str], count: int, *, summary: str = ""
) -> EvaluationError:
    """Return the error of a benchmark that cannot be read, with a line for each problem."""
    number = "1 problem" if count == 1 else f"{count} problems"
    counted = f"{number}; {summary}" if summary else number
    place = "" if root is None else f" from {printable(str(root))}"
    head = f"{subject} cannot be read{place} ({counted}):"
    more = [f"- and {count - len(lines)} more"] if count > len(lines) else []
    return EvaluationError("\n".join([head, *(f"- {line}" for line in lines), *more]))


def _line(place: str, what: str, fix: str) -> str:
    return f"{printable(place)}: {shorten_text(printable(what), _MAX_LINE)}; {fix}"


def is_safe_id(video_id: object) -> bool:
    """Return whether the id of a video, which may contain folders, stays inside its folder."""
    return isinstance(video_id, str) and all(is_plain_name(part) for part in video_id.split("/"))


MAX_ANNOTATION_BYTES = 2**32
"""Largest file of annotations that is read, in bytes; masks of a training set take 1 GB."""


def read_content(path: Path, problems: Problems, *, max_bytes: int = MAX_BYTES) -> bytes | None:
    """Return the content of a file; None, with a problem noted, if it cannot be read.

    Args:
        path: The file.
        problems: Where problems are noted.
        max_bytes: The largest file that is read.
    """
    try:
        return read_bytes(path, max_bytes=max_bytes)
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
    return None


def read_json(path: Path, problems: Problems) -> Any:
    """Read a JSON file; None, with a problem noted, if that fails."""
    try:
        content = read_content(path, problems, max_bytes=MAX_ANNOTATION_BYTES)
        return None if content is None else parse_json(content)
    except ValueError as error:
        problems.add(path, f"is not valid JSON ({error})", fix="download it again")
    return None


def read_mapping(path: Path, problems: Problems) -> dict[str, Any] | None:
    """Read a JSON file that contains an object; None, with a problem noted, if that fails."""
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
