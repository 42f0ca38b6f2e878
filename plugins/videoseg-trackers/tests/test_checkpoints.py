"""Which checkpoints are taken, which are refused, and what is said before a download."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from videoseg_trackers import TransformersVideoPropagator, TransformersVideoSegmenter
from videoseg_trackers.published import published_weights

from videoseg.errors import ConfigError, MissingDependencyError, MissingWeightsError
from videoseg.testing import moving_square
from videoseg.types import Box, Prompt


def test_a_configuration_that_builds_another_encoder_is_refused(misnamed_folder: Path) -> None:
    propagator = TransformersVideoPropagator(model=str(misnamed_folder), device="cpu")
    with pytest.raises(ConfigError, match="says EdgeTAM but builds the image encoder of SAM 2"):
        propagator.open(moving_square(2).video)


def test_the_library_builds_that_encoder_without_arguments() -> None:
    """Fails once the library is mended: then nothing needs to be refused."""
    import transformers

    config = transformers.EdgeTamVideoConfig()
    assert config.vision_config.model_type == "sam2_vision_model"


def test_another_architecture_is_refused(sam2_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sam2_folder, tmp_path / "other")
    (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    propagator = TransformersVideoPropagator(model=str(folder), device="cpu")
    with pytest.raises(ConfigError, match=r"is a 'vit'; the video trackers are sam2_video"):
        propagator.open(moving_square(2).video)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("facebook/sam3", r"-O model=facebook/sam3.*SAM License.*restricts the use.*gated"),
        ("yonigozlan/EdgeTAM-hf", r"-O model=yonigozlan/EdgeTAM-hf.*License: Apache-2.0"),
        ("./nowhere", "there is no folder './nowhere'"),
    ],
)
def test_what_is_missing_is_said_with_its_license(
    model: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for make in (TransformersVideoPropagator, TransformersVideoSegmenter):
        with pytest.raises(MissingWeightsError, match=message):
            make(model=model)


def test_sam3_tells_its_terms_before_a_download() -> None:
    (weights,) = published_weights({"model": "facebook/sam3"})
    assert "gated" in weights.terms
    assert "SAM License" in weights.license


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("TimmWrapperModel requires the timm library", "needs timm.*pip install timm"),
        ("Could not import module 'X'", r"cannot be imported \(Could not.*import torchvision"),
    ],
)
def test_a_package_that_cannot_be_imported_is_named(
    reason: str, message: str, sam2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    def fail(*_: object, **__: object) -> None:
        raise ImportError(reason)

    monkeypatch.setattr(transformers.Sam2VideoProcessor, "from_pretrained", fail)
    propagator = TransformersVideoPropagator(model=str(sam2_folder), device="cpu")
    with pytest.raises(MissingDependencyError, match=message):
        propagator.open(moving_square(2).video)


def test_a_checkpoint_with_missing_parameters_is_refused(
    sam2_folder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(sam2_folder, tmp_path / "part")
    file = folder / "model.safetensors"
    state = load_file(file)
    save_file(
        {k: v for k, v in state.items() if "memory_encoder" not in k}, file, {"format": "pt"}
    )
    propagator = TransformersVideoPropagator(model=str(folder), device="cpu")
    with pytest.raises(ConfigError, match=r"lacks \d+ parameters of its model"):
        propagator.open(moving_square(2).video)


def test_a_propagator_that_is_sent_reads_its_weights_again(sam2_folder: Path) -> None:
    clip = moving_square(3)

    def masks(propagator: Any) -> list[bytes]:
        with propagator.open(clip.video) as session:
            session.prompt(clip.prompt(1, 0, kind="box"))
            return [found.masks[1].tobytes() for found in session.run()]

    propagator = TransformersVideoPropagator(model=str(sam2_folder), device="cpu")
    usual = masks(propagator)
    assert masks(pickle.loads(pickle.dumps(propagator))) == usual


def test_the_segmenter_gives_what_the_propagator_starts_from(sam2_folder: Path) -> None:
    clip = moving_square(3)
    prompts = [Prompt(1, 0, box=Box(4, 4, 24, 30)), Prompt(2, 2, box=Box(30, 20, 50, 40))]
    found = TransformersVideoSegmenter(model=str(sam2_folder), device="cpu").segment(
        clip.video, prompts
    )
    propagator = TransformersVideoPropagator(model=str(sam2_folder), device="cpu")
    with propagator.open(clip.video) as session:
        for prompt in prompts:
            session.prompt(prompt)
        run = {masks.frame: masks.masks for masks in session.run()}
    for prompt, one in zip(prompts, found, strict=True):
        assert np.array_equal(one.mask, run[prompt.frame][prompt.object_id])
        assert 0 <= (one.score or 0) <= 1
