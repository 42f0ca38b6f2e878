"""Fixtures of the benchmark tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_benchmarks import ALL_LAYOUTS, open_layout
from real_clips import real_clips

from videoseg.benchmarks import BenchmarkSplit

__all__ = ["draw", "drawn", "open_drawn", "real_clips"]


@pytest.fixture
def draw(tmp_path: Path) -> Callable[[str], Path]:
    """Return what writes a drawn benchmark into a folder of its own."""

    def write(key: str) -> Path:
        folder = tmp_path / key
        folder.mkdir()
        ALL_LAYOUTS[key][1].write(folder)
        return folder

    return write


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what gives the folder of a drawn benchmark, for tests that change nothing in it."""
    folders: dict[str, Path] = {}

    def give(key: str) -> Path:
        if key not in folders:
            folders[key] = tmp_path_factory.mktemp(key)
            ALL_LAYOUTS[key][1].write(folders[key])
        return folders[key]

    return give


@pytest.fixture
def open_drawn() -> Callable[..., BenchmarkSplit]:
    """Return what opens a drawn benchmark: ``open_drawn(key, root)``, with further arguments."""
    return open_layout
