"""Steps of the network in OpenVINO, and 8-bit numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from videoseg_xmem import XMemPropagator
from videoseg_xmem.checkpoint import random_network
from videoseg_xmem.network import Dimensions, XMemNetwork
from videoseg_xmem.network.openvino_steps import put_in_openvino
from videoseg_xmem.network.preparation import _IMAGE_STEP, _OBJECT_STEPS, prepare
from videoseg_xmem.network.rewriting import fold_batch_norms

from videoseg.engines import OpenVinoFunction, with_eight_bits
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


def prepared(dimensions: Dimensions = TINY, **options: bool) -> XMemNetwork:
    network = random_network(dimensions, seed=2)
    return prepare(network, device=torch.device("cpu"), dtype=torch.float32, **options)


def steps(network: XMemNetwork, num_objects: int, *, tall: int = 2) -> tuple[torch.Tensor, ...]:
    """Return what a network makes of a frame and of objects that are the same for each number."""
    generator = torch.Generator().manual_seed(4)
    channels = network.dimensions.sensory

    def some(count: int, *shape: int) -> torch.Tensor:
        return torch.rand(count, *shape, generator=generator)[:num_objects]

    readout, state = some(3, network.dimensions.value, tall, 3), some(3, channels, tall, 3)
    # Masks of other objects are seen, so only one has any.
    masks = torch.zeros(num_objects, 16 * tall, 48)
    masks[0, :20, 10:30] = 1
    sensory = state if channels else None
    with torch.inference_mode():
        frame = network.encode_key(image(16 * tall))
        value, deep = network.encode_value(image(16 * tall), frame.features[0], masks, sensory)
        logits, usual = network.segment(frame.features, readout, sensory, update=True)
    found = (frame.key, frame.shrinkage, frame.selection, *frame.features, value, logits)
    return (*found, *(one for one in (deep, usual) if one is not None))


def test_openvino_computes_the_same_for_every_size() -> None:
    usual, other = prepared(), prepared(openvino=True)
    for tall in (2, 3, 2):
        error = relative_error(steps(other, 1, tall=tall), steps(usual, 1, tall=tall))
        assert error < 1e-5


@pytest.mark.parametrize("sensory", [8, 0])
def test_all_steps_take_any_number_of_objects(sensory: int) -> None:
    dimensions = Dimensions(key=8, value=32, sensory=sensory, width=8)
    # Prepared for 8 bits, all its layers are as OpenVINO takes them.
    usual, other = prepared(dimensions), prepared(dimensions, openvino=True, eight_bit=True)
    for step in (_IMAGE_STEP, *_OBJECT_STEPS):
        put_in_openvino(other, step, eight_bit=False)
    for num_objects in (2, 1, 3):
        assert relative_error(steps(other, num_objects), steps(usual, num_objects)) < 1e-4


def test_with_eight_bits_all_steps_change_a_little() -> None:
    usual, other = prepared(), prepared(openvino=True, eight_bit=True)
    assert other.engines.keys() == {"image_features", "object_values", "decoded"}
    for num_objects in (2, 1, 3):
        assert 1e-3 < relative_error(steps(other, num_objects), steps(usual, num_objects)) < 0.2


def test_with_eight_bits_whole_numbers_are_multiplied() -> None:
    function = OpenVinoFunction(encoder(), eight_bit=True)
    function(image())
    operations = function._compiled.get_runtime_model().get_ops()
    types = [one.get_rt_info()["runtimePrecision"].astype(str) for one in operations]
    assert sum("u8" in one or "i8" in one for one in types) > len(types) // 3


def test_with_eight_bits_the_sensory_memory_stays_where_it_is_not_updated() -> None:
    network = prepared()
    readout, state = torch.rand(1, 32, 2, 3), torch.rand(1, 8, 2, 3)
    with torch.inference_mode():
        frame = network.encode_key(image())
        network.engines["decoded"] = network.decoded
        _, kept = network.segment(frame.features, readout, state, update=False)
    assert kept is state


def test_masks_are_the_same_in_openvino(tiny_checkpoint: Path) -> None:
    clip = moving_square()
    found = []
    for engine in ("eager", "openvino"):
        propagator = XMemPropagator(checkpoint=tiny_checkpoint, size=48, engine=engine)
        with propagator.open(clip.video) as session:
            session.prompt(clip.prompt(1, 0, kind="mask"))
            found.append([masks.masks[1] for masks in session.run()])
    differing = [np.mean(one != other) for one, other in zip(*found, strict=True)]
    assert max(differing) < 0.01


def test_in_float32_openvino_takes_what_depends_on_the_image_alone() -> None:
    assert prepared().engines == {}
    assert prepared(openvino=True).engines.keys() == {"image_features"}


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
