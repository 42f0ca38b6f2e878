"""Opening a benchmark by its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg.benchmarks.types import Benchmark, BenchmarkSplit
from videoseg.errors import EvaluationError
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
    options: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
) -> BenchmarkSplit:
    """Read one split of a benchmark and check it.

    Args:
        name: What the benchmark is registered as, such as ``mevis``.
        root: Its folder, laid out as published.
        split: The split; by default the benchmark's first.
        options: Options of the reader.
        registry: Where to look; by default among everything installed.

    Raises:
        ComponentNotFoundError: If there is no benchmark of this name.
        ConfigError: If an option is unknown or of the wrong type.
        EvaluationError: If the folder is missing or not as it should be; all problems are
            listed, each with the file and what to do.
    """
    benchmark = build_benchmark(name, options=options, registry=registry)
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise EvaluationError(
            f"{folder} is no folder; give the folder of {name}, to be had from "
            f"{benchmark.homepage}"
        )
    return benchmark.read(folder, split_named(benchmark, split))


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
