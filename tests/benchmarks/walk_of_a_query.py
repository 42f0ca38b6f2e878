"""List the files of the core through which a query or a mask goes, in the order of their visits.

Run from the repository root:

    python tests/benchmarks/walk_of_a_query.py            # command line to propagator
    python tests/benchmarks/walk_of_a_query.py --masks    # propagator to the saved folder

One ``videoseg run`` on a drawn clip is traced with ``sys.setprofile``. A file is visited when one
of its functions is called with what is followed among its arguments, or in an attribute of one:
the text of the query and then its answer, or masks (of a frame, as a track, as a result). Calls
from file to file count; a call that comes back into a file that had been left is a return. Not
listed are the values themselves (``types/``), the checks of text (``text.py``), and the files of
plug-ins: what a stage does with its arguments is its own affair.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import cv2

import videoseg
from videoseg.cli.main import main as run_command
from videoseg.results import Segmentation
from videoseg.testing import moving_square
from videoseg.types import FrameMasks, Grounding, MaskTrack, Prompt

CORE = Path(videoseg.__file__).resolve().parent
NOT_LISTED = ("types/", "text.py")
QUERY = "the red square"


def parts_of(value: object) -> list[object]:
    """Return a value with what it holds: items of a list, attributes of an object."""
    if isinstance(value, list | tuple):
        return [value, *value[:20]]
    if isinstance(value, Mapping):
        return [value, *list(value.values())[:20]]
    names = [*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())]
    return [value, *(getattr(value, name, None) for name in names if not name.startswith("__"))]


def holds_query(value: object) -> bool:
    """Return whether a value is the query or its answer, or has one in an attribute."""
    return any(
        isinstance(part, Grounding | Prompt) or (isinstance(part, str) and part == QUERY)
        for part in parts_of(value)
    )


def holds_masks(value: object) -> bool:
    """Return whether a value is masks or has them in an attribute."""
    return any(isinstance(part, FrameMasks | MaskTrack | Segmentation) for part in parts_of(value))


class Walk:
    """The files whose functions are called with a certain value.

    Args:
        holds: Whether an argument is, or has, what is followed.
        after_open: Whether the walk begins when the propagator is opened, where it otherwise ends.
    """

    def __init__(self, holds: Callable[[object], bool], *, after_open: bool) -> None:
        self._holds = holds
        self._after_open = after_open
        self._is_open = False
        self.visits: list[str] = []

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call":
            return
        code, arguments = frame.f_code, frame.f_locals
        if code.co_name == "open" and hasattr(arguments.get("self"), "capabilities"):
            self._is_open = True
        path = Path(code.co_filename)
        if self._is_open != self._after_open or not path.is_relative_to(CORE):
            return
        # Comprehensions and generated methods of dataclasses belong to the function around them.
        if code.co_name.startswith("<") or not self._holds_argument(frame):
            return
        name = path.relative_to(CORE).as_posix()
        if name.startswith(NOT_LISTED):
            return
        if not self.visits or self.visits[-1] != name:
            self.visits.append(name)

    def _holds_argument(self, frame: FrameType) -> bool:
        number = frame.f_code.co_argcount + frame.f_code.co_kwonlyargcount
        names = frame.f_code.co_varnames[:number]
        return any(self._holds(frame.f_locals.get(name)) for name in names)

    def report(self) -> str:
        """Return a table of the files with the number of returns into each."""
        counts = Counter(self.visits)
        lines = [f"{name:<36} {number - 1:>3}" for name, number in counts.items()]
        returns = len(self.visits) - len(counts)
        return "\n".join(
            [f"{'file':<36} returns", *lines, f"{len(counts)} files, {returns} returns"]
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masks", action="store_true", help="follow the masks to the disk")
    parser.add_argument("--pipeline", default="attributes", help="a name or a YAML file")
    parser.add_argument("--order", action="store_true", help="list every visit as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "clip")
        clip.mkdir()
        for index, frame in moving_square(8, size=(96, 128)).video.iter_frames():
            cv2.imwrite(str(clip / f"{index:05d}.png"), frame[..., ::-1])
        command = ["run", str(clip), QUERY, "-o", str(Path(folder, "out")), "--quiet"]
        walk = Walk(holds_masks if options.masks else holds_query, after_open=options.masks)
        sys.setprofile(walk)
        try:
            status = run_command([*command, "--pipeline", options.pipeline])
        finally:
            sys.setprofile(None)
    if options.order:
        print("\n".join(walk.visits), end="\n\n")
    print(walk.report())
    return status


if __name__ == "__main__":
    raise SystemExit(main())
