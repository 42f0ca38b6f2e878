"""Runs the inputs of one category, each in a forked process, and prints a line for each."""

from __future__ import annotations

import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
SECONDS = 10.0
PEAK_BYTES = 2**30
_ADDRESS_SPACE = 6 * 2**30
_LONGEST_MESSAGE = 4000

Run = Callable[[Path], object]


def main() -> None:
    """Run the category that is named on the command line."""
    category, folder, seed, *limit = sys.argv[1:]
    sys.path.insert(0, str(HERE))
    os.environ["HOSTILE_CANARY"] = str(Path(folder, "canary"))
    module = importlib.import_module(f"inputs.{category}")
    inputs: Iterator[tuple[str, Run]] = module.inputs(Path(folder), random.Random(int(seed)))
    for number, (name, run) in enumerate(inputs):
        if limit and number >= int(limit[0]):
            break
        outcome = _tried(run, Path(folder), f"case-{number}")
        if name.startswith("good") and outcome["verdict"] == "refused":
            outcome = {"verdict": "bad", "said": f"a good one was refused: {outcome['said']}"}
        print(json.dumps({"name": name, **outcome}), flush=True)


def _tried(run: Run, folder: Path, case: str) -> dict[str, str]:
    place = folder / case
    place.mkdir()
    before = _listed(folder)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run_and_leave(run, place, writing)
    os.close(writing)
    status, peak, hung = _waited(child)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace")
    verdict, _, text = said.partition("\n")
    canary = Path(os.environ["HOSTILE_CANARY"])
    if hung:
        verdict, text = "bad", f"it hung for {SECONDS:g} seconds"
    elif status != 0 or verdict not in ("taken", "refused", "skipped", "bad"):
        verdict, text = "bad", f"the process ended with {status}: {said[:500]}"
    if verdict in ("taken", "refused") and peak > PEAK_BYTES:
        verdict, text = "bad", f"it took {peak / 2**20:.0f} MiB"
    if canary.exists():
        verdict, text = "bad", "foreign code ran"
        canary.unlink()
    if left := _listed(folder) - before:
        verdict, text = "bad", f"it wrote outside its folder: {sorted(left)[:3]}"
    _clear(place)
    return {"verdict": verdict, "said": text}


def _run_and_leave(run: Run, place: Path, writing: int) -> None:
    """Run one input in this process, which ends with it."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.setpgid(0, 0)
    os.chdir(place)
    try:
        said = _verdict(run, place)
    except BaseException as error:  # whatever it is, the parent must hear of it
        place_of_it = traceback.extract_tb(error.__traceback__)[-1]
        last = traceback.format_exception_only(error)[-1].strip()[:400]
        said = f"bad\n{last} ({Path(place_of_it.filename).name}:{place_of_it.lineno})"
    os.write(writing, said.encode("utf-8", "replace")[:60_000])
    os._exit(0)


def _verdict(run: Run, place: Path) -> str:
    import click
    from inputs.common import SkippedError

    from videoseg.errors import VideosegError

    try:
        given = run(place)
    except SkippedError as error:
        return f"skipped\n{error}"
    except (VideosegError, click.UsageError) as error:
        text = error.format_message() if isinstance(error, click.UsageError) else str(error)
        if len(text) > _LONGEST_MESSAGE:
            return f"bad\nthe message has {len(text)} characters"
        return f"refused\n{type(error).__name__}: {text}"
    return given if isinstance(given, str) else "taken\n"


def _waited(child: int) -> tuple[int, int, bool]:
    """Wait for a process; return its status, its peak memory in bytes, and whether it hung."""
    limit = time.monotonic() + SECONDS
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return status, usage.ru_maxrss * 1024, False
        if time.monotonic() > limit:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return -1, 0, True
        time.sleep(0.005)


def _listed(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def _clear(place: Path) -> None:
    # rmtree would open a pipe that stands where a folder was.
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
