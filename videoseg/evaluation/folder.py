"""Which files a run, or one shard of it, has in its folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from videoseg.errors import OutputError
from videoseg.evaluation.run_file import RunInfo, Shard, read_run
from videoseg.files import expand_path
from videoseg.text import printable, shorten_text

__all__ = ["RunFiles", "files_of_runs"]

_NAME = re.compile(r"run(-(\d+)-of-(\d+))?\.json")


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of one run, or of one shard of it.

    Args:
        folder: The folder of the run.
        suffix: What tells a shard's files from those of others; empty for a whole run.
    """

    folder: Path
    suffix: str = ""

    @staticmethod
    def of(folder: Path, shard: Shard | None) -> RunFiles:
        """Return the files of a run or of a shard."""
        return RunFiles(folder, "" if shard is None else shard.suffix)

    @property
    def records(self) -> Path:
        """One JSON line for each sample that is done."""
        return self.folder / f"records{self.suffix}.jsonl"

    @property
    def run(self) -> Path:
        """What the run is."""
        return self.folder / f"run{self.suffix}.json"

    def read(self) -> RunInfo:
        """Read what the run is.

        Raises:
            OutputError: If it cannot be read.
        """
        return read_run(self.run)


def files_of_runs(folder: str | Path) -> list[RunFiles]:
    """Return the runs in a folder: one, or its shards in order, or none.

    Raises:
        OutputError: If the folder cannot be listed.
    """
    folder = expand_path(folder)
    found: list[tuple[int, int, str]] = []
    try:
        names = [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        names = []
    except (OSError, ValueError) as error:
        shown = shorten_text(printable(str(folder)), 300)
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot read {shown}: {reason}; choose another folder") from error
    for name in names:
        if (match := _NAME.fullmatch(name)) is not None:
            found.append((int(match[3] or 1), int(match[2] or 1), match[1] or ""))
    return [RunFiles(folder, suffix) for _, _, suffix in sorted(found)]
