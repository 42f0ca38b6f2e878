"""What has become of the samples of which traces are made: on the disk, not in memory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from videoseg.errors import OutputError
from videoseg.text import show_path

__all__ = ["Made", "Outcome", "TraceStore", "list_items", "list_masks", "writing"]

Made: TypeAlias = Mapping[str, Any]
"""What became of a sample: ``dropped`` and ``kind`` (why, and in which group of reasons),
``rewritten``, ``faults``, ``query``, and its ``item`` and ``masks`` if it was kept."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a sample, in short.

    Args:
        dropped: Why it has no trace; empty if it has one.
        kind: In which group of reasons.
        rewritten: How many of its thoughts were written a second time.
        has_faults: Whether there are thoughts that could not be used.
    """

    dropped: str
    kind: str
    rewritten: int
    has_faults: bool


class TraceStore:
    """What became of each sample: a line of a file each; in memory is where it stands.

    Args:
        path: The file. What it holds is known; a line that is not whole was being written.

    Attributes:
        outcomes: What became of the samples in short, by their ids.
    """

    def __init__(self, path: Path) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._path = path
        self._starts: dict[str, int] = {}
        self._unsaved: dict[str, Made] = {}
        if path.exists():
            self._scan()

    def _scan(self) -> None:
        start = 0
        with self._path.open("rb") as file:
            for line in file:
                try:
                    made = json.loads(line)
                except ValueError:
                    pass
                else:
                    self._note(made["sample"], made)
                    self._starts[made["sample"]] = start
                start += len(line)

    def __contains__(self, sample: str) -> bool:
        return sample in self.outcomes

    def add(self, sample: str, made: Made, *, keep: bool = True) -> None:
        """Add what became of a sample.

        Args:
            sample: Its id.
            made: What became of it.
            keep: Whether it is on the disk when this returns; otherwise it is forgotten at the
                end, so that the sample is tried again.

        Raises:
            OutputError: If it cannot be written.
        """
        if keep:
            self._starts[sample] = self._append({"sample": sample, **made})
            self._unsaved.pop(sample, None)
        else:
            self._unsaved[sample] = made
        self._note(sample, made)

    def read(self, sample: str) -> Made:
        """Return what became of a sample."""
        if sample in self._unsaved:
            return self._unsaved[sample]
        with self._path.open("rb") as file:
            file.seek(self._starts[sample])
            made: Made = json.loads(file.readline())
        return made

    def _note(self, sample: str, made: Made) -> None:
        self.outcomes[sample] = Outcome(
            made["dropped"], made["kind"], made["rewritten"], bool(made["faults"])
        )

    def _append(self, line: Made) -> int:
        """Add a line, which is on the disk when this returns; return where it begins."""
        with writing(self._path), self._path.open("ab") as file:
            start = file.tell() + 1
            # The line before may have been cut off.
            file.write(f"\n{json.dumps(line)}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        return start


def list_masks(
    store: TraceStore, samples: Sequence[str], numbers: dict[bytes, int], ids: list[list[int]]
) -> Iterator[str]:
    """Yield the parts of the file of masks, each object once.

    Args:
        store: What became of the samples.
        samples: Those that have a trace.
        numbers: Gets the number of each object, by a digest of its masks.
        ids: Gets the numbers of each sample's objects.
    """
    yield "{"
    for sample in samples:
        ids.append([])
        for track in store.read(sample)["masks"]:
            text = json.dumps(track)
            digest = hashlib.sha256(text.encode()).digest()
            if digest not in numbers:
                yield f'{", " if numbers else ""}"{len(numbers)}": {text}'
                numbers[digest] = len(numbers)
            ids[-1].append(numbers[digest])
    yield "}"


def list_items(
    store: TraceStore, samples: Sequence[str], ids: Sequence[Sequence[int]]
) -> Iterator[str]:
    """Yield the parts of the file of traces."""
    yield "["
    for number, sample in enumerate(samples):
        item = {**store.read(sample)["item"], "anno_id": ids[number]}
        yield f"{', ' if number else ''}{json.dumps(item)}"
    yield "]"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of writing into one that says what to do.

    Raises:
        OutputError: If there is an ``OSError`` inside.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {show_path(path)}: {error.strerror or error}; free some space or mend "
            "the folder, and go on: what is finished is kept"
        ) from error
