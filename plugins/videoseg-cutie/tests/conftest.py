from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a random checkpoint with far fewer channels and layers than the published ones."""
    import torch
    from tiny_cutie import tiny_network

    path = tmp_path_factory.mktemp("cutie") / "tiny.pth"
    torch.save(tiny_network().state_dict(), path)
    return path
