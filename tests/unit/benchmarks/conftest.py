"""Fixtures of the benchmark tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawn_benchmarks import LAYOUTS

from videoseg.benchmarks import BenchmarkSplit, open_benchmark
from videoseg.plugins import Registry

Opener = Callable[..., BenchmarkSplit]


@pytest.fixture
def draw(tmp_path: Path) -> Callable[[str], Path]:
    """Return what writes a drawn benchmark into a folder of its own."""

    def write(key: str) -> Path:
        folder = tmp_path / key
        folder.mkdir()
        LAYOUTS[key][1].write(folder)
        return folder

    return write


@pytest.fixture
def open_drawn() -> Opener:
    """Return what opens a drawn benchmark: ``open_drawn(key, root)``, with further arguments."""

    def open_it(key: str, root: Path, **further: Any) -> BenchmarkSplit:
        name, layout = LAYOUTS[key]
        options = {**layout.options, **further.pop("options", {})}
        registry = Registry(allow=())
        return open_benchmark(
            name, root, layout.split, options=options, registry=registry, **further
        )

    return open_it
