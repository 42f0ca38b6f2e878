from __future__ import annotations

import socket
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import videoseg_tiny
from videoseg_synthetic import make_clip
from videoseg_tiny import TinyChat
from videoseg_tiny.plugin import videoseg_o3_tiny, videoseg_r1_tiny
from videoseg_tiny.scoring import build_pipeline, score_pipeline, summarize

import videoseg as vs
from videoseg.testing import ChatContract

MODEL = files("videoseg_tiny") / "model"
MOST_BYTES = 8_000_000

# Seeds that neither training nor any choice has used.
SEEDS = range(40_000_010, 40_000_012)
LEAST_SCORE = 0.6
"""Conservative: few clips, and other processors round differently."""


@pytest.fixture(params=[videoseg_r1_tiny, videoseg_o3_tiny], ids=["r1", "o3"], scope="module")
def configuration(request):
    return request.param()


@pytest.fixture(scope="module")
def rows(configuration, chat):
    return list(score_pipeline(build_pipeline(configuration, chat=chat), SEEDS))


@pytest.fixture(scope="module")
def chat():
    return TinyChat(device="cpu")


class TestContract(ChatContract):
    @pytest.fixture(autouse=True)
    def _chat_model(self, chat):
        self.chat_model = chat

    def make(self):
        return self.chat_model


def test_the_weights_are_small():
    assert sum(len(file.read_bytes()) for file in MODEL.iterdir()) <= MOST_BYTES


def test_it_answers_for_real(rows):
    assert len(rows) >= 8
    assert summarize(rows)["jf"] >= LEAST_SCORE, summarize(rows)


def test_it_is_quick(rows):
    assert summarize(rows)["questions_per_minute"] >= 10


def test_it_says_when_nothing_fits(rows):
    absent = [row["jf"] for row in rows if row["kind"] == "no-color"]
    present = [row["jf"] for row in rows if row["kind"] != "no-color"]
    assert np.mean(absent) >= 0.6
    assert np.mean(present) >= 0.5


def test_a_saved_pipeline_runs_elsewhere(configuration, chat, tmp_path, monkeypatch):
    build_pipeline(configuration, chat="tiny").to_yaml(tmp_path / "tiny.yaml")
    text = (tmp_path / "tiny.yaml").read_text()
    # Nothing in it is a place on this machine.
    assert str(Path(videoseg_tiny.__file__).parent) not in text
    assert "videoseg_tiny:prompts" in text
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    pipe = vs.Pipeline.from_yaml("../tiny.yaml").replace(chat=chat)
    video = make_clip(seed=SEEDS.start, num_frames=16, size=(96, 96)).video
    whole = build_pipeline(configuration, chat=chat)
    result, expected = (one.ground(video, "the largest one", seed=3) for one in (pipe, whole))
    assert result.grounding == expected.grounding


def test_nothing_is_fetched(configuration, monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    clip = make_clip(seed=SEEDS.start, num_frames=16, size=(96, 96))
    pipeline = build_pipeline(configuration, chat=TinyChat())
    pipeline(clip.video, "the largest one")


def test_o3_looks_at_what_it_locates(configuration, rows):
    found = [row for row in rows if row["keyframe"] is not None]
    turns = 2 if configuration["name"] == "videoseg-o3-tiny" else 1
    assert {row["num_turns"] for row in found} == {turns}


def test_a_word_that_it_does_not_know_is_named(configuration, chat, clips):
    clip = make_clip(seed=SEEDS.start, num_frames=16, size=(96, 96))
    result = build_pipeline(configuration, chat=chat)(clip.video, "the blue zebra")
    assert not result.found
    assert any("'zebra'" in warning for warning in result.warnings), result.warnings


def test_the_configurations_can_be_saved(configuration):
    saved = build_pipeline(configuration).config.to_dict()
    assert saved["chat"] == "tiny"
    assert saved["name"] == configuration["name"]


def test_a_folder_that_was_trained_further_takes_its_place(untrained):
    assert TinyChat(model=str(untrained)).chat
