"""Weights: found, fetched only when asked for, and refused when they are not SAM 2's."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from videoseg_sam2 import Sam2Propagator, Sam2Segmenter
from videoseg_sam2.models import DEFAULT_MODEL, MODELS, config_path

import videoseg as vs
from videoseg.testing import moving_square
from videoseg.types import Box, Prompt


@pytest.fixture
def empty_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub import constants, file_download

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(file_download, "HF_HUB_CACHE", str(tmp_path), raising=False)

    def refuse(*_: object, **__: object) -> str:
        raise AssertionError("something was to be downloaded")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)


def opened(checkpoint: Path, model: str = "toy") -> None:
    propagator = Sam2Propagator(model=model, checkpoint=checkpoint, device="cpu")
    with propagator.open(moving_square().video):
        pass


@pytest.mark.parametrize("model", MODELS)
def test_missing_weights_name_the_command_that_fetches_them(model: str, empty_hub: None) -> None:
    which = "" if model == DEFAULT_MODEL else f" -O model={model}"
    command = f"videoseg download propagator sam2{which} \\(or"
    with pytest.raises(vs.MissingWeightsError, match=command):
        Sam2Propagator(model=model)
    with pytest.raises(vs.MissingWeightsError, match="videoseg download"):
        Sam2Segmenter(model=model)


def test_a_repository_that_is_not_here_is_not_fetched(empty_hub: None) -> None:
    with pytest.raises(vs.MissingWeightsError, match="sam2 -O model=sam2-hiera-small"):
        Sam2Propagator(checkpoint="facebook/sam2-hiera-small")


@pytest.mark.parametrize(
    "options",
    [
        {"model": "facebook/sam2.1-hiera-tiny"},
        {"checkpoint": "facebook/sam2.1-hiera-tiny"},
    ],
)
def test_a_network_named_by_its_repository_has_its_own_weights_and_form(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked = []

    def cached(repository: str, file: str) -> str:
        asked.append((repository, file))
        return file

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    network = Sam2Propagator(**options, device="cpu")._network
    assert asked == [("facebook/sam2.1-hiera-tiny", "sam2.1_hiera_tiny.pt")]
    assert network.name == "sam2.1-hiera-tiny"
    assert network._source.config.name == "sam2.1_hiera_t.yaml"


def test_a_folder_is_not_taken_for_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights" / "sam2").mkdir(parents=True)
    with pytest.raises(vs.ConfigError, match="'weights/sam2' is a folder, not a file; give"):
        Sam2Propagator(checkpoint="weights/sam2")


def test_a_repository_of_a_network_of_ones_own_needs_its_file_named() -> None:
    config = config_path("toy")
    with pytest.raises(vs.ConfigError, match="which file of 'me/mine' has the weights"):
        Sam2Propagator(model="mine", config=config, checkpoint="me/mine")


def test_loading_leaves_random_numbers_alone(
    toy_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    before = torch.get_rng_state()
    copy = tmp_path / "copy.pt"
    copy.write_bytes(toy_checkpoint.read_bytes())
    opened(copy)
    assert torch.equal(torch.get_rng_state(), before)
    assert not seeded, "GPUs were seeded"


DEFAULT = ("facebook/sam2.1-hiera-large", "sam2.1_hiera_large.pt")


def test_the_list_of_components_tells_whether_the_weights_are_here(
    empty_hub: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    registry = vs.default_registry()
    entries = [registry.find(kind, "sam2") for kind in ("segmenter", "propagator")]
    for entry in entries:
        [needed] = entry.component.published_weights({})
        assert (needed.model, *needed.files) == tuple(DEFAULT)
        assert needed.problem() == "is not on this machine"
        with pytest.raises(vs.MissingWeightsError, match="videoseg download propagator sam2"):
            registry.build(entry.component.kind, "sam2")
    here = tmp_path / DEFAULT[1]
    here.touch()
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: str(here))
    assert [entry.component.published_weights({})[0].problem() for entry in entries] == ["", ""]


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({"model": "sam2-hiera-tiny"}, "facebook/sam2-hiera-tiny/sam2_hiera_tiny.pt"),
        ({"checkpoint": "facebook/sam2.1-hiera-small"}, "facebook/sam2.1-hiera-small/"),
        ({"checkpoint": "someone/finetuned"}, "someone/finetuned/sam2.1_hiera_large.pt"),
        ({"checkpoint": "mine.pt"}, ""),
        ({"model": "toy", "random_weights": True}, "random weights"),
        ({"model": "unheard-of"}, ""),
    ],
)
def test_options_decide_which_weights_are_needed(options: dict[str, Any], needed: str) -> None:
    found = [one.name for one in vs.default_registry().weights("propagator", "sam2", options)]
    assert [name.startswith(needed) for name in found] == ([True] if needed else [])


def test_a_failed_download_says_what_to_run_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def fail(*_: object, **__: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(vs.MissingWeightsError, match=r"no route to host.*videoseg download"):
        Sam2Propagator(model="sam2.1-hiera-tiny", download=True)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(vs.MissingWeightsError, match=r"there is no checkpoint 'weights/none.pt'"):
        Sam2Propagator(checkpoint="weights/none.pt")


def test_every_published_size_has_its_configuration_in_the_package() -> None:
    for name in MODELS:
        assert config_path(name).is_file()


@pytest.mark.parametrize(
    ("width", "num_blocks", "extra", "model"),
    [
        (96, 12, "no_obj_embed_spatial", "sam2.1-hiera-tiny"),
        (96, 16, "no_obj_embed_spatial", "sam2.1-hiera-small"),
        (112, 24, "no_mem_embed", "sam2-hiera-base-plus"),
        (144, 48, "no_mem_embed", "sam2-hiera-large"),
        (12, 5, "no_mem_embed", "mini-2.0"),
    ],
)
def test_a_checkpoint_of_another_size_is_recognized(
    tmp_path: Path, toy_modules: Any, width: int, num_blocks: int, extra: str, model: str
) -> None:
    trunk = "image_encoder.trunk"
    state = {f"{trunk}.blocks.{block}.norm1.weight": torch.ones(1) for block in range(num_blocks)}
    state |= {f"{trunk}.pos_embed": torch.zeros(1, width, 7, 7), extra: torch.zeros(1)}
    torch.save({"model": state}, tmp_path / "other.pt")
    with pytest.raises(vs.ConfigError, match=f"set model='{model}'"):
        opened(tmp_path / "other.pt")


def test_a_checkpoint_of_something_else(tmp_path: Path, toy_modules: Any) -> None:
    path = tmp_path / "other.pt"
    torch.save({"weight": torch.zeros(2), "bias": torch.zeros(2)}, path)
    with pytest.raises(vs.ConfigError, match=r"not of model 'toy'.*missing.*2 parameters are unk"):
        opened(path)
    torch.save({"vision_encoder.x": torch.zeros(2)}, path)
    with pytest.raises(vs.ConfigError, match=r"converted for transformers: take .*\.pt file"):
        opened(path)
    torch.save([1, 2, 3], path)
    with pytest.raises(vs.ConfigError, match="holds no parameters by name"):
        opened(path)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, toy_modules: Any) -> None:
    lost = torch.full_like(toy_modules.no_mem_embed, torch.nan)
    state = {**toy_modules.state_dict(), "no_mem_embed": lost}
    torch.save({"model": state}, tmp_path / "diverged.pt")
    with pytest.raises(vs.ConfigError, match=r"not finite \(in no_mem_embed\)"):
        opened(tmp_path / "diverged.pt")


def test_a_truncated_checkpoint(tmp_path: Path, toy_checkpoint: Path) -> None:
    whole = toy_checkpoint.read_bytes()
    for kept in (100, len(whole) // 2, len(whole) - 20):
        path = tmp_path / "cut.pt"
        path.write_bytes(whole[:kept])
        with pytest.raises(
            vs.ConfigError, match=r"cut.pt' is cut short.*videoseg download propagator sam2"
        ):
            opened(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>Not Found</html>", r"web page \(HTML\)"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"", "is empty"),
        (b"12345678 no header", "is text"),
    ],
)
def test_what_is_no_checkpoint_is_refused_before_a_pipeline_begins(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "page.safetensors"
    path.write_bytes(content)
    for stage in (Sam2Propagator, Sam2Segmenter):
        with pytest.raises(vs.ConfigError, match=words) as caught:
            stage(model="sam2.1-hiera-tiny", checkpoint=path, device="cpu")
        assert "weights_only" not in str(caught.value)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"

    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (mark,))

    path = tmp_path / "code.pt"
    torch.save({"model": {"weight": Code()}}, path)
    with pytest.raises(vs.ConfigError, match="holds more than tensors"):
        opened(path)
    path.write_bytes(pickle.dumps({"model": Code()}, protocol=2))
    with pytest.raises(vs.ConfigError, match="holds more than tensors"):
        opened(path)
    assert not mark.exists()


def test_parameters_that_are_no_real_numbers_are_refused(tmp_path: Path, toy_modules: Any) -> None:
    embedding = toy_modules.no_mem_embed
    for odd, words in (
        (embedding.to(torch.complex64), "as complex numbers"),
        (embedding.to(torch.int8), "as torch.int8 instead of torch.float32"),
        (embedding.to("meta"), "without values"),
        (embedding.to_sparse(), "not as a dense tensor"),
    ):
        state = {**toy_modules.state_dict(), "no_mem_embed": odd}
        torch.save({"model": state}, tmp_path / "odd.pt")
        with pytest.raises(vs.ConfigError, match=f"holds 'no_mem_embed' {words}"):
            opened(tmp_path / "odd.pt")


def test_a_training_state_is_read(tmp_path: Path, toy_modules: Any) -> None:
    state = {f"module.{name}": value for name, value in toy_modules.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}}, tmp_path / "last.pt")
    opened(tmp_path / "last.pt")


def test_safetensors_are_read(tmp_path: Path, toy_modules: Any) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "toy.safetensors"
    save_file({key: value.contiguous() for key, value in toy_modules.state_dict().items()}, path)
    opened(path)


def test_a_configuration_may_only_name_classes_of_the_package(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(
        "model:\n  _target_: sam2.modeling.sam2_base.SAM2Base\n"
        "  image_encoder:\n    _target_: os.system\n",
        encoding="utf-8",
    )
    with pytest.raises(vs.ConfigError, match=r"names os\.system; only classes of sam2"):
        Sam2Propagator(config=config, random_weights=True, device="cpu").open(
            moving_square().video
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "sam3"}, "model must be one of .*sam2.1-hiera-large"),
        ({"model": "toy"}, "has no trained weights; set random_weights=True"),
        ({"model": "toy", "random_weights": True, "checkpoint": "x.pt"}, "not both"),
        (
            {"model": "toy", "random_weights": True, "precision": "float16"},
            "precision.* must be .float32., .bfloat16., .int8. or .auto.",
        ),
        ({"model": "toy", "random_weights": True, "device": "gpu"}, "device must be auto"),
        ({"model": "toy", "random_weights": True, "device": None}, "device.* must be text"),
        ({"model": "sam2-hiera-tiny", "checkpoint": "facebook/sam2-hiera-small"}, "two networks"),
        ({"config": "none.yaml", "random_weights": True}, "no configuration file 'none.yaml'"),
    ],
)
def test_options_that_are_not_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(vs.ConfigError, match=message):
        Sam2Propagator(**options)
    with pytest.raises(vs.ConfigError, match=message):
        Sam2Segmenter(**options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none() -> None:
    with pytest.raises(vs.ConfigError, match=r"there is no CUDA device.*use device='auto'"):
        Sam2Propagator(model="toy", random_weights=True, device="cuda")


def test_equal_networks_share_their_parameters(toy_checkpoint: Path) -> None:
    options: dict[str, Any] = {"model": "toy", "checkpoint": toy_checkpoint, "device": "cpu"}
    one, other = Sam2Propagator(**options), Sam2Segmenter(**options)
    assert one._network.modules is other._network.modules


def test_weights_are_let_go_of_and_read_again(toy_checkpoint: Path) -> None:
    segmenter = Sam2Segmenter(model="toy", checkpoint=toy_checkpoint, device="cpu")
    prompts = [Prompt(1, 0, box=Box(2, 2, 30, 30))]
    video = moving_square().video
    [before] = segmenter.segment(video, prompts)
    segmenter.close()
    [after] = segmenter.segment(video, prompts)
    assert (before.mask == after.mask).all()


_HYDRA = """
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.version import VersionBase
from omegaconf import OmegaConf

def state():
    resolvers = [OmegaConf.has_resolver(name) for name in ("now", "hydra", "python_version")]
    return GlobalHydra.instance().hydra, VersionBase.instance().version_base, resolvers

{prepare}
before = state()
from videoseg_sam2 import Sam2Propagator
Sam2Propagator(model="toy", random_weights=True, device="cpu")._network.modules
assert state() == before, (state(), before)
initialize = {initialize}
if initialize:
    initialize_config_dir("/tmp", version_base="1.3")
"""


@pytest.mark.parametrize("in_use", [False, True])
def test_hydra_is_left_as_it_was(in_use: bool) -> None:
    prepare = 'initialize_config_dir("/tmp", version_base="1.3")' if in_use else ""
    code = _HYDRA.format(prepare=prepare, initialize=not in_use)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_declaring_imports_nothing_heavy() -> None:
    code = (
        "import sys, videoseg_sam2.plugin as p; list(p.videoseg_components());"
        "assert not {'torch', 'sam2', 'hydra', 'PIL'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
