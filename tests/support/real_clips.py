"""The fixture ``real_clips``, for the tests of the core and of plug-ins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """Return the folder of optional real clips; skip where it is absent.

    It is ``$VIDEOSEG_TEST_DATA``, or ``shared/data`` beside the checkout. Nothing may
    depend on it alone: every behaviour is tested on synthetic clips, too.
    """
    named = os.environ.get("VIDEOSEG_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real clips here (set VIDEOSEG_TEST_DATA); looked in {folder}")
    return folder
