"""Checkpoints of the ``[SEG]`` model: what loads, what is saved, and what is refused."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_seg_model import save_tiny_seg_model
from tiny_vlm import save_tiny_vlm
from torchvision_builds import declare_missing_operators
from videoseg_o3.model.checkpoint import (
    SegOptions,
    load_seg_model,
    new_seg_model,
    save_seg_model,
)
from videoseg_o3.model.files import (
    DEFAULT_MODEL,
    PUBLISHED,
    fetch_command,
    find_folder,
    published_weights,
)
from videoseg_o3.model.keys import join_state, split_state
from videoseg_o3.model.network import SPECIAL_TOKENS, SegModel
from videoseg_sam2 import build_network, config_path
from videoseg_vlm import stop_tokens

from videoseg.errors import ConfigError, MissingDependencyError, MissingWeightsError
from videoseg.weights import RandomWeights

COMMAND = "videoseg download propagator o3"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    declare_missing_operators()
    return save_tiny_seg_model(tmp_path_factory.mktemp("released"), num_shards=1)


@pytest.fixture
def folder(released: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    return Path(shutil.copytree(released, tmp_path / "seg"))


@pytest.fixture(autouse=True)
def empty_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be found in the hub's cache of this machine."""
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)


@pytest.fixture(scope="module")
def sam2_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sam2") / "sam2.pt"
    torch.save({"model": build_network(config_path("toy-2.0")).state_dict()}, path)
    return path


def load(folder: Path | str, **options: Any) -> SegModel:
    return load_seg_model(SegOptions(str(folder), device="cpu", **options))


def edit(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    path = folder / "model.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path, metadata={"format": "pt"})


def edit_config(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def same(first: SegModel, second: SegModel) -> None:
    expected = dict(second.state_dict())
    assert first.state_dict().keys() == expected.keys()
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


# -- what loads ----------------------------------------------------------------------------------


def test_every_parameter_goes_where_its_name_says(released: Path) -> None:
    model = load(released)
    given = load_file(released / "model.safetensors")
    ours = {
        "model.": model.vlm.state_dict(),
        "text_hidden_fcs.": model.projector.state_dict(),
        "grounding_encoder.sam2_model.": model.sam2.state_dict(),
    }
    assert sum(len(part) for part in ours.values()) == len(given)
    for prefix, part in ours.items():
        for name, tensor in part.items():
            # The official code has another name for gamma.
            assert torch.equal(given[prefix + name.replace(".gamma", ".g_weight")], tensor), name
    assert any(name.endswith(".g_weight") for name in given)
    assert model.seg_token == model.processor.tokenizer.convert_tokens_to_ids("[SEG]")
    assert not model.training


@pytest.mark.parametrize("family", ["qwen3-vl", "qwen2.5-vl"])
@pytest.mark.parametrize("num_vectors", [1, 2])
def test_what_was_saved_is_loaded(tmp_path: Path, family: Any, num_vectors: int) -> None:
    first = load(save_tiny_seg_model(tmp_path, family=family, num_vectors=num_vectors))
    assert first.num_vectors == num_vectors
    second = load(save_seg_model(first, tmp_path / "again"))
    same(first, second)
    assert type(second.vlm) is type(first.vlm)
    assert second.vlm.generation_config.eos_token_id == first.vlm.generation_config.eos_token_id
    ids = first.processor.tokenizer("a [SEG] b")["input_ids"]
    assert second.processor.tokenizer("a [SEG] b")["input_ids"] == ids


def test_the_language_model_answers_as_the_one_it_was_saved_from(released: Path) -> None:
    from transformers import AutoModelForImageTextToText

    plain = AutoModelForImageTextToText.from_pretrained(released.parent / "plain" / "qwen3-vl")
    ids = torch.arange(1, 40)[None]
    with torch.no_grad():
        expected = plain(input_ids=ids).logits
        torch.testing.assert_close(load(released).vlm(input_ids=ids).logits, expected)


def test_a_head_of_its_own_counts_whatever_the_configuration_says(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["tie_word_embeddings"] = True
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    vlm = load(folder).vlm
    assert not torch.equal(vlm.lm_head.weight, vlm.get_input_embeddings().weight)
    assert vlm.config.tie_word_embeddings is False
    edit(folder, lambda state: state.__delitem__("model.lm_head.weight"))
    tied = load(folder)
    assert tied.vlm.lm_head.weight is tied.vlm.get_input_embeddings().weight
    again = load(save_seg_model(tied, folder.parent / "tied"))
    same(tied, again)
    assert again.vlm.lm_head.weight is again.vlm.get_input_embeddings().weight


def test_the_vocabulary_is_that_of_the_weights(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["vocab_size"] = 300
    (folder / "config.json").write_text(json.dumps(config))
    assert load(folder).vlm.config.text_config.vocab_size == 268


def test_names_of_older_releases_of_transformers_are_read() -> None:
    tensor = torch.zeros(1)
    old = (
        "model.visual.a",
        "model.model.layers.0.b",
        "model.model.norm.weight",
        "model.lm_head.w",
    )
    new = ("model.visual.a", "model.language_model.layers.0.b", "model.language_model.norm.weight")
    parts = split_state(dict.fromkeys(old, tensor))
    assert set(parts.vlm) == {*new, "lm_head.w"}
    names = set(join_state(parts))
    assert set(join_state(split_state(dict.fromkeys(names, tensor)))) == names


def test_no_code_of_a_checkpoint_is_run(folder: Path) -> None:
    code = "raise SystemExit('this must not run')"
    for name in ("configuration_sa2va_chat.py", "modeling_sa2va_qwen.py"):
        (folder / name).write_text(code)
    load(folder)


def test_precision_and_attention_are_chosen(released: Path) -> None:
    model = load(released, dtype="bfloat16", attention="eager")
    assert model.vlm.dtype == model.projector[0].weight.dtype == torch.bfloat16
    assert model.vlm.config._attn_implementation == "eager"
    with pytest.raises(ConfigError, match="device must be auto, cpu"):
        load_seg_model(SegOptions(str(released), device="tpu"))


def test_loading_does_not_touch_the_global_generator(released: Path) -> None:
    before = torch.random.get_rng_state()
    load(released)
    assert torch.equal(torch.random.get_rng_state(), before)


# -- new ones ------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["qwen3-vl", "qwen2.5-vl"])
def test_a_new_model_is_made_of_a_language_model_and_sam2(
    sam2_file: Path, tmp_path: Path, family: Any
) -> None:
    plain = save_tiny_vlm(tmp_path, family)
    before = torch.random.get_rng_state()
    model = new_seg_model(plain, sam2_file, num_vectors=2, device="cpu", seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    tokenizer = model.processor.tokenizer
    for token in SPECIAL_TOKENS:
        assert len(tokenizer.encode(token, add_special_tokens=False)) == 1
    rows = model.vlm.get_input_embeddings().num_embeddings
    assert rows == len(tokenizer) == model.vlm.lm_head.out_features
    assert model.vlm.lm_head.weight is not model.vlm.get_input_embeddings().weight
    assert model.num_vectors == 2
    same(model, new_seg_model(plain, sam2_file, num_vectors=2, device="cpu", seed=3))
    other = new_seg_model(plain, sam2_file, num_vectors=2, device="cpu", seed=4)
    assert not torch.equal(other.projector[0].weight, model.projector[0].weight)
    same(model, load(save_seg_model(model, tmp_path / "saved")))
    # What is published does not name the folder that it was made from.
    assert str(tmp_path.parent) not in (tmp_path / "saved" / "config.json").read_text("utf-8")


def test_tied_embeddings_are_untied_in_a_new_model(sam2_file: Path, tmp_path: Path) -> None:
    plain = save_tiny_vlm(tmp_path, "qwen3-vl")
    edit(plain, lambda state: state.__delitem__("lm_head.weight"))
    edit_config(plain, tie_word_embeddings=True)
    model = new_seg_model(plain, sam2_file, device="cpu")
    head, embedding = model.vlm.lm_head.weight, model.vlm.get_input_embeddings().weight
    rows = load_file(plain / "model.safetensors")["model.language_model.embed_tokens.weight"]
    assert torch.equal(head[: len(rows)], rows)
    assert torch.equal(embedding[: len(rows)], rows)
    with torch.no_grad():
        head.zero_()
    assert embedding.any()
    again = load(save_seg_model(model, tmp_path / "saved"))
    same(model, again)


def test_saving_keeps_the_precision_of_each_part(released: Path, tmp_path: Path) -> None:
    model = load(released, dtype="bfloat16")
    again = load(save_seg_model(model, tmp_path / "saved"))
    assert again.vlm.dtype == torch.bfloat16
    same(model, again)


def test_a_new_model_needs_the_right_parts(
    released: Path, sam2_file: Path, tmp_path: Path
) -> None:
    plain = released.parent / "plain" / "qwen3-vl"
    for arguments, message in (
        ((released, sam2_file), "is a model of type 'sa2va_chat'; .* one of qwen3_vl"),
        ((plain, released / "model.safetensors"), "of no known size"),
    ):
        with pytest.raises(ConfigError, match=message):
            new_seg_model(*arguments, device="cpu")
    for arguments, command in (
        ((tmp_path, sam2_file), "hf download Qwen/Qwen3-VL-2B-Instruct"),
        ((plain,), "propagator sam2 -O model=sam2-hiera-large"),
        ((plain, tmp_path / "nothing.pt"), "propagator sam2 -O model=sam2-hiera-large"),
    ):
        with pytest.raises(MissingWeightsError, match=command):
            new_seg_model(*arguments, device="cpu")
    with pytest.raises(ConfigError, match="num_vectors must be at least 1"):
        new_seg_model(plain, sam2_file, num_vectors=0)


@pytest.mark.parametrize("written", [None, {}, {"eos_token_id": [5, 9]}])
@pytest.mark.parametrize("in_text_config", [None, 7])
def test_answers_end_where_the_checkpoint_says(
    folder: Path, written: dict[str, Any] | None, in_text_config: int | None
) -> None:
    path = folder / "generation_config.json"
    path.unlink()
    if written is not None:
        path.write_text(json.dumps(written))
    config = json.loads((folder / "config.json").read_text())
    edit_config(folder, text_config=config["text_config"] | {"eos_token_id": in_text_config})
    model = load(folder)
    expected = {5, 9} if written else {in_text_config or model.processor.tokenizer.eos_token_id}
    assert stop_tokens(model.vlm) == expected


# -- what is missing -----------------------------------------------------------------------------


def test_missing_checkpoints_come_with_the_command(tmp_path: Path) -> None:
    for model in (DEFAULT_MODEL, str(tmp_path / "nothing"), "./nothing", ""):
        with pytest.raises(MissingWeightsError) as caught:
            load(model)
        assert COMMAND in str(caught.value)
    with pytest.raises(MissingWeightsError, match=r"propagator o3 -O model=somebody/else$"):
        load("somebody/else")
    with pytest.raises(MissingWeightsError, match=r"model=somebody/else -O revision=v2$"):
        find_folder("somebody/else", revision="v2")
    assert fetch_command(PUBLISHED[1]).endswith("-O model=dmmm997/VideoSEG-O3-4B-RL")
    assert [one.model for one in published_weights({})] == [DEFAULT_MODEL]
    assert [one.model for one in published_weights({"model": "some/body"})] == ["some/body"]
    for local in ("./nothing", "", str(tmp_path)):
        assert published_weights({"model": local}) == []
    assert published_weights({"random_weights": "toy-2.0"}) == [RandomWeights()]


def test_a_released_checkpoint_is_found_where_its_command_puts_it(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    [needed] = published_weights({})
    assert needed.problem() == "is not on this machine"
    target = needed.path
    shutil.copytree(released, target)
    assert find_folder(PUBLISHED[0]) == target
    assert needed.problem() == ""


def test_a_torchvision_of_another_build_comes_with_the_command(
    released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.import_module

    def broken(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(MissingDependencyError, match="--force-reinstall torch torchvision"):
        load(str(released))


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer_config.json", "model-00002-of-00002.safetensors"]
)
def test_an_incomplete_folder_says_what_it_lacks(tmp_path: Path, name: str) -> None:
    folder = save_tiny_seg_model(tmp_path, num_shards=2)
    (folder / name).unlink()
    with pytest.raises(MissingWeightsError) as caught:
        load(folder)
    assert f"it lacks {name}" in str(caught.value)
    assert COMMAND in str(caught.value)


def test_a_folder_without_weights_says_so(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(MissingWeightsError, match=r"it lacks model\.safetensors"):
        load(folder)


# -- what is damaged or another model ------------------------------------------------------------


def test_damaged_files_are_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    for content, message in (
        (whole[: len(whole) // 2], r"'model\.safetensors' is cut short"),
        (b"<!DOCTYPE html><html>Sign in</html>" * 9, "'model.safetensors' .*web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "pointer of git-lfs",
        ),
    ):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=message):
            load(folder)


def test_a_damaged_index_is_refused(tmp_path: Path) -> None:
    folder = save_tiny_seg_model(tmp_path, num_shards=2)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": 3}')
    with pytest.raises(ConfigError, match="does not say which file has which parameter"):
        load(folder)


def test_a_damaged_configuration_is_refused(folder: Path) -> None:
    for content in ("{", "[]"):
        (folder / "config.json").write_text(content)
        with pytest.raises(ConfigError, match=r"config\.json"):
            load(folder)


def test_other_models_are_told_apart(released: Path, sam2_file: Path, folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"a vision-language model without .* 'transformers'"):
        load(released.parent / "plain" / "qwen3-vl")
    with pytest.raises(ConfigError, match=r"is a file; .*propagator 'sam2'"):
        load(sam2_file)
    sam2 = build_network(config_path("toy-2.0")).state_dict()
    for state, message in (
        (sam2, "it is SAM 2 alone"),
        ({"base_model.model.lm_head.lora_A.weight": torch.zeros(1)}, "an adapter"),
        ({"something": torch.zeros(1)}, "no checkpoint of VideoSEG-O3"),
    ):
        save_file(state, folder / "model.safetensors")
        with pytest.raises(ConfigError, match=message):
            load(folder)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("grounding_encoder.", "it lacks SAM 2"),
        ("text_hidden_fcs.", "it lacks the projector"),
    ],
)
def test_missing_parts_are_named(folder: Path, prefix: str, message: str) -> None:
    def drop(state: dict[str, torch.Tensor]) -> None:
        for name in [name for name in state if name.startswith(prefix)]:
            del state[name]

    edit(folder, drop)
    with pytest.raises(ConfigError, match=message):
        load(folder)


def test_parameters_that_do_not_fit_are_named(folder: Path) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        del state["model.model.language_model.norm.weight"]
        state["model.model.language_model.layers.7.new"] = torch.zeros(1)
        state["text_hidden_fcs.0.bias"] = torch.zeros(5)
        state["stray"] = torch.zeros(1)
        del state["grounding_encoder.sam2_model.no_mem_embed"]

    edit(folder, change)
    with pytest.raises(ConfigError) as caught:
        load(folder)
    message = str(caught.value)
    for part in (
        "2 parameters are missing (such as model.model.language_model.norm.weight, "
        "grounding_encoder.sam2_model.no_mem_embed)",
        "2 parameters are unknown (such as model.model.language_model.layers.7.new, stray)",
        "1 parameters have another shape (such as text_hidden_fcs.0.bias: (5,) instead of (64,))",
        COMMAND,
    ):
        assert part in message


def test_numbers_that_are_none_are_refused(folder: Path) -> None:
    def spoil(state: dict[str, torch.Tensor]) -> None:
        state["model.model.language_model.norm.weight"][3] = float("nan")

    edit(folder, spoil)
    with pytest.raises(ConfigError, match=r"not finite \(in model.language_model.norm.weight\)"):
        load(folder)


def test_odd_widths_and_types_are_refused(folder: Path, released: Path) -> None:
    edit(folder, lambda s: s.update({"text_hidden_fcs.2.weight": torch.zeros(40, 64)}))
    with pytest.raises(ConfigError, match="gives 40 values, which is no multiple of the 32"):
        load(folder)
    shutil.copy(released / "model.safetensors", folder)
    edit_config(folder, text_config={"model_type": "llama"})
    with pytest.raises(ConfigError, match=r"of type 'llama'; .* qwen3_vl, qwen2_5_vl"):
        load(folder)


def test_a_tokenizer_without_seg_is_refused(folder: Path, released: Path) -> None:
    plain = released.parent / "plain" / "qwen3-vl"
    text = (folder / "tokenizer.json").read_text().replace("[SEG]", "[OTHER]")
    (folder / "tokenizer.json").write_text(text)
    config = (folder / "tokenizer_config.json").read_text().replace("[SEG]", "[OTHER]")
    (folder / "tokenizer_config.json").write_text(config)
    with pytest.raises(ConfigError, match=r"the tokenizer does not know '\[SEG\]'"):
        load(folder)
    assert plain.is_dir()


def test_a_tokenizer_of_another_size_is_refused(folder: Path) -> None:
    def shrink(state: dict[str, torch.Tensor]) -> None:
        for name in ("model.model.language_model.embed_tokens.weight", "model.lm_head.weight"):
            state[name] = state[name][:263].clone()

    edit(folder, shrink)
    with pytest.raises(ConfigError, match=r"'\[SEG\]' is token 263, but .* has 263 tokens"):
        load(folder)


def test_a_missing_processor_is_refused(folder: Path) -> None:
    (folder / "processor_config.json").unlink()
    with pytest.raises(ConfigError, match="has no processor that can be loaded"):
        load(folder)


def test_a_model_without_sam2_is_not_saved(released: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without SAM 2"):
        save_seg_model(load(released, masks=False), tmp_path / "out")
    assert not (tmp_path / "out").exists()
