"""Drawn benchmarks, and pipelines that know their answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import drawn_answers
import pytest
from drawn_benchmarks import LAYOUTS, open_layout, reader_registry

import videoseg as vs
from videoseg.benchmarks import BenchmarkSplit
from videoseg.evaluation import evaluate


@pytest.fixture(scope="session")
def registry() -> vs.Registry:
    """Return a registry with the readers and the components that know the drawn answers."""
    found = reader_registry()
    found.register(drawn_answers, name="drawn-answers")
    return found


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., BenchmarkSplit]:
    """Return what draws and opens a benchmark: ``drawn("mevis")``."""

    def open_drawn(key: str = "mevis") -> BenchmarkSplit:
        root = tmp_path / "benchmarks" / key
        if not root.exists():
            root.mkdir(parents=True)
            LAYOUTS[key][1].write(root)
        return open_layout(key, root)

    return open_drawn


@pytest.fixture
def pipeline(registry: vs.Registry) -> Callable[..., vs.Pipeline]:
    """Return what makes a pipeline: ``pipeline(shift=2, fails_on="expression 1")``."""

    def make(*, shift: int = 0, fails_on: str = "") -> vs.Pipeline:
        return vs.Pipeline.from_name("drawn", registry=registry).replace(
            grounder={"fails_on": fails_on}, propagator={"shift": shift}
        )

    return make


@pytest.fixture
def run(
    tmp_path: Path, drawn: Callable[..., BenchmarkSplit], pipeline: Callable[..., vs.Pipeline]
) -> Callable[..., Path]:
    """Return what runs the drawn MeViS into a folder and returns that."""

    def run_it(name: str, *, benchmark: str = "mevis", shift: int = 0, fails_on: str = "", **more):
        out = tmp_path / name
        pipe = pipeline(shift=shift, fails_on=fails_on)
        evaluate(drawn(benchmark), pipe, out, **more)
        return out

    return run_it
