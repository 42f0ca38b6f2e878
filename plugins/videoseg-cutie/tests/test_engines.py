"""Steps of the network in OpenVINO, with as many objects as there are."""

from __future__ import annotations

import torch
from tiny_cutie import TINY, tiny_network
from videoseg_cutie.network import CutieNetwork
from videoseg_cutie.network.preparation import _IMAGE_STEP, _OBJECT_STEPS, prepare
from videoseg_xmem.network.openvino_steps import put_in_openvino


def prepared(**options: bool) -> CutieNetwork:
    return prepare(tiny_network(), device=torch.device("cpu"), dtype=torch.float32, **options)


def steps(network: CutieNetwork, num_objects: int) -> dict[str, torch.Tensor]:
    """Return what a network makes of a frame and of some objects, the first always the same."""
    generator = torch.Generator().manual_seed(4)

    def some(*shape: int) -> torch.Tensor:
        return torch.rand(3, *shape, generator=generator)[:num_objects]

    image = torch.randn(1, 3, 48, 64, generator=generator)
    readout, sensory = some(TINY.value, 3, 4), some(TINY.sensory, 3, 4)
    refined, masks = some(TINY.embed, 3, 4), some(48, 64)
    last, summaries = some(3, 4), some(TINY.num_queries, TINY.embed + 1)
    with torch.inference_mode():
        frame = network.encode_frame(image)
        value, deep, new = network.encode_masks(image, frame, masks, 1 - masks, sensory)
        logits, usual = network.decode(frame, refined, sensory, update=True)
        _, kept = network.decode(frame, refined, sensory, update=False)
        reading = network.refine(frame, readout, sensory, last, summaries)
    assert kept is sensory
    return {
        "key": frame.key,
        "value": value,
        "deep": deep,
        "summaries": new,
        "logits": logits,
        "usual": usual,
        "reading": reading,
    }


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().mean() / expected.abs().mean())


def test_in_float32_openvino_takes_what_depends_on_the_image_alone() -> None:
    usual, other = prepared(), prepared(openvino=True)
    assert other.engines.keys() == {"image_features"}
    expected, found = steps(usual, 2), steps(other, 2)
    assert max(relative_error(found[name], expected[name]) for name in expected) < 1e-4


def test_all_steps_take_any_number_of_objects() -> None:
    # Prepared for 8 bits, all its layers are as OpenVINO takes them.
    usual, other = prepared(), prepared(openvino=True, eight_bit=True)
    for step in (_IMAGE_STEP, *_OBJECT_STEPS):
        put_in_openvino(other, step, eight_bit=False)
    for num_objects in (2, 1, 3):
        expected, found = steps(usual, num_objects), steps(other, num_objects)
        errors = {name: relative_error(found[name], expected[name]) for name in expected}
        assert max(errors.values()) < 1e-4, errors


def test_with_eight_bits_all_steps_change_a_little() -> None:
    usual, other = prepared(), prepared(openvino=True, eight_bit=True)
    assert len(other.engines) == 4
    expected, found = steps(usual, 1), steps(other, 1)
    errors = {name: relative_error(found[name], expected[name]) for name in expected}
    assert errors["logits"] > 1e-3
    # Where queries may look is a hard choice, which rounding may change.
    assert max(errors.values()) < 0.2, errors
