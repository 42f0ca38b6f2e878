"""The propagator ``o3``: a language prompt, and SAM 2 with the released model's settings."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_seg_model import save_tiny_seg_model
from torchvision_builds import declare_missing_operators
from videoseg_o3.model.keys import SAM2, VLM
from videoseg_o3.plugin import O3_CAPABILITIES
from videoseg_o3.propagator import O3Propagator
from videoseg_sam2 import Sam2Propagator

import videoseg as vs
from videoseg.errors import ConfigError, MissingWeightsError, PropagationError
from videoseg.testing import PropagatorContract, RenderedSource, moving_square, passing_squares
from videoseg.types import Box, Embedding, Point, Prompt

WIDTH = 32  # of a prompt of the tiny network


@pytest.fixture(scope="module", autouse=True)
def shared_parameters() -> Any:
    """Keep the tiny network's parameters, which equal propagators share."""
    return make()._network.modules


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    declare_missing_operators()
    return save_tiny_seg_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def empty_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be found in the hub's cache of this machine."""
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)


def make(**options: Any) -> O3Propagator:
    return O3Propagator(random_weights="toy-2.0", device="cpu", precision="float32", **options)


def embedding(seed: int = 0, num_vectors: int = 1) -> Embedding:
    values = np.random.default_rng(seed).normal(0, 2, WIDTH * num_vectors)
    return Embedding("videoseg-o3", tuple(values.tolist()))


def logits_of(
    propagator: Any, video: Any, *prompts: Prompt, runs: tuple[Any, ...] = ("forward",)
) -> dict[int, np.ndarray]:
    """Return the logits of the first object on each frame; later runs win."""
    found: dict[int, np.ndarray] = {}
    with propagator.open(video) as session:
        for prompt in prompts:
            session.prompt(prompt)
        for direction in runs:
            for frame, objects in session.run_logits(direction):
                found[frame] = objects[prompts[0].object_id].numpy().copy()
    return found


class TestPropagator(PropagatorContract):
    least_iou = 0.0
    registered = O3_CAPABILITIES
    # What Python's free lists hold is counted, too; a mask must stand out against it.
    memory_size = (96, 128)

    def make(self) -> O3Propagator:
        return make()


# -- the language prompt -----------------------------------------------------------------------


def test_the_prompt_is_on_every_frame() -> None:
    video = moving_square(4).video
    prompt = Prompt(1, 1, embedding=embedding())
    guided = logits_of(make(), video, prompt, runs=("forward", "backward"))
    once = logits_of(make(guide_every_frame=False), video, prompt, runs=("forward", "backward"))
    assert np.array_equal(guided[1], once[1])
    for frame in (0, 2, 3):
        assert not np.allclose(guided[frame], once[frame])


def test_two_vectors_are_two_prompts() -> None:
    video = moving_square(2).video
    two = embedding(num_vectors=2)
    halves = [Embedding("videoseg-o3", part) for part in (two.values[:WIDTH], two.values[WIDTH:])]
    found = [logits_of(make(), video, Prompt(1, 0, embedding=e))[0] for e in (two, *halves)]
    assert not np.allclose(found[0], found[1])
    assert not np.allclose(found[0], found[2])


@pytest.mark.parametrize("length", [0, 1, WIDTH - 1, WIDTH + 1])
def test_other_widths_are_refused(length: int) -> None:
    with make().open(moving_square().video) as session:
        wrong = Embedding("videoseg-o3", (0.5,) * length)
        with pytest.raises(PropagationError, match=rf"of {length} values; 'toy-2.0' takes 32"):
            session.prompt(Prompt(1, 0, embedding=wrong))
        session.prompt(Prompt(1, 0, embedding=embedding()))


def test_embeddings_boxes_and_points_mix() -> None:
    clip = passing_squares(4)
    prompts = [
        Prompt(1, 0, embedding=embedding()),
        Prompt(2, 1, box=Box(4, 4, 24, 30)),
        Prompt(3, 0, points=(Point(9, 9),), embedding=embedding(1)),
    ]
    alone = logits_of(make(), clip.video, prompts[0])
    together = logits_of(make(), clip.video, *prompts)
    for frame, logits in alone.items():
        np.testing.assert_allclose(together[frame], logits, atol=1e-5)


def test_a_pipeline_propagates_embeddings_both_ways() -> None:
    from videoseg.pipeline.propagate import Propagation

    clip = moving_square(6)
    prompt = Prompt(1, 3, embedding=embedding())
    propagation = Propagation(make(), clip.video, [prompt], seed=0)
    found = {masks.frame: masks.masks[1] for masks in propagation.run()}
    propagation.close()
    assert list(found) == [3, 4, 5, 2, 1, 0]
    expected = logits_of(make(), clip.video, prompt, runs=("forward", "backward"))
    for frame, mask in found.items():
        assert np.array_equal(mask, expected[frame] > 0)


# -- the released settings ---------------------------------------------------------------------


def with_score(propagator: Any, value: float) -> Any:
    """Set what the network predicts of an object being in sight; returns its modules."""
    modules = propagator._network.modules
    last = modules.sam_mask_decoder.pred_obj_score_head.layers[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(value)
    return modules


def test_masks_of_absent_objects_are_shown_but_remembered_as_absent(
    shared_parameters: Any,
) -> None:
    state = {name: tensor.clone() for name, tensor in shared_parameters.state_dict().items()}
    video, prompt = moving_square(1).video, Prompt(1, 0, embedding=embedding())
    try:
        found, pointers = [], []
        for value in (-9.0, 9.0):
            propagator = make()
            modules = with_score(propagator, value)
            with propagator.open(video) as session:
                session.prompt(prompt)
                found.extend(one[1].numpy().copy() for _, one in session.run_logits())
                pointers.append(session._objects[1].prompted[0].pointer)
        assert np.array_equal(*found)
        assert found[0].min() > -100
        assert torch.equal(pointers[0], modules.no_obj_ptr)
        assert not torch.equal(*pointers)
        hiding = Sam2Propagator(
            model="toy-2.0",
            random_weights=True,
            device="cpu",
            precision="float32",
            embeddings=("videoseg-o3",),
        )
        with_score(hiding, -9.0)
        assert (logits_of(hiding, video, prompt)[0] == -1024).all()
    finally:
        shared_parameters.load_state_dict(state)


def test_the_settings_are_those_of_the_released_model(shared_parameters: Any) -> None:
    modules = shared_parameters
    assert modules.num_maskmem == 7
    assert modules.multimask_output_for_tracking
    assert (modules.multimask_min_pt_num, modules.multimask_max_pt_num) == (0, 1)
    assert not modules.binarize_mask_from_pts_for_mem_enc
    # Neither does it change those of the propagator sam2.
    other = Sam2Propagator(model="toy-2.0", random_weights=True, device="cpu")._network.modules
    assert other.binarize_mask_from_pts_for_mem_enc
    assert type(other).__name__ == "SAM2Base"


def test_a_run_backward_sees_what_the_run_forward_remembered() -> None:
    video, prompt = moving_square(7).video, Prompt(1, 3, embedding=embedding())
    both = logits_of(make(), video, prompt, runs=("forward", "backward"))
    alone = logits_of(make(), video, prompt, runs=("backward",))
    assert np.array_equal(both[3], alone[3])
    assert not np.allclose(both[2], alone[2])


def test_logits_take_the_size_of_the_networks_input_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from videoseg_sam2 import images, session

    sizes: list[tuple[int, ...]] = []

    def watch(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        sizes.append((*logits.shape[-2:], *size))
        return images.to_frame_size(logits, size)

    monkeypatch.setattr(session, "to_frame_size", watch)
    logits_of(make(), moving_square(1, size=(48, 64)).video, Prompt(1, 0, embedding=embedding()))
    assert sizes == [(32, 32, 128, 128), (128, 128, 48, 64)]


def test_what_is_held_does_not_grow_with_the_video() -> None:
    held = []
    with make().open(RenderedSource(60)) as session:
        session.prompt(Prompt(1, 0, embedding=embedding()))
        for _ in session.run():
            outputs = session._objects[1].passed.values()
            held.append((len(outputs), sum(output.features is not None for output in outputs)))
    # What a later run backward would see stays, too, around the prompt.
    assert held[-1] == held[35] == max(held)
    assert held[-1] <= (2 * 16, 2 * 7)


# -- weights -----------------------------------------------------------------------------------


def test_only_sam2_is_read_from_a_checkpoint(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors

    opened, read = safetensors.safe_open, []

    class Watched:
        def __init__(self, *arguments: Any, **keywords: Any) -> None:
            self.file = opened(*arguments, **keywords)

        def __enter__(self) -> Any:
            self.file.__enter__()
            return self

        def __exit__(self, *error: object) -> None:
            self.file.__exit__(*error)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def get_tensor(self, name: str) -> Any:
            read.append(name)
            return self.file.get_tensor(name)

    monkeypatch.setattr(safetensors, "safe_open", Watched)
    propagator = O3Propagator(model=str(folder), device="cpu", precision="float32")
    assert not read
    modules = propagator._network.modules
    given = {}
    for file in folder.glob("*.safetensors"):
        given |= load_file(file)
    assert len(read) == len(modules.state_dict())
    for name, tensor in modules.state_dict().items():
        assert torch.equal(given[SAM2 + name.replace(".gamma", ".g_weight")], tensor)
    assert all(name.startswith(SAM2) for name in read)
    assert logits_of(propagator, moving_square(2).video, Prompt(1, 0, embedding=embedding()))


def test_a_copy_in_another_process_loads_for_itself(folder: Path) -> None:
    propagator = O3Propagator(model=str(folder), device="cpu", precision="float32")
    video, prompt = moving_square(2).video, Prompt(1, 0, embedding=embedding())
    expected = logits_of(propagator, video, prompt)
    copied = pickle.loads(pickle.dumps(propagator))
    propagator.close()
    found = logits_of(copied, video, prompt)
    assert all(np.array_equal(found[frame], logits) for frame, logits in expected.items())


def save_part(folder: Path, target: Path, keep: Callable[[str], bool]) -> Path:
    target.mkdir()
    for file in folder.glob("*.json"):
        if "index" not in file.name:
            (target / file.name).write_bytes(file.read_bytes())
    state = {}
    for file in folder.glob("*.safetensors"):
        state |= {name: tensor for name, tensor in load_file(file).items() if keep(name)}
    save_file(state, target / "model.safetensors")
    return target


def test_checkpoints_without_sam2_are_refused(folder: Path, tmp_path: Path) -> None:
    cases = (
        (folder.parent / "plain" / "qwen3-vl", "a vision-language model without"),
        (save_part(folder, tmp_path / "a", lambda name: not name.startswith(SAM2)), "lacks SAM 2"),
        (
            save_part(folder, tmp_path / "b", lambda name: "pos_embed" not in name),
            "of no known size; released checkpoints have 'sam2-hiera-large'",
        ),
    )
    for path, message in cases:
        with pytest.raises(ConfigError, match=message):
            O3Propagator(model=str(path), device="cpu")
    # The language model is not needed.
    only = save_part(folder, tmp_path / "c", lambda name: not name.startswith(VLM))
    O3Propagator(model=str(only), device="cpu")


def test_parameters_that_do_not_fit_are_named(folder: Path, tmp_path: Path) -> None:
    path = save_part(folder, tmp_path / "a", lambda name: "no_mem_embed" not in name)
    propagator = O3Propagator(model=str(path), device="cpu")
    with pytest.raises(ConfigError, match=r"1 parameters are missing \(such as no_mem_embed\)"):
        propagator.open(moving_square().video)


def test_missing_and_damaged_weights_are_found_when_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="videoseg download propagator o3"):
        O3Propagator()
    with pytest.raises(MissingWeightsError, match="videoseg download propagator o3"):
        O3Propagator(model=str(tmp_path / "nothing"))
    page = tmp_path / "sam2.pt"
    page.write_text("<!DOCTYPE html><html>Not found</html>")
    with pytest.raises(ConfigError, match="web page"):
        O3Propagator(model=str(page))
    with pytest.raises(ConfigError, match="model must be one of"):
        O3Propagator(random_weights="sam7")


def test_it_is_a_component() -> None:
    registry = vs.default_registry()
    component = registry.find("propagator", "o3").component
    assert component.capabilities == O3_CAPABILITIES
    assert [one.license for one in component.published_weights({})] == ["Apache-2.0"]
    stage = registry.build("propagator", "o3", {"random_weights": "toy-2.0", "device": "cpu"})
    assert isinstance(stage, O3Propagator)
