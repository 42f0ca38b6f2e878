"""A real browser: the Chromium of the system, driven by playwright.

Without it, tests are skipped, or fail where VIDEOSEG_TESTS_NEED_BROWSER is set, as in `.ci/run`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

__all__ = ["running_browser", "skip_without_browser"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_MISSING = "no Chromium is installed: apt-get install chromium"


def skip_without_browser() -> None:
    """Skip the module that calls this, unless a browser is there or has to be."""
    if "VIDEOSEG_TESTS_NEED_BROWSER" in os.environ:
        return
    if _path() is None:
        pytest.skip(_MISSING, allow_module_level=True)
    if find_spec("playwright") is None:
        pytest.skip("not installed: pip install playwright", allow_module_level=True)


@contextmanager
def running_browser() -> Iterator[Any]:
    """Yield a playwright browser."""
    from playwright.sync_api import sync_playwright

    if (path := _path()) is None:
        pytest.fail(_MISSING, pytrace=False)
    with sync_playwright() as started:
        # As root, which containers are, Chromium has no sandbox of its own.
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def _path() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)
