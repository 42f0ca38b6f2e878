"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of real clips and published results; tests without it are skipped."""
    folder = Path(os.environ.get("VIDEOSEG_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real test data: set VIDEOSEG_TEST_DATA to the folder that holds it")
    return folder
