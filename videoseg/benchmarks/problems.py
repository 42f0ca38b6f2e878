"""Everything that is wrong with a folder of data, told at once.

There are two kinds. What closes a benchmark (a file is missing, is not JSON, names lead out of
the folder) is raised. An odd entry among good ones is left out and told, unless most are odd:
then the folder is hardly the right one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from videoseg.benchmarks.types import LeftOut
from videoseg.errors import EvaluationError
from videoseg.text import printable, shorten_text

__all__ = ["MAX_LISTED", "EntryProblems", "FirstProblem", "ProblemList", "Problems", "unreadable"]

MAX_LISTED = 20
"""How many problems a message lists; the others are counted."""

_MAX_LINE = 400
_MOST_IN_ALL = 2 / 3


class ProblemList(Protocol):
    """Where functions that look at one file or folder note what is wrong with it."""

    def add(self, file: Path | str, what: str, *, fix: str) -> None:
        """Note one problem: the file, what is wrong with it and what to do."""


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
        self._left_out: list[LeftOut] = []
        self._notes: list[str] = []

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The entries that have been left out, in the order in which they were found."""
        return tuple(self._left_out)

    @property
    def notes(self) -> tuple[str, ...]:
        """What else is worth knowing about the data."""
        return tuple(self._notes)

    def add(self, file: Path | str, what: str, *, fix: str) -> None:
        """Note what closes the benchmark: the file, what is wrong with it and what to do."""
        self.count += 1
        if len(self._listed) < MAX_LISTED:
            self._listed.append(_line(self._shown(file), what, fix))

    def leave_out(self, file: Path | str, what: str, *, fix: str, num_samples: int = 1) -> None:
        """Note an entry that is left out, and how many samples are missing for it."""
        reason = shorten_text(printable(what), _MAX_LINE)
        self._left_out.append(LeftOut(printable(self._shown(file)), reason, num_samples, fix))

    def entry(self, num_samples: int = 1) -> EntryProblems:
        """Return where to note what is wrong with one entry, which is then left out."""
        return EntryProblems(self, num_samples)

    def note(self, text: str) -> None:
        """Note what whoever reads the scores should know; nothing is left out for it."""
        if text not in self._notes and len(self._notes) < MAX_LISTED:
            self._notes.append(shorten_text(printable(text), _MAX_LINE))

    def raise_any(self, num_kept: int | None = None, *, most_alike: float = 0.5) -> None:
        """Raise what has been collected, if it closes the benchmark.

        Args:
            num_kept: The samples that are left; None where nothing can be left out.
            most_alike: The share of all samples that may be left out for want of the same
                thing, in [0, 1]. Where more are, the folder is not the right one.

        Raises:
            EvaluationError: With one line for each problem, at most ``MAX_LISTED`` of them. If
                nothing else closes the benchmark, what has been left out does: where no sample
                is left, where more than ``most_alike`` are missing for want of the same thing,
                or more than two thirds in all.
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
        summary = f"{num_kept} of its {num_all} samples can be asked" if lines else ""
        lines = lines or [f"{self.root}: has nothing to be asked; check the folder"]
        raise unreadable(self.subject, self.root, lines[:MAX_LISTED], len(lines), summary=summary)

    def _shown(self, file: Path | str) -> str:
        path = Path(file)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(file)


class EntryProblems:
    """Collects what is wrong with one entry; its samples are counted once."""

    def __init__(self, problems: Problems, num_samples: int) -> None:
        self._problems = problems
        self._num_samples = num_samples

    def add(self, file: Path | str, what: str, *, fix: str) -> None:
        """Leave the entry out: the file, what is wrong with it and what to do."""
        self._problems.leave_out(file, what, fix=fix, num_samples=self._num_samples)
        self._num_samples = 0


class FirstProblem:
    """Keeps the first problem as text, for whoever raises an error of another kind."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, file: Path | str, what: str, *, fix: str) -> None:
        """Note a problem; only the first is kept."""
        self.text = self.text or _line(str(file), what, fix)


def unreadable(
    subject: str, root: Path, lines: Sequence[str], count: int, *, summary: str = ""
) -> EvaluationError:
    """Return the error that tells why a benchmark cannot be read, a line for each problem."""
    number = "1 problem" if count == 1 else f"{count} problems"
    told = f"{number}; {summary}" if summary else number
    head = f"{subject} cannot be read from {printable(str(root))} ({told}):"
    more = [f"- and {count - len(lines)} more"] if count > len(lines) else []
    return EvaluationError("\n".join([head, *(f"- {line}" for line in lines), *more]))


def _line(place: str, what: str, fix: str) -> str:
    return f"{printable(place)}: {shorten_text(printable(what), _MAX_LINE)}; {fix}"
