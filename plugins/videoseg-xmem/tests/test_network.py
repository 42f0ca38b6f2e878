from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from videoseg_xmem.checkpoint import load_network, random_network
from videoseg_xmem.network import Dimensions, XMemNetwork
from videoseg_xmem.network.preparation import prepare
from videoseg_xmem.network.rewriting import fold_batch_norms
from videoseg_xmem.network.winograd import WinogradConv2d

PUBLISHED = Path(__file__).with_name("published_parameters.json")
TINY = Dimensions(key=8, value=32, sensory=8, width=8)


def shapes(network: XMemNetwork) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}


def with_random_norms(network: XMemNetwork) -> XMemNetwork:
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                tensor.data.add_(0.2 * torch.randn(tensor.shape, generator=generator))
            module.running_var.add_(torch.rand(module.running_var.shape, generator=generator))
    return network


def outputs(network: XMemNetwork) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    image = torch.randn(1, 3, 64, 96, generator=generator)
    masks = torch.rand(3, 64, 96, generator=generator)
    width, channels = network.dimensions.value, network.dimensions.sensory
    readout = torch.randn(3, width, 4, 6, generator=generator)
    sensory = torch.randn(3, channels, 4, 6, generator=generator) if channels else None
    with torch.inference_mode():
        frame = network.encode_key(image)
        value, deep = network.encode_value(image, frame.features[0], masks, sensory)
        logits, usual = network.segment(frame.features, readout, sensory, update=True)
    found = [frame.key, frame.shrinkage, frame.selection, *frame.features, value, logits]
    return found + [tensor for tensor in (deep, usual) if tensor is not None]


def test_parameters_are_named_and_shaped_as_in_the_published_checkpoint() -> None:
    with torch.device("meta"):
        network = XMemNetwork(Dimensions())
    assert shapes(network) == json.loads(PUBLISHED.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "dimensions",
    [
        TINY,
        Dimensions(key=12, value=24, sensory=4, width=8),
        Dimensions(key=8, value=32, sensory=0, width=8),
        Dimensions(key=8, value=32, sensory=8, width=8, single_object=True),
    ],
)
def test_dimensions_are_read_off_a_checkpoint(dimensions: Dimensions, tmp_path: Path) -> None:
    torch.save(random_network(dimensions).state_dict(), tmp_path / "some.pth")
    network = load_network(tmp_path / "some.pth")
    assert network.dimensions == dimensions
    for tensor in outputs(network):
        assert torch.isfinite(tensor).all()


def test_a_network_without_sensory_memory_keeps_none() -> None:
    network = random_network(Dimensions(key=8, value=32, sensory=0, width=8))
    assert not any("hidden" in name for name in network.state_dict())
    assert len(outputs(network)) == 8


@pytest.mark.parametrize("width", [8, 16])
def test_a_prepared_network_computes_the_same(width: int) -> None:
    dimensions = Dimensions(key=width, value=4 * width, sensory=width, width=width)
    expected = outputs(with_random_norms(random_network(dimensions)))
    network = with_random_norms(random_network(dimensions))
    prepared = prepare(network, device=torch.device("cpu"), dtype=torch.float32)
    assert any(isinstance(module, WinogradConv2d) for module in prepared.modules())
    for was, now in zip(expected, outputs(prepared), strict=True):
        scale = was.abs().max()
        assert float((was - now).abs().max() / scale) < 5e-5


def test_folding_leaves_no_batch_norm() -> None:
    network = random_network(TINY)
    fold_batch_norms(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("shape", [(1, 5, 12, 16), (3, 7, 13, 9), (2, 4, 1, 1), (1, 64, 30, 54)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_winograd_is_the_direct_convolution(shape: tuple[int, ...], has_bias: bool) -> None:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(shape, generator=generator)
    weight = torch.randn(6, shape[1], 3, 3, generator=generator) / (3 * shape[1] ** 0.5)
    bias = torch.randn(6, generator=generator) if has_bias else None
    layer = WinogradConv2d(weight, bias)
    exact = functional.conv2d(
        x.double(), weight.double(), None if bias is None else bias.double(), padding=1
    )
    for given in (x, x.contiguous(memory_format=torch.channels_last)):
        assert float((layer(given) - exact).abs().max()) < 1e-5


def test_objects_do_not_depend_on_how_many_there_are_besides_their_masks() -> None:
    network = random_network(TINY)
    generator = torch.Generator().manual_seed(6)
    image = torch.randn(1, 3, 32, 32, generator=generator)
    readout = torch.randn(2, 32, 2, 2, generator=generator)
    with torch.inference_mode():
        features = network.encode_key(image).features
        sensory = torch.zeros(2, 8, 2, 2)
        both, _ = network.segment(features, readout, sensory, update=False)
        alone, _ = network.segment(features, readout[1:], sensory[1:], update=False)
    torch.testing.assert_close(both[1:], alone)


def test_in_bfloat16_what_rounding_would_harm_most_stays_in_float32() -> None:
    network = prepare(random_network(TINY), device=torch.device("cpu"), dtype=torch.bfloat16)
    assert network.dtype == torch.float32
    types = {name: tensor.dtype for name, tensor in network.named_parameters()}
    precise = {name for name, dtype in types.items() if dtype == torch.float32}
    assert {".".join(name.split(".")[:2]) for name in precise} == {
        "key_encoder.conv1",
        "key_encoder.res2",
        "value_encoder.conv1",
    }
    image = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        frame = network.encode_key(image)
        readout = frame.features[0].new_zeros(1, 32, 2, 3)
        sensory = frame.features[0].new_zeros(1, 8, 2, 3)
        logits, _ = network.segment(frame.features, readout, sensory, update=False)
    assert {part.dtype for part in frame.features} == {torch.bfloat16}
    assert {frame.key.dtype, frame.shrinkage.dtype, frame.selection.dtype} == {torch.float32}
    assert logits.dtype == torch.float32


def test_in_bfloat16_nothing_is_rounded_before_the_first_stage_has_seen_it() -> None:
    generator = torch.Generator().manual_seed(8)
    image = torch.randn(1, 3, 32, 32, generator=generator)
    planes = torch.randn(1, 5, 32, 32, generator=generator)
    exact, rounded = (
        prepare(random_network(TINY), device=torch.device("cpu"), dtype=dtype)
        for dtype in (torch.float32, torch.bfloat16)
    )
    with torch.inference_mode():
        expected = exact.key_encoder(image)[2].bfloat16()
        found = rounded.key_encoder(image)[2]
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
        expected = exact.value_encoder.conv1(planes).bfloat16()
        torch.testing.assert_close(rounded.value_encoder.conv1(planes), expected, rtol=0, atol=0)
