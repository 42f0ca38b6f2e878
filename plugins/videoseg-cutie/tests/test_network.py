from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_cutie import TINY, tiny_network
from torch import nn
from videoseg_cutie.checkpoint import load_network
from videoseg_cutie.network import SMALL, CutieNetwork, Dimensions
from videoseg_cutie.network.network import probabilities_of
from videoseg_cutie.network.positions import positions
from videoseg_cutie.network.preparation import prepare
from videoseg_cutie.network.transformer import _blocked

import videoseg as vs

PUBLISHED = Path(__file__).with_name("published_parameters.json")


def with_random_norms(network: CutieNetwork) -> CutieNetwork:
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                tensor.data.add_(0.2 * torch.randn(tensor.shape, generator=generator))
            module.running_var.add_(torch.rand(module.running_var.shape, generator=generator))
    return network


def outputs(network: CutieNetwork) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    image = torch.randn(1, 3, 64, 96, generator=generator)
    masks = torch.rand(3, 64, 96, generator=generator)
    last = torch.rand(3, 4, 6, generator=generator)
    readout = torch.randn(3, TINY.value, 4, 6, generator=generator)
    sensory = torch.randn(3, TINY.sensory, 4, 6, generator=generator)
    with torch.inference_mode():
        frame = network.encode_frame(image)
        value, deep, summaries = network.encode_masks(image, frame, masks, 1 - masks, sensory)
        refined = network.refine(frame, readout, sensory, last, summaries)
        logits, usual = network.decode(frame, refined, sensory, update=True)
    return [frame.key, frame.shrinkage, frame.selection, value, deep, summaries, logits, usual]


@pytest.mark.parametrize(("name", "dimensions"), [("base", Dimensions()), ("small", SMALL)])
def test_parameters_are_named_and_shaped_as_published(name: str, dimensions: Dimensions) -> None:
    with torch.device("meta"):
        network = CutieNetwork(dimensions)
    found = {key: list(tensor.shape) for key, tensor in network.state_dict().items()}
    assert found == json.loads(PUBLISHED.read_text(encoding="utf-8"))[name]
    assert Dimensions.of(network.state_dict()) == dimensions


def test_a_prepared_network_computes_the_same() -> None:
    expected = outputs(with_random_norms(tiny_network()))
    network = with_random_norms(tiny_network())
    prepared = prepare(network, device=torch.device("cpu"), dtype=torch.float32)
    for was, now in zip(expected, outputs(prepared), strict=True):
        torch.testing.assert_close(now, was, rtol=0, atol=5e-5 * float(was.abs().max()))


def test_in_bfloat16_memories_and_logits_stay_in_float32() -> None:
    network = prepare(tiny_network(), device=torch.device("cpu"), dtype=torch.bfloat16)
    key, _, _, value, deep, summaries, logits, usual = outputs(network)
    assert value.dtype == torch.bfloat16
    assert {part.dtype for part in (key, deep, summaries, logits, usual)} == {torch.float32}


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_checkpoint_of_a_training_is_read(prefix: str, tmp_path: Path) -> None:
    state = tiny_network().state_dict()
    extra = {
        "aux_computer.sensory_aux.projection.weight": torch.zeros(17, 16, 1, 1),
        "object_transformer.spatial_pe.inv_freq": torch.ones(4),
    }
    saved = {prefix + name: tensor for name, tensor in (state | extra).items()}
    torch.save({"it": 7, "weights": saved, "optimizer": {}}, tmp_path / "training.pth")
    loaded = load_network(tmp_path / "training.pth").state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_a_network_for_single_objects_pays_no_heed_to_others(tmp_path: Path) -> None:
    state = dict(tiny_network().state_dict())
    for name in ("mask_encoder.conv1.weight", "pixel_fuser.sensory_compress.weight"):
        state[name] = state[name][:, :-1].clone()
    torch.save(state, tmp_path / "single.pth")
    loaded = load_network(tmp_path / "single.pth")
    assert loaded.dimensions == TINY
    assert not loaded.mask_encoder.conv1.weight[:, 4].any()
    assert not loaded.pixel_fuser.sensory_compress.weight[:, -1].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("mask_decoder.pred.bias"), "missing: mask_decoder.pred.bias"),
        (lambda state: state.update(other=torch.zeros(2)), "not Cutie's: other"),
        (
            lambda state: state.update({"mask_decoder.pred.bias": torch.zeros(2)}),
            r"of another shape: mask_decoder.pred.bias \(2,\) instead of \(1,\)",
        ),
        (lambda state: state.clear() or state.update(a=torch.zeros(2)), "1 parameters are not"),
    ],
)
def test_what_is_wrong_with_a_checkpoint_is_said(
    change: object, message: str, tmp_path: Path
) -> None:
    state = dict(tiny_network().state_dict())
    change(state)  # type: ignore[operator]
    torch.save(state, tmp_path / "wrong.pth")
    with pytest.raises(vs.ConfigError, match=message):
        load_network(tmp_path / "wrong.pth")


def test_a_checkpoint_of_xmem_is_refused(tmp_path: Path) -> None:
    from videoseg_xmem.checkpoint import random_network
    from videoseg_xmem.network import Dimensions as XMemDimensions

    network = random_network(XMemDimensions(key=8, value=16, sensory=8, width=8))
    torch.save(network.state_dict(), tmp_path / "xmem.pth")
    with pytest.raises(vs.ConfigError, match="not one of Cutie"):
        load_network(tmp_path / "xmem.pth")


def test_positions_are_sines_and_cosines_of_x_then_y() -> None:
    encoded = positions(3, 5, 8, torch.device("cpu")).view(3, 5, 8)
    x, y = torch.tensor(3 / 4 * 32), torch.tensor(2 / 2 * 32)
    slow = 128**-0.5
    expected = [f(v * w) for v in (x, y) for w in (1, slow) for f in (torch.sin, torch.cos)]
    torch.testing.assert_close(encoded[2, 3], torch.stack(expected), rtol=0, atol=2e-4)
    assert torch.isfinite(positions(1, 1, 8, torch.device("cpu"))).all()


def test_queries_look_at_their_object_or_at_all_else() -> None:
    logits = torch.full((2, 1, 4), -9.0)
    logits[0, 0, :2] = 9
    blocked = _blocked(logits, 4).view(2, 8, 4, 4)
    object_places = torch.tensor([False, False, True, True])
    for head in range(8):
        assert (
            blocked[0, head].tolist()
            == [object_places.tolist()] * 2 + [(~object_places).tolist()] * 2
        )
    # The second object is nowhere: its queries may look everywhere, the others, too.
    assert not blocked[1].any()


def test_objects_compete_before_probabilities_are_enlarged() -> None:
    found = probabilities_of(torch.tensor([[[3.0, -3.0]], [[1.0, -3.0]]]))
    assert found.shape == (3, 4, 8)
    torch.testing.assert_close(found.sum(dim=0), torch.ones(4, 8))
    assert found.argmax(dim=0)[0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
