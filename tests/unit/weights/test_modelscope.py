"""Models on ModelScope: their files are listed, then fetched as any others."""

from __future__ import annotations

import hashlib
import io
import json
import urllib.request

import pytest

from videoseg.errors import DownloadError
from videoseg.weights import ModelScopeModel, WeightsFile, hubs, plan_downloads

MODEL = ModelScopeModel("someone/Model-2B", "theirs", license="Apache-2.0")
WEIGHTS = b"w" * 900


def listed(name, content=b"{}", kind="blob"):
    sha256 = hashlib.sha256(content).hexdigest()
    return {"Path": name, "Type": kind, "Size": len(content), "Sha256": sha256.upper()}


@pytest.fixture
def answer(monkeypatch, tmp_path):
    """Answer the question for the files; return what was asked and what is answered."""
    monkeypatch.setenv("VIDEOSEG_WEIGHTS", str(tmp_path))
    state = {"asked": [], "files": [], "error": None}

    def respond(request, *, timeout):
        state["asked"].append(request.full_url)
        if state["error"]:
            raise state["error"]
        return io.BytesIO(json.dumps({"Code": 200, "Data": {"Files": state["files"]}}).encode())

    monkeypatch.setattr(hubs, "open_url", respond)
    return state


def test_the_files_of_a_model_are_listed_with_hash_and_place(answer, tmp_path):
    answer["files"] = [
        listed("model.safetensors", WEIGHTS),
        listed("config.json"),
        listed("README.md"),
        listed("assets", kind="tree"),
        listed("assets/picture.png"),
    ]
    [plan] = plan_downloads([MODEL])
    assert plan.parts == (
        WeightsFile(
            "https://modelscope.cn/models/someone/Model-2B/resolve/master/config.json",
            "theirs/Model-2B",
            2,
            hashlib.sha256(b"{}").hexdigest(),
            "Apache-2.0",
        ),
        WeightsFile(
            "https://modelscope.cn/models/someone/Model-2B/resolve/master/model.safetensors",
            "theirs/Model-2B",
            900,
            hashlib.sha256(WEIGHTS).hexdigest(),
            "Apache-2.0",
        ),
    )
    assert (plan.num_bytes, plan.license) == (902, "Apache-2.0")
    assert [part.path.parent for part in plan.parts] == [tmp_path / "theirs" / "Model-2B"] * 2
    assert answer["asked"] == [
        "https://modelscope.cn/api/v1/models/someone/Model-2B/repo/files"
        "?Revision=master&Recursive=true"
    ]


def test_a_folder_is_whole_with_its_configuration_and_weights(answer):
    assert MODEL.problem() == "is not on this machine"
    MODEL.path.mkdir(parents=True)
    (MODEL.path / "config.json").write_text("{}")
    assert MODEL.problem() == "lacks files of its weights"
    (MODEL.path / "model.safetensors").write_bytes(WEIGHTS)
    assert MODEL.problem() == ""
    (MODEL.path / "more.safetensors").symlink_to("gone")
    assert MODEL.problem() == "lacks files of its weights"


@pytest.mark.parametrize(
    ("files", "said"),
    [([], "has no weights"), (None, "did not say which files"), ([{}], "did not say which files")],
)
def test_an_answer_without_weights_is_an_error(answer, files, said):
    answer["files"] = files
    with pytest.raises(DownloadError, match=said):
        plan_downloads([MODEL])


def test_no_network_says_where_to_put_the_files(answer):
    answer["error"] = urllib.request.URLError("Name or service not known")
    with pytest.raises(DownloadError, match="Name or service not known") as caught:
        plan_downloads([MODEL])
    assert str(MODEL.path) in str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [
        listed("a\\..\\start.json"),
        listed("a\x1b[2J.json"),
        {**listed("config.json"), "Size": -5},
    ],
    ids=["other folder", "control characters", "negative size"],
)
def test_a_listing_that_cannot_be_is_refused(answer, tmp_path, entry):
    answer["files"] = [listed("model.safetensors", WEIGHTS), entry]
    with pytest.raises(DownloadError, match="ModelScope lists"):
        plan_downloads([MODEL])
    assert list(tmp_path.iterdir()) == []
