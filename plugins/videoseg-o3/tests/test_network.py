"""From the hidden state of a ``[SEG]`` to a mask, with gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_seg_model import save_tiny_seg_model
from torchvision_builds import declare_missing_operators
from videoseg_o3.model.checkpoint import SegOptions, load_seg_model
from videoseg_o3.model.network import ImageFeatures, SegModel, make_projector
from videoseg_o3.propagator import O3Propagator

from videoseg import ConfigError
from videoseg.testing import moving_square
from videoseg.types import Prompt


@pytest.fixture(scope="module", params=[1, 2], ids=["one vector", "two vectors"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    declare_missing_operators()
    family = "qwen3-vl" if request.param == 1 else "qwen2.5-vl"
    return save_tiny_seg_model(
        tmp_path_factory.mktemp("model"), family=family, num_vectors=request.param
    )


@pytest.fixture(scope="module")
def model(folder: Path) -> SegModel:
    return load_seg_model(SegOptions(str(folder), device="cpu"))


def hidden_states(model: SegModel, count: int, seed: int = 0) -> torch.Tensor:
    width = model.vlm.config.get_text_config().hidden_size
    generator = torch.Generator().manual_seed(seed)
    return (5 * torch.randn(count, width, generator=generator)).requires_grad_()


def test_gradients_reach_what_is_trained_and_nothing_else(model: SegModel) -> None:
    clip = moving_square(2)
    hidden = hidden_states(model, 2)
    images = model.image_input([clip.video[0], clip.video[1]]).requires_grad_()
    model.zero_grad()
    logits = model.mask_logits(images, model.project(hidden))
    assert logits.shape == (2, 32, 32)
    assert logits.dtype == torch.float32
    logits.square().sum().backward()
    assert hidden.grad is not None
    assert (hidden.grad.abs().sum(dim=1) > 0).all()
    assert images.grad is None
    reached = {
        name.split(".")[0]
        for name, parameter in model.sam2.named_parameters()
        if parameter.grad is not None and parameter.grad.any()
    }
    assert reached == {"sam_mask_decoder", "sam_prompt_encoder"}
    assert all(parameter.grad is not None for parameter in model.projector.parameters())
    frozen = {n.split(".")[0] for n, p in model.sam2.named_parameters() if not p.requires_grad}
    assert {"image_encoder", "memory_attention", "memory_encoder", "obj_ptr_proj"} <= frozen


def test_the_gradient_is_that_of_finite_differences(model: SegModel) -> None:
    features = model.encode_images(model.image_input([moving_square(1).video[0]]))
    hidden = hidden_states(model, 1)

    def loss(state: torch.Tensor) -> torch.Tensor:
        return model.mask_logits(features, model.project(state)).mean()

    (gradient,) = torch.autograd.grad(loss(hidden), hidden)
    step = 0.02 * gradient / gradient.norm()
    with torch.no_grad():
        rise = float(loss(hidden + step) - loss(hidden - step))
    assert rise == pytest.approx(0.04 * float(gradient.norm()), rel=0.05)


def test_a_single_frame_gets_the_mask_of_the_propagator(model: SegModel, folder: Path) -> None:
    clip = moving_square(3)
    hidden = hidden_states(model, 1)
    propagator = O3Propagator(model=str(folder), device="cpu", precision="float32")
    (embedding,) = model.embed(hidden)
    assert embedding.model == "videoseg-o3"
    assert len(embedding.values) == model.num_vectors * model.prompt_width
    with propagator.open(clip.video) as session:
        session.prompt(Prompt(1, 1, embedding=embedding))
        found = {frame: one[1] for frame, one in session.run_logits()}[1]
    with torch.no_grad():
        low = model.mask_logits(model.image_input([clip.video[1]]), model.project(hidden))[None]
    for size in ((model.image_size,) * 2, clip.video.size):
        low = torch.nn.functional.interpolate(low, size, mode="bilinear", align_corners=False)
    assert float(found.std()) > 0.01
    torch.testing.assert_close(found, low[0, 0], atol=1e-5, rtol=1e-5)


def test_the_candidate_of_the_highest_predicted_quality_is_taken(
    model: SegModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = model.sam2.sam_mask_decoder
    forward, seen = decoder.forward, []

    def watch(**keywords: Any) -> Any:
        outputs = forward(**keywords)
        order = torch.tensor([[0.1, 0.9, 0.2], [0.3, 0.2, 0.8]])
        seen.append(outputs[0])
        return (outputs[0], order, *outputs[2:])

    monkeypatch.setattr(decoder, "forward", watch)
    images = model.image_input([moving_square(1).video[0]] * 2)
    logits = model.mask_logits(images, model.project(hidden_states(model, 2)))
    assert torch.equal(logits[0], seen[0][0, 1])
    assert torch.equal(logits[1], seen[0][1, 2])


def test_features_are_made_once_for_all_masks_on_a_frame(
    model: SegModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = moving_square(2)
    images = model.image_input([clip.video[0], clip.video[1]])
    features = model.encode_images(images)
    joined = ImageFeatures.join([model.encode_images(image[None]) for image in images])
    torch.testing.assert_close(features.coarse, joined.coarse, atol=1e-4, rtol=1e-4)
    assert len(features) == len(joined) == 2
    vectors = model.project(hidden_states(model, 3))
    expected = model.mask_logits(images[[1, 0, 1]], vectors)
    monkeypatch.setattr(model.sam2, "forward_image", None)
    again = model.mask_logits(features.select(torch.tensor([1, 0, 1])), vectors)
    torch.testing.assert_close(again, expected, atol=1e-4, rtol=1e-4)


def test_frames_are_read_as_the_released_model_reads_them(model: SegModel) -> None:
    frame = np.full((20, 30, 3), (0, 128, 255), np.uint8)
    values = model.image_input([frame])
    assert values.shape == (1, 3, 128, 128)
    # ImageNet's mean and standard deviation, which the official code rounds to bfloat16.
    mean = torch.tensor([0.484375, 0.455078125, 0.40625])
    std = torch.tensor([0.228515625, 0.2236328125, 0.224609375])
    expected = (torch.tensor([0, 128, 255]) / 255 - mean) / std
    torch.testing.assert_close(values[0, :, 5, 7], expected)


def test_bfloat16_comes_close(folder: Path, model: SegModel) -> None:
    smaller = load_seg_model(SegOptions(str(folder), dtype="bfloat16", device="cpu"))
    assert smaller.vlm.dtype == torch.bfloat16
    assert {parameter.dtype for parameter in smaller.sam2.parameters()} == {torch.float32}
    image = model.image_input([moving_square(1).video[0]])
    hidden = hidden_states(model, 1)
    with torch.no_grad():
        exact = model.mask_logits(image, model.project(hidden))
        close = smaller.mask_logits(image, smaller.project(hidden))
    assert close.dtype == torch.float32
    error = (close - exact).abs().mean() / exact.abs().mean()
    assert 0 < float(error) < 0.1


def test_a_model_without_sam2_makes_the_same_embeddings(folder: Path, model: SegModel) -> None:
    smaller = load_seg_model(SegOptions(str(folder), device="cpu", masks=False))
    assert smaller.sam2 is None
    assert (smaller.num_vectors, smaller.prompt_width) == (model.num_vectors, model.prompt_width)
    hidden = hidden_states(model, 2)
    assert smaller.embed(hidden) == model.embed(hidden)


def test_parts_that_do_not_fit_are_refused(model: SegModel) -> None:
    for projector, message in (
        (make_projector(3, 32), "the projector takes 3 values; the language model gives 64"),
        (make_projector(64, 33), "the projector gives 33 values; 1 prompts of SAM 2 have 32 each"),
    ):
        with pytest.raises(ConfigError, match=message):
            SegModel(model.vlm, projector, model.sam2, model.processor)
    vectors = model.project(hidden_states(model, 2))
    with pytest.raises(ConfigError, match=r"prompts of 1 frames must have shape \(1, k, 32\)"):
        model.mask_logits(model.image_input([moving_square(1).video[0]]), vectors)
