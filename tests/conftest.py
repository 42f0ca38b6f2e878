"""Fixtures that all tests share."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fresh_interpreter import is_fresh, run_elsewhere
from real_clips import real_clips

import videoseg as vs

if "PYTEST_XDIST_WORKER" in os.environ:
    # Read when torch is first imported: processes that share the cores must not each use all.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

if is_fresh():
    import cv2

    cv2.setNumThreads(1)

__all__ = ["real_clips"]

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers that this file gives a meaning."""
    gc.disable()
    config.addinivalue_line("markers", "forks: forks, so it runs in an interpreter of its own")


def pytest_collection_finish() -> None:
    """Keep thousands of tests, and the libraries they import, out of every later collection."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that forks in an interpreter of its own."""
    if pyfuncitem.get_closest_marker("forks") is None or is_fresh():
        return None
    run_elsewhere(pyfuncitem)
    return True


def _handlers() -> dict[str, list[logging.Handler]]:
    loggers = {"": logging.getLogger(), "videoseg": logging.getLogger("videoseg")}
    return {
        name: [
            handler
            for handler in logger.handlers
            # pytest's own come and go with the phases of a test.
            if not type(handler).__module__.startswith("_pytest")
        ]
        for name, logger in loggers.items()
    }


def _environment() -> dict[str, str]:
    # pytest names the running test there; OpenCV adds its own folder when it is imported, and
    # torch that of its compiler when an optimizer is first made, and more when it compiles.
    others = ("PYTEST_", "LD_LIBRARY_PATH", "TORCHINDUCTOR_", "_TORCHINDUCTOR_")
    ours = (key for key in os.environ if not key.startswith(others))
    return {key: os.environ[key] for key in ours}


@pytest.fixture(autouse=True)
def unchanged_process() -> Iterator[None]:
    """Fail a test after which environment variables or logging handlers are others."""
    environment, handlers = _environment(), _handlers()
    yield
    assert _environment() == environment, "environment variables have changed"
    assert _handlers() == handlers, "logging handlers have changed"


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout."""
    return ROOT


@pytest.fixture
def builtin_registry() -> vs.Registry:
    """Return a registry that knows the core's components and the default pipeline only."""
    return vs.Registry(allow=("attributes",))


@pytest.fixture(scope="session")
def moving_square() -> vs.Video:
    """Return 12 frames of 48x64 on which a red square goes from left to right."""
    rng = np.random.default_rng(0)
    ground = rng.integers(90, 130, size=(48, 64, 3), dtype=np.uint8)
    frames = np.repeat(ground[None], 12, axis=0)
    for index in range(12):
        left = 4 + 4 * index
        frames[index, 16:30, left : left + 14] = (210, 40, 40)
    return vs.Video.from_frames(frames, fps=12, name="moving-square")
