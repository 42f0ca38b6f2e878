"""Fixtures of the pipeline's tests."""

from __future__ import annotations

import numpy as np
import pytest

from videoseg import Video


@pytest.fixture
def video():
    return Video.from_frames(np.zeros((10, 6, 8, 3), np.uint8), fps=5)
