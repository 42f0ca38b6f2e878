"""What the chat model ``transformers`` refuses, and what it says then."""

from __future__ import annotations

import importlib
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch_surroundings import SURROUNDINGS, torch_state
from videoseg_synthetic import make_clip
from videoseg_vlm import TransformersChat

import videoseg as vs
from videoseg.errors import ChatError, ContextLengthError, MissingDependencyError
from videoseg.types import Message, TextPart


def loaded(chat):
    chat.chat([Message("user", (TextPart("x"),))], max_tokens=1)
    return chat._loaded


def refusal(kind, **options):
    with pytest.raises(kind) as caught:
        loaded(TransformersChat(**options))
    return str(caught.value)


def test_a_model_that_is_not_here_comes_with_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    text = refusal(vs.MissingWeightsError, model="Qwen/Qwen2.5-VL-7B-Instruct", revision="v2")
    assert "videoseg download chat transformers -O revision=v2" in text
    assert "download=True" in text


def test_a_pipeline_tells_all_weights_that_are_missing_before_it_begins(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    pipe = vs.Pipeline("first", "attributes", "flow", chat="transformers")
    clip = make_clip(seed=0, num_frames=12, size=(96, 128))
    with pytest.raises(vs.MissingWeightsError, match="videoseg download chat transformers"):
        pipe(clip.video, "the largest object")


@pytest.mark.parametrize(
    ("files", "complete"),
    [
        ((), False),
        (("model-1.safetensors",), False),
        (("model-1.safetensors", "model-2.safetensors"), True),
    ],
)
def test_a_fetch_that_broke_off_is_told_before_anything_loads(
    files, complete, monkeypatch, tmp_path
):
    snapshot = tmp_path / "models--some--model" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--some--model" / "refs").mkdir()
    (tmp_path / "models--some--model" / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text("{}")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    for file in files:
        save_file({"a": torch.zeros(1)}, snapshot / file)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    if complete:
        TransformersChat(model="some/model")
        return
    with pytest.raises(vs.MissingWeightsError, match=r"not wholly.*-O model=some/model"):
        TransformersChat(model="some/model")


def test_a_name_that_the_hub_cannot_have_is_not_here():
    assert "not on this machine" in refusal(vs.MissingWeightsError, model="what? this!")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    assert "no folder" in refusal(vs.MissingWeightsError, model=str(tmp_path / "nothing"))
    assert "config.json" in refusal(vs.MissingWeightsError, model=str(tmp_path))


def without(checkpoint: Path, folder: Path, *names: str) -> str:
    for file in checkpoint.iterdir():
        if file.name not in names:
            (folder / file.name).symlink_to(file)
    return str(folder)


def test_a_model_without_a_processor_is_refused(checkpoints, tmp_path):
    names = ("processor_config.json", "tokenizer.json", "tokenizer_config.json")
    text = refusal(vs.ConfigError, model=without(checkpoints["qwen2.5-vl"], tmp_path, *names))
    assert "processor" in text


def test_a_checkpoint_without_weights_is_refused(checkpoints, tmp_path):
    folder = without(checkpoints["qwen3-vl"], tmp_path, "model.safetensors")
    assert "model is missing" in refusal(vs.MissingWeightsError, model=folder)


def test_a_language_model_without_eyes_is_refused(checkpoints, tmp_path):
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    AutoTokenizer.from_pretrained(checkpoints["qwen2.5-vl"]).save_pretrained(tmp_path)
    tiny = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 263}
    Qwen2ForCausalLM(Qwen2Config(**tiny, **heads)).save_pretrained(tmp_path)
    assert "a vision-language model needs" in refusal(vs.ConfigError, model=str(tmp_path))


def test_a_conversation_that_is_too_long_is_refused_before_it_is_read(checkpoints, ask, tmp_path):
    folder = without(checkpoints["qwen2.5-vl"], tmp_path, "config.json")
    config = json.loads((checkpoints["qwen2.5-vl"] / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = 100
    (tmp_path / "config.json").write_text(json.dumps(config))
    chat = TransformersChat(model=folder)
    assert chat.chat(ask((56, 56)), max_tokens=8)
    with pytest.raises(ContextLengthError, match=r"1 images.*takes 100.*max_pixels"):
        chat.chat(ask((280, 280)), max_tokens=8)


@pytest.mark.parametrize("kind", ["cuda", "cpu"])
def test_running_out_of_memory_says_what_to_do_and_the_model_stays_usable(
    kind, chats, ask, monkeypatch
):
    import torch

    def full(*_, **__):
        if kind == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    chat = chats["qwen2.5-vl"]
    with monkeypatch.context() as patch:
        patch.setattr(loaded(chat).model, "generate", full)
        with pytest.raises(ChatError, match=r"1 images for 3 answers.*max_pixels.*int4"):
            chat.chat(ask((56, 56)), num_samples=3, temperature=1.0, max_tokens=2)
    assert chat.chat(ask((56, 56)), max_tokens=2)


def test_a_torchvision_of_another_build_is_told_from_a_missing_one(checkpoints, monkeypatch):
    real = importlib.import_module

    def broken(name, *arguments, **keywords):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(importlib, "import_module", broken)
    text = refusal(MissingDependencyError, model=str(checkpoints["qwen2.5-vl"]))
    assert "nms does not exist" in text
    assert "pip install --force-reinstall torch torchvision" in text


def test_quantization_without_its_package_comes_with_the_command(checkpoints, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "bitsandbytes" else real(name, *rest),
    )
    text = refusal(MissingDependencyError, model=str(checkpoints["qwen3-vl"]), quantization="int4")
    assert "pip install 'videoseg-vlm[quantization]'" in text


def test_an_attention_whose_package_is_missing_comes_with_the_command(checkpoints):
    if importlib.util.find_spec("flash_attn"):
        pytest.skip("it is installed here")
    model = str(checkpoints["qwen3-vl"])
    text = refusal(MissingDependencyError, model=model, attention="flash_attention_2")
    assert "pip install flash-attn, or leave attention out" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_batch": 0}, "'max_batch' .* >= 1"),
        ({"top_p": 0.0}, "top_p"),
        ({"device": "cpu", "device_map": "auto"}, "not both"),
        ({"coordinate_space": "yards"}, "no coordinate space 'yards'"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_loads(options, words):
    with pytest.raises(vs.ConfigError, match=words):
        TransformersChat(**options)


@pytest.mark.parametrize("messages", [[], [Message("assistant", (TextPart("I have spoken."),))]])
def test_a_conversation_with_nothing_to_answer_is_refused(messages):
    with pytest.raises(vs.ConfigError):
        TransformersChat(model="never-loaded", download=True).chat(messages)


@pytest.mark.parametrize(
    "how",
    [{"num_samples": 0}, {"max_tokens": 0}, {"temperature": -1}, {"temperature": float("nan")}],
)
def test_a_way_of_answering_that_makes_no_sense_is_refused(how, ask):
    with pytest.raises(vs.ConfigError, match=next(iter(how))):
        TransformersChat(model="never-loaded", download=True).chat(ask(), **how)


def test_a_model_that_cannot_be_fetched_is_told(monkeypatch):
    import transformers

    def offline(*_, local_files_only, **__):
        assert not local_files_only
        raise OSError("We couldn't connect to the hub")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", offline)
    text = refusal(vs.MissingWeightsError, model="someone/model", download=True)
    assert "couldn't connect" in text
    assert "hf auth login" in text
    assert "videoseg download chat transformers -O model=someone/model" in text


def test_a_gpu_that_is_not_there_is_told(checkpoints):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    text = refusal(vs.ConfigError, model=str(checkpoints["qwen2.5-vl"]), device="cuda")
    assert "sees no GPU" in text


@pytest.fixture
def copied(checkpoints, tmp_path):
    """Return a checkpoint of its own, which a test may spoil, and its parameters."""
    folder = tmp_path / "copy"
    shutil.copytree(checkpoints["qwen2.5-vl"], folder)
    return folder, load_file(folder / "model.safetensors")


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("model.safetensors", b"<!doctype html><html>", r"web page \(HTML\)"),
        ("model.safetensors", b"", r"is empty \(0 bytes\)"),
        ("model.safetensors", b"\xff" * 8 + b"{}", "its header cannot be read"),
        ("config.json", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("tokenizer.json", b"<html>Not Found</html>", r"web page \(HTML\)"),
    ],
)
def test_a_file_that_was_not_fetched_is_told_before_anything_loads(copied, file, content, words):
    folder, _ = copied
    (folder / file).write_bytes(content)
    with pytest.raises(vs.ConfigError, match=f"in the checkpoint .*, '{file}' .*{words}"):
        TransformersChat(model=str(folder))


def test_code_among_the_weights_is_named_and_nothing_advises_to_run_it(copied, monkeypatch):
    folder, state = copied
    monkeypatch.chdir(folder)

    class Code:
        def __reduce__(self):
            return (Path.touch, (Path("ran"),))

    (folder / "model.safetensors").unlink()
    torch.save({**state, "more": Code()}, folder / "pytorch_model.bin")
    text = refusal(vs.ConfigError, model=str(folder))
    assert "'pytorch_model.bin' holds more than tensors" in text and "could run code" in text
    assert "weights_only" not in text
    assert not Path("ran").exists()


def test_weights_that_would_answer_noise_are_refused(copied):
    folder, state = copied
    name = next(name for name in state if name.endswith("mlp.up_proj.weight"))
    for changed, words in (
        ({name: state[name] * torch.nan}, "numbers that are not finite"),
        ({name: state[name].to(torch.complex64)}, "as complex numbers"),
        ({name: state[name].to(torch.int8)}, r"are quantized \(I8\)"),
        ({name: torch.zeros(3)}, "other shapes than its config.json says"),
        ({name: None}, "lacks 1 parameters of its model"),
    ):
        kept = {key: value for key, value in {**state, **changed}.items() if value is not None}
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(vs.ConfigError, match=words):
            loaded(TransformersChat(model=str(folder)))


@pytest.mark.parametrize("name", ["autocast to float16", "float64 default", "meta default"])
def test_answers_are_those_of_a_run_by_itself(checkpoints, ask, name):
    def answer():
        chat = TransformersChat(model=str(checkpoints["qwen2.5-vl"]))
        return [reply.text for reply in chat.chat(ask((28, 28)), max_tokens=4)]

    usual = answer()
    with SURROUNDINGS[name]():
        before = torch_state()
        assert answer() == usual
        assert torch_state() == before


def test_a_model_that_is_sent_is_loaded_again(checkpoints, ask):
    chat = TransformersChat(model=str(checkpoints["qwen2.5-vl"]))
    usual = [reply.text for reply in chat.chat(ask((28, 28)), max_tokens=4)]
    sent = pickle.dumps(chat)
    assert len(sent) < 2_000
    arrived = pickle.loads(sent)
    assert [reply.text for reply in arrived.chat(ask((28, 28)), max_tokens=4)] == usual


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({}, ["Qwen/Qwen2.5-VL-7B-Instruct"]),
        ({"model": "someone/model", "revision": "v2"}, ["someone/model@v2"]),
        ({"model": "./folder"}, []),
        ({"model": "/a/b"}, []),
        ({"model": ""}, []),
    ],
)
def test_the_options_say_which_weights_are_needed(options, needed):
    registry = vs.default_registry()
    found = registry.weights("chat", "transformers", options)
    assert [one.name for one in found] == needed
    inner = {"name": "transformers", "options": options}
    assert registry.weights("chat", "record", {"model": inner, "path": "log"}) == found
    assert registry.weights("chat", "record", {"model": "replay", "path": "log"}) == ()
