from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch


@pytest.fixture(scope="session")
def toy_modules() -> Any:
    """Keep the toy's parameters, which equal networks share, so that they are made once."""
    from videoseg_sam2.network import NetworkChoice

    return NetworkChoice("toy", None, None, True, False, "cpu", "float32").locate().modules


@pytest.fixture(scope="session")
def toy_checkpoint(toy_modules: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save the toy's parameters as a checkpoint of SAM 2's form."""
    path = tmp_path_factory.mktemp("weights") / "toy.pt"
    torch.save({"model": toy_modules.state_dict()}, path)
    return path
