from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a random checkpoint with an eighth of the published channels."""
    import torch
    from videoseg_xmem.checkpoint import random_network
    from videoseg_xmem.network import Dimensions

    path = tmp_path_factory.mktemp("xmem") / "tiny.pth"
    dimensions = Dimensions(key=8, value=32, sensory=8, width=8)
    torch.save(random_network(dimensions, seed=1).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """Return the folder of optional real clips, as the tests of the toolkit find it."""
    named = os.environ.get("VIDEOSEG_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[4] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real clips here (set VIDEOSEG_TEST_DATA); looked in {folder}")
    return folder
