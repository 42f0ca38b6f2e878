"""Opening a benchmark by its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg.benchmarks.problems import MAX_LISTED, unreadable
from videoseg.benchmarks.types import Benchmark, BenchmarkSplit, left_out_of
from videoseg.errors import EvaluationError
from videoseg.files import expand_path
from videoseg.plugins import default_registry

if TYPE_CHECKING:
    from videoseg.plugins import Registry

__all__ = ["build_benchmark", "open_benchmark", "split_named"]


def build_benchmark(
    name: str,
    *,
    options: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
) -> Benchmark:
    """Return a registered benchmark, for its splits, licence and homepage.

    Raises:
        ComponentNotFoundError: If there is none of this name; close matches are listed.
        ConfigError: If an option is unknown or of the wrong type.
        EvaluationError: If what is registered is no benchmark.
    """
    built = (registry or default_registry()).build("benchmark", name, options)
    if not isinstance(built, Benchmark):
        raise EvaluationError(
            f"{type(built).__name__}, registered as benchmark {name!r}, is none: it needs name, "
            "splits, license, homepage, submission and read(root, split)"
        )
    return built


def open_benchmark(
    name: str,
    root: str | Path,
    split: str = "",
    *,
    check_pictures: bool = True,
    strict: bool = False,
    options: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
) -> BenchmarkSplit:
    """Read one split of a benchmark and check it.

    An odd entry among good ones, such as a video without frames or a sentence without words, is
    left out and stands in the split's ``left_out``. Where most entries are odd, the folder is
    hardly the right one, and that is an error.

    Args:
        name: What the benchmark is registered as, such as ``mevis``.
        root: Its folder, laid out as published.
        split: The split; by default the benchmark's first.
        check_pictures: Whether frames, and masks that are pictures, must be there. Without them
            samples can be listed, and scored where the annotations hold the masks.
        strict: Whether anything that would be left out is an error instead.
        options: Options of the reader.
        registry: Where to look; by default among everything installed.

    Raises:
        ComponentNotFoundError: If there is no benchmark of this name.
        ConfigError: If an option is unknown or of the wrong type.
        EvaluationError: If the folder is missing or not as it should be; all problems are
            listed, each with the file and what to do.
    """
    if not check_pictures:
        options = {**(options or {}), "check_pictures": False}
    benchmark = build_benchmark(name, options=options, registry=registry)
    folder = expand_path(root)
    if not folder.is_dir():
        raise EvaluationError(
            f"{folder} is no folder; give the folder of {name}, to be had from "
            f"{benchmark.homepage}"
        )
    found = benchmark.read(folder, split_named(benchmark, split))
    if strict and (left_out := left_out_of(found)):
        lines = [f"{entry}; {entry.remedy}".rstrip("; ") for entry in left_out[:MAX_LISTED]]
        raise unreadable(found.name, folder, lines, len(left_out))
    return found


def split_named(benchmark: Benchmark, split: str) -> str:
    """Return the split of this name; the first one for an empty name.

    Raises:
        EvaluationError: If there is none; the splits are listed.
    """
    if split in benchmark.splits:
        return split
    if not split:
        return benchmark.splits[0]
    raise EvaluationError(
        f"{benchmark.name} has no split {split!r}; its splits are {', '.join(benchmark.splits)}"
    )
