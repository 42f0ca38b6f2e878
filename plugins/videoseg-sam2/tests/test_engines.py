"""The image encoder in other engines: the same features and masks, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from videoseg_sam2 import Sam2Propagator, Sam2Segmenter, encoder
from videoseg_sam2.features import FrameFeatures, encode_frame
from videoseg_sam2.network import Network, NetworkChoice

import videoseg as vs
from videoseg.errors import ConfigError, MissingDependencyError
from videoseg.testing import moving_square


def network(engine: str, precision: str = "float32") -> Network:
    options: dict[str, Any] = {"precision": precision, "engine": engine}
    return NetworkChoice("toy", None, None, True, False, "cpu", **options).locate()


def features(made: Network) -> FrameFeatures:
    side = made.modules.image_size
    image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    with made.computing():
        return encode_frame(made, image)


def errors(found: FrameFeatures, expected: FrameFeatures) -> list[float]:
    assert found.sizes == expected.sizes
    assert torch.equal(found.positions, expected.positions)
    return [
        float((one - other).abs().mean() / other.abs().mean())
        for one, other in zip(found.maps, expected.maps, strict=True)
    ]


@pytest.fixture
def only_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewrite the encoder for the engine ``compile``, but let torch run it as it is."""
    monkeypatch.setattr(encoder, "run_in", lambda _engine, module, **_: module)


@pytest.mark.usefixtures("only_rewritten")
def test_the_rewritten_encoder_makes_the_same_features() -> None:
    usual, other = network("eager"), network("compile")
    assert max(errors(features(other), features(usual))) < 1e-5
    # Positions are those of the first frame.
    assert max(errors(features(other), features(usual))) < 1e-5
    assert isinstance(other.modules.sam_mask_decoder.conv_s0, torch.nn.Identity)


@pytest.mark.usefixtures("only_rewritten")
def test_networks_of_different_engines_are_not_shared() -> None:
    usual, other = network("eager"), network("compile")
    assert usual.modules is not other.modules
    assert network("compile").modules is other.modules
    assert isinstance(usual.modules.sam_mask_decoder.conv_s0, torch.nn.Conv2d)


@pytest.mark.usefixtures("only_rewritten")
def test_a_map_with_a_part_from_coarser_ones_keeps_its_projection() -> None:
    modules = network("eager").modules
    neck = modules.image_encoder.neck
    made = encoder._FeatureMaps(modules.image_encoder)
    projection = modules.sam_mask_decoder.conv_s1
    for levels, joined in (([0], False), ([1], False), ([2, 3], True)):
        made._neck.fpn_top_down_levels = levels
        assert made.join(1, projection) is joined
    assert neck.convs[-2].conv.out_channels != projection.out_channels


@pytest.mark.slow
def test_compiled_features_are_the_same() -> None:
    assert max(errors(features(network("compile")), features(network("eager")))) < 1e-5


def test_features_are_the_same_in_openvino() -> None:
    assert max(errors(features(network("openvino")), features(network("eager")))) < 1e-5


def test_eight_bits_change_features_a_little() -> None:
    found = errors(features(network("openvino", "int8")), features(network("eager")))
    assert all(1e-4 < error < 0.1 for error in found)


def test_masks_are_the_same_in_openvino(lively_checkpoint: Path) -> None:
    clip = moving_square(4)
    found = []
    for engine in ("eager", "openvino"):
        propagator = Sam2Propagator(
            model="toy",
            checkpoint=lively_checkpoint,
            device="cpu",
            precision="float32",
            engine=engine,
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
        ({"engine": "tensorrt"}, "engine"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], message: str) -> None:
    for make in (Sam2Propagator, Sam2Segmenter):
        with pytest.raises(ConfigError, match=message):
            make(model="toy", random_weights=True, **options)


def test_openvino_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"'videoseg-sam2\[openvino\]'"):
        Sam2Propagator(model="toy", random_weights=True, engine="openvino")


@pytest.mark.usefixtures("only_rewritten")
def test_results_say_which_engine_and_precision_were_asked_for() -> None:
    clip = moving_square(2)
    mask = clip.prompt(1, 0, kind="mask").mask
    options = {"model": "toy", "random_weights": True, "device": "cpu"}
    pipeline = vs.Pipeline(
        sampler=vs.use("given", masks={0: mask.decode().astype(np.uint8)}),
        grounder=vs.use("given", masks={0: mask.decode().astype(np.uint8)}),
        propagator=vs.use("sam2", engine="compile", precision="float32", **options),
    )
    recorded = pipeline(clip.video, "the square").pipeline["propagator"]["options"]
    assert (recorded["engine"], recorded["precision"]) == ("compile", "float32")
