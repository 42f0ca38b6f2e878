"""Downloads from the Hugging Face hub, with its own library and a hub that is drawn here."""

from __future__ import annotations

import errno
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from hub_server import hub_server
from huggingface_hub import constants

from videoseg.errors import DownloadError
from videoseg.weights import HubModel, download_weights, hubs, plan_downloads

WEIGHTS = np.random.default_rng(0).bytes(50_000)
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"{...}",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": WEIGHTS,
    "pytorch_model.bin.index.json": b"{}",
    "onnx/model.onnx": WEIGHTS,
    "README.md": b"# A model",
}
MODEL = HubModel("some/model")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with hub_server("some/model", FILES) as server:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        server.cache = tmp_path / "hub"
        yield server


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_hub_says_size_and_license(hub):
    [plan] = plan_downloads([MODEL])
    assert plan.num_bytes == len(WEIGHTS) + 2 + 5
    assert plan.license == "mit (its page on the hub)"
    assert plan.terms == ""
    assert not hub.cache.exists()


def test_what_transformers_loads_is_fetched_and_nothing_else(hub):
    [folder] = download_weights([MODEL])
    assert files_in(folder) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert MODEL.problem() == ""
    hub.fetched.clear()
    assert download_weights([MODEL]) == []
    assert hub.fetched == []


def test_single_files_of_a_repository_can_be_needed(hub):
    one = HubModel("some/model", files=("pytorch_model.bin",))
    assert one.problem() == "is not on this machine"
    [folder] = download_weights([one])
    assert files_in(folder) == ["pytorch_model.bin"]
    assert (one.problem(), MODEL.problem()) == ("", "is not on this machine")
    with pytest.raises(DownloadError, match=r"has no file 'sam\.pt'; it has README\.md, config"):
        plan_downloads([HubModel("some/model", files=("sam.pt",))])


def test_a_half_download_is_completed(hub):
    [folder] = download_weights([MODEL])
    (folder / "model.safetensors").resolve().unlink()
    (folder / "model.safetensors").unlink()
    assert MODEL.problem() == "lacks files of its weights"
    hub.fetched.clear()
    download_weights([MODEL])
    assert hub.fetched == ["model.safetensors"]
    assert MODEL.problem() == ""


def test_damaged_weights_are_removed(hub):
    hub.damages = True
    with pytest.raises(DownloadError, match=r"model\.safetensors .* was damaged on the way"):
        download_weights([MODEL])
    assert MODEL.problem() == "lacks files of its weights"
    hub.damages = False
    download_weights([MODEL])
    assert MODEL.problem() == ""


def test_gated_weights_come_with_their_terms_and_the_login(hub):
    hub.gated = True
    [plan] = plan_downloads([MODEL])
    assert "accept their terms on https://huggingface.co/some/model" in plan.terms
    with pytest.raises(DownloadError, match=r"is gated: accept its terms .*hf auth login"):
        download_weights([plan])
    assert MODEL.problem() == "is not on this machine"


@pytest.mark.parametrize("name", ["some/other", "what? this!"])
def test_a_model_that_is_not_there_is_named(hub, name):
    with pytest.raises(DownloadError, match=r"there is no model '.*' on the hub, or"):
        plan_downloads([HubModel(name)])


def test_a_full_disk_is_left_without_unfinished_files(hub, monkeypatch):
    def fill(*_: object, cache_dir: Path, **__: object) -> str:
        blobs = cache_dir / "models--some--model" / "blobs"
        blobs.mkdir(parents=True)
        (blobs / "abc.incomplete").write_bytes(b"half")
        raise RuntimeError("a worker failed") from OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fill)
    with pytest.raises(DownloadError, match=r"No space left on device; .*HF_HUB_CACHE"):
        download_weights([MODEL])
    assert [path for path in hub.cache.rglob("*") if path.is_file()] == []


def test_no_network_says_what_to_do(hub, monkeypatch):
    with hub_server("some/model", {}) as gone:
        pass
    monkeypatch.setenv("HF_ENDPOINT", gone.url)
    with pytest.raises(DownloadError, match=r"could not be fetched from the hub: .*HTTPS_PROXY"):
        plan_downloads([MODEL])


def test_another_folder_serves_another_machine(hub, tmp_path):
    stick = tmp_path / "stick"
    [folder] = download_weights([MODEL], folder=stick)
    assert folder.is_relative_to(stick / "hub")
    assert (MODEL.problem(), MODEL.problem(stick)) == ("is not on this machine", "")


def test_what_was_damaged_on_the_disk_is_found_and_fetched_again(hub):
    [folder] = download_weights([MODEL])
    (folder / "model.safetensors").resolve().write_bytes(WEIGHTS[::-1])
    # Hashes are not compared for lists.
    assert MODEL.problem() == ""
    hub.fetched.clear()
    [plan] = plan_downloads([MODEL])
    assert "is damaged: the SHA-256 of" in plan.reason
    download_weights([plan])
    assert hub.fetched == ["model.safetensors"]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert plan_downloads([MODEL]) == []


def test_what_was_not_checked_before_an_interruption_is_checked_later(hub, monkeypatch):
    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    hub.damages = True
    with monkeypatch.context() as context:
        context.setattr(hubs, "file_sha256", interrupt)
        with pytest.raises(KeyboardInterrupt):
            download_weights([MODEL])
    hub.damages = False
    download_weights([MODEL])
    assert (MODEL.folder() / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("stated", "said"),
    [(["mit", None, 3], "mit, None, 3"), ({}, "not stated"), ("x" * 999, "xxx")],
)
def test_a_license_of_any_form_is_told(hub, stated, said):
    hub.license = stated
    [plan] = plan_downloads([MODEL])
    assert plan.license.startswith(said)
    assert len(plan.license) < 200


def test_a_name_with_wildcards_fetches_nothing_else(hub):
    hub.files = {**FILES, "[a-z]*.json": b"{}", "*.safetensors": WEIGHTS, "extra.model": b"x"}
    one = HubModel("some/model", files=("*.safetensors",))
    download_weights([one])
    assert hub.fetched == ["*.safetensors"]


def test_the_password_of_a_mirror_is_not_told(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("//", "//someone:secret@"))
    [plan] = plan_downloads([MODEL])
    hub.lost = True
    with pytest.raises(DownloadError, match="could not be fetched from the hub") as caught:
        download_weights([plan])
    assert "127.0.0.1" in str(caught.value)
    assert "secret" not in str(caught.value)
