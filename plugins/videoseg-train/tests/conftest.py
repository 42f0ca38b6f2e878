"""Tiny policies and questions that the tests of training share."""

from __future__ import annotations

from torchvision_builds import declare_missing_operators

declare_missing_operators()

import pytest  # noqa: E402
import torch  # noqa: E402
from tiny_seg_model import save_tiny_seg_model  # noqa: E402
from tiny_vlm import save_tiny_vlm  # noqa: E402
from training_toys import toy_sample  # noqa: E402
from videoseg_o3 import SegOptions, load_seg_model  # noqa: E402
from videoseg_train import Policy  # noqa: E402


@pytest.fixture(scope="session")
def vlm_folder(tmp_path_factory):
    return save_tiny_vlm(tmp_path_factory.mktemp("vlm"), "qwen3-vl")


@pytest.fixture(scope="session")
def seg_folder(tmp_path_factory):
    return save_tiny_seg_model(tmp_path_factory.mktemp("model"), num_shards=1)


@pytest.fixture
def load_policy(vlm_folder, seg_folder):
    """Return a function that loads a policy of either kind, each time a new one."""
    import transformers

    def load(kind="text", **options):
        options = {"max_tokens": 12, "max_pixels": 64 * 64, **options}
        if kind == "seg":
            model = load_seg_model(SegOptions(str(seg_folder), device="cpu"))
            # Noise says [SEG] too rarely.
            bias = torch.zeros(len(model.vlm.lm_head.weight))
            bias[model.seg_token] = 9.0
            model.vlm.lm_head.bias = torch.nn.Parameter(bias)
            return Policy(model, **options)
        model = transformers.AutoModelForImageTextToText.from_pretrained(
            vlm_folder, dtype=torch.float32
        )
        return Policy(model, transformers.AutoProcessor.from_pretrained(vlm_folder), **options)

    return load


@pytest.fixture
def samples():
    """Return two questions about different clips."""
    return [toy_sample(number) for number in range(2)]
