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


@pytest.fixture(scope="session")
def lively_checkpoint(toy_modules: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save random weights under which objects are in sight and memory matters."""
    state = {key: value.clone() for key, value in toy_modules.state_dict().items()}
    # Where attention is all but uniform, what is remembered would hardly matter.
    for name in state:
        if "cross_attn_image" in name and name.endswith(("q_proj.weight", "k_proj.weight")):
            state[name] *= 5
        if "cross_attn_image" in name and name.endswith(("v_proj.weight", "out_proj.weight")):
            state[name] *= 4
        if "output_hypernetworks_mlps" in name and name.endswith("layers.2.weight"):
            state[name] *= 8
    state["sam_mask_decoder.pred_obj_score_head.layers.2.bias"] += 1.0
    path = tmp_path_factory.mktemp("weights") / "lively.pt"
    torch.save({"model": state}, path)
    return path
