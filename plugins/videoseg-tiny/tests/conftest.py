from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torchvision_builds import declare_missing_operators


@pytest.fixture(scope="session", autouse=True)
def importable_torchvision():
    """Let processors load on machines where torch and torchvision are of different builds."""
    declare_missing_operators()


@pytest.fixture(scope="session")
def processor():
    from videoseg_tiny import new_processor

    return new_processor()


@pytest.fixture(scope="session")
def untrained(processor, tmp_path_factory) -> Path:
    """Return the folder of a model with random weights."""
    from videoseg_tiny import new_model
    from videoseg_tiny.train import export

    folder = tmp_path_factory.mktemp("untrained")
    export(new_model(processor.tokenizer), processor, folder)
    return folder


@pytest.fixture(scope="session")
def clips():
    from videoseg_tiny.clips import draw_clip

    # One of each shape of frame.
    return [draw_clip(seed) for seed in (40_000_002, 40_000_001, 40_000_005)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)
