"""The vision encoder in other engines: the same features, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from videoseg_trackers import TransformersVideoPropagator, TransformersVideoSegmenter, encoder
from videoseg_trackers.network import TrackerChoice, TrackerNetwork

from videoseg.errors import ConfigError, MissingDependencyError
from videoseg.testing import moving_square


def network(folder: Path, engine: Any, precision: Any = "float32") -> TrackerNetwork:
    choice = TrackerChoice("propagator", str(folder), None, "cpu", precision, False, engine)
    return choice.locate()


def features(made: TrackerNetwork) -> dict[str, Any]:
    frame = np.random.default_rng(0).integers(0, 255, (48, 60, 3), dtype=np.uint8)
    with made.computing():
        return made.encode(frame)


def errors(found: dict[str, Any], expected: dict[str, Any]) -> list[float]:
    for one, other in zip(found["vision_pos_embeds"], expected["vision_pos_embeds"], strict=True):
        assert torch.equal(one, other)
    return [
        float((one - other).abs().mean() / other.abs().mean())
        for one, other in zip(found["vision_feats"], expected["vision_feats"], strict=True)
    ]


@pytest.fixture
def only_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewrite the encoder for the engine ``compile``, but let torch run it as it is."""
    monkeypatch.setattr(encoder, "run_in", lambda _engine, module, **_: module)


@pytest.mark.usefixtures("only_rewritten")
def test_the_rewritten_encoder_makes_the_same_features(folder: Path) -> None:
    usual, other = network(folder, "eager"), network(folder, "compile")
    for _ in range(2):
        assert max(errors(features(other), features(usual))) < 1e-5


@pytest.mark.usefixtures("only_rewritten")
def test_projections_of_fine_maps_become_a_part_of_the_encoder(
    sam2_folder: Path, sam3_folder: Path
) -> None:
    joined = network(sam2_folder, "compile").model
    assert isinstance(joined.mask_decoder.conv_s0, torch.nn.Identity)
    # SAM 3 makes its maps otherwise.
    assert isinstance(network(sam3_folder, "compile").model.mask_decoder.conv_s0, torch.nn.Conv2d)


@pytest.mark.slow
def test_compiled_features_are_the_same(sam2_folder: Path) -> None:
    found = features(network(sam2_folder, "compile"))
    assert max(errors(found, features(network(sam2_folder, "eager")))) < 1e-5


def test_features_are_the_same_in_openvino(folder: Path) -> None:
    found = features(network(folder, "openvino"))
    assert max(errors(found, features(network(folder, "eager")))) < 1e-5


def test_eight_bits_change_features_a_little(folder: Path) -> None:
    found = errors(
        features(network(folder, "openvino", "int8")), features(network(folder, "eager"))
    )
    assert all(1e-4 < error < 0.1 for error in found)


def test_edgetam_with_merged_branches_makes_the_same_features(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    import transformers
    from tiny_trackers import edgetam_config, save_tracker

    backbone = transformers.TimmWrapperConfig(
        architecture="repvit_m1",
        model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    )
    vision = transformers.EdgeTamVisionConfig(
        backbone_config=backbone,
        fpn_hidden_size=128,
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
    )
    folder = save_tracker(edgetam_config(vision), "EdgeTamVideoModel", tmp_path)
    usual = network(folder, "eager")
    expected = features(usual)
    norms = [one for one in usual.model.modules() if isinstance(one, torch.nn.BatchNorm2d)]
    assert norms
    encoder._merge_branches(usual.model.vision_encoder)
    left = [one for one in usual.model.modules() if isinstance(one, torch.nn.BatchNorm2d)]
    assert len(left) < len(norms)
    assert max(errors(features(usual), expected)) < 1e-5


@pytest.mark.usefixtures("only_rewritten")
def test_masks_are_the_same(sam2_folder: Path) -> None:
    clip = moving_square(4)
    found = []
    for engine in ("eager", "compile"):
        propagator = TransformersVideoPropagator(
            model=str(sam2_folder), device="cpu", precision="float32", engine=engine
        )
        with propagator.open(clip.video) as session:
            session.prompt(clip.prompt(1, 0, kind="box"))
            found.append([masks.masks[1] for masks in session.run()])
    differing = [np.mean(one != other) for one, other in zip(*found, strict=True)]
    assert max(differing) < 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "needs engine='openvino', got engine='eager'"),
        ({"precision": "bfloat16", "engine": "openvino"}, "'float32', 'int8' or 'auto'"),
        ({"device": "mps", "engine": "openvino"}, "the device is 'mps'"),
    ],
)
def test_what_does_not_go_together_is_refused(
    sam2_folder: Path, options: dict[str, Any], message: str
) -> None:
    for make in (TransformersVideoPropagator, TransformersVideoSegmenter):
        with pytest.raises(ConfigError, match=message):
            make(model=str(sam2_folder), **options)


def test_openvino_that_is_not_installed_is_told(
    sam2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"'videoseg-trackers\[openvino\]'"):
        TransformersVideoPropagator(model=str(sam2_folder), engine="openvino")
