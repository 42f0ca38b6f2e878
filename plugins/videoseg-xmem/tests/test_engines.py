"""The encoder of images in OpenVINO, and its 8-bit convolutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from videoseg_xmem import XMemPropagator
from videoseg_xmem.checkpoint import random_network
from videoseg_xmem.network import Dimensions
from videoseg_xmem.network.openvino_encoder import OpenVinoEncoder
from videoseg_xmem.network.preparation import prepare
from videoseg_xmem.network.rewriting import fold_batch_norms

from videoseg.engines import with_eight_bits
from videoseg.errors import ConfigError, MissingDependencyError
from videoseg.testing import moving_square

TINY = Dimensions(key=8, value=32, sensory=8, width=8)


def encoder() -> torch.nn.Module:
    network = random_network(TINY, seed=2).requires_grad_(False)
    fold_batch_norms(network)
    return network.key_encoder


def image(height: int = 32, width: int = 48) -> torch.Tensor:
    found = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))
    return found.contiguous(memory_format=torch.channels_last)


def relative_error(found: tuple[torch.Tensor, ...], expected: tuple[torch.Tensor, ...]) -> float:
    return max(
        float((one - other).abs().mean() / other.abs().mean())
        for one, other in zip(found, expected, strict=True)
    )


def test_eight_bits_change_features_a_little() -> None:
    usual = encoder()
    rounded = with_eight_bits(usual, image())
    error = relative_error(rounded(image()), usual(image()))
    assert 1e-4 < error < 0.1
    # The encoder itself is left as it was.
    assert relative_error(encoder()(image()), usual(image())) == 0


def test_openvino_computes_the_same_for_every_size() -> None:
    pytest.importorskip("openvino")
    usual = encoder()
    other = OpenVinoEncoder(usual)
    with torch.inference_mode():
        for size in ((32, 48), (48, 32), (32, 48)):
            assert relative_error(other(image(*size)), usual(image(*size))) < 1e-5


def test_openvino_computes_with_eight_bits() -> None:
    pytest.importorskip("openvino")
    usual = encoder()
    error = relative_error(OpenVinoEncoder(usual, eight_bit=True)(image()), usual(image()))
    assert 1e-4 < error < 0.1


def test_masks_are_the_same_in_openvino(tiny_checkpoint: Path) -> None:
    pytest.importorskip("openvino")
    clip = moving_square()
    found = []
    for engine in ("eager", "openvino"):
        propagator = XMemPropagator(checkpoint=tiny_checkpoint, size=48, engine=engine)
        with propagator.open(clip.video) as session:
            session.prompt(clip.prompt(1, 0, kind="mask"))
            found.append([masks.masks[1] for masks in session.run()])
    differing = [np.mean(one != other) for one, other in zip(*found, strict=True)]
    assert max(differing) < 0.01


def test_in_openvino_nothing_else_changes() -> None:
    cpu = torch.device("cpu")
    usual, other = (
        prepare(random_network(TINY), device=cpu, dtype=torch.float32, openvino=openvino)
        for openvino in (False, True)
    )
    assert other.dtype == torch.float32
    missing = dict(usual.named_modules()).keys() - dict(other.named_modules()).keys()
    assert missing
    assert all(name.startswith("key_encoder.") for name in missing)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "needs engine='openvino', got engine='eager'"),
        ({"precision": "int8", "engine": "compile"}, "got engine='compile'"),
        ({"precision": "bfloat16", "engine": "openvino"}, "'float32', 'int8' or 'auto'"),
    ],
)
def test_what_does_not_go_together_is_said(
    tiny_checkpoint: Path, options: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        XMemPropagator(checkpoint=tiny_checkpoint, device="cpu", **options)


def test_openvino_that_is_not_installed_is_told(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match="pip install openvino"):
        XMemPropagator(checkpoint=tiny_checkpoint, device="cpu", engine="openvino")
