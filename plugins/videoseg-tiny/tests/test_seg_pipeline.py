"""The shipped [SEG] model in its pipeline, on clips that neither training nor choices used."""

from __future__ import annotations

import socket
from importlib.resources import files

import numpy as np
import pytest
from videoseg_synthetic import make_clip
from videoseg_tiny.plugin import videoseg_o3_tiny_seg
from videoseg_tiny.scoring import build_pipeline, score_pipeline, summarize
from videoseg_tiny.seg_chat import TinySegChat

import videoseg as vs
from videoseg.testing import ChatContract

SEEDS = range(40_000_010, 40_000_012)
LEAST_SCORE = 0.5
"""Conservative: few clips, and other processors round differently."""
MOST_BYTES = 8_000_000
FOLDERS = ("model", "seg_model")


@pytest.fixture(scope="module")
def chat():
    return TinySegChat(device="cpu")


@pytest.fixture(scope="module")
def pipeline(chat):
    return build_pipeline(videoseg_o3_tiny_seg(), chat=chat)


@pytest.fixture(scope="module")
def rows(pipeline):
    return list(score_pipeline(pipeline, SEEDS))


@pytest.fixture
def clip():
    return make_clip(seed=SEEDS.start, num_frames=16, size=(96, 96))


class TestContract(ChatContract):
    @pytest.fixture(autouse=True)
    def _chat_model(self, chat):
        self.chat_model = chat

    def make(self):
        return self.chat_model


def test_the_weights_of_both_models_are_small():
    parts = [file for name in FOLDERS for file in (files("videoseg_tiny") / name).iterdir()]
    assert sum(len(file.read_bytes()) for file in parts) <= MOST_BYTES


def test_it_answers_for_real(rows):
    assert len(rows) >= 8
    assert summarize(rows)["jf"] >= LEAST_SCORE, summarize(rows)


def test_it_says_when_nothing_fits(rows):
    absent = [row["jf"] for row in rows if row["kind"] == "no-color"]
    present = [row["jf"] for row in rows if row["kind"] != "no-color"]
    assert np.mean(absent) >= 0.6
    assert np.mean(present) >= 0.4


def test_it_looks_before_it_answers(rows):
    assert {row["num_turns"] for row in rows if row["keyframe"] is not None} == {2}


def test_it_is_quick(rows):
    # Over 60 on an idle core; tests also run on busy ones.
    assert summarize(rows)["questions_per_minute"] >= 4


def test_an_answer_is_an_embedding_that_segments_the_other_frames(pipeline, clip):
    result = pipeline(clip.video, "the largest one")
    [prompt] = result.grounding.prompts
    assert prompt.box is None
    assert len(prompt.embedding.values) == 48
    [track] = result.tracks
    assert sum(mask is not None and mask.area > 0 for mask in track.masks) > 8


def test_a_word_that_it_does_not_know_is_named(pipeline, clip):
    result = pipeline(clip.video, "the blue zebra")
    assert not result.found
    assert any("'zebra'" in warning for warning in result.warnings), result.warnings


def test_nothing_is_fetched(clip, monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    vs.Pipeline.from_name("videoseg-o3-tiny-seg")(clip.video, "the leftmost one")


def test_the_configuration_can_be_saved(pipeline):
    saved = build_pipeline(videoseg_o3_tiny_seg()).config.to_dict()
    assert saved["chat"] == "tiny-seg"
    assert saved["propagator"]["name"] == "o3"


def test_the_released_chat_model_loads_it_as_well(clip):
    given = videoseg_o3_tiny_seg()
    options = {"model": given["propagator"]["options"]["model"], "preprocessing": "direct"}
    chat = vs.use("o3", dtype="float32", device="cpu", **options)
    result = build_pipeline(given, chat=chat)(clip.video, "the largest one")
    assert result.found
