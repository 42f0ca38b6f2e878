from __future__ import annotations

import socket
from importlib.resources import files

import numpy as np
import pytest
from videoseg_tiny import TinyChat
from videoseg_tiny.plugin import videoseg_o3_tiny, videoseg_r1_tiny
from videoseg_tiny.scoring import build_pipeline, score_pipeline, summarize

from videoseg.pipeline import PipelineConfig
from videoseg.testing import ChatContract
from videoseg.types import Look

MODEL = files("videoseg_tiny") / "model"
MOST_BYTES = 8_000_000

# Seeds that neither training nor any choice has used.
SEEDS = range(40_000_010, 40_000_016)
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
    assert len(rows) >= 20
    assert summarize(rows)["jf"] >= LEAST_SCORE, summarize(rows)


def test_it_is_quick(rows):
    assert summarize(rows)["questions_per_minute"] >= 10


def test_it_says_when_nothing_fits(rows):
    absent = [row["jf"] for row in rows if row["kind"] == "no-color"]
    present = [row["jf"] for row in rows if row["kind"] != "no-color"]
    assert np.mean(absent) >= 0.6
    assert np.mean(present) >= 0.5


def test_nothing_is_fetched(configuration, clips, monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    from videoseg_synthetic import make_clip

    clip = make_clip(seed=SEEDS.start, num_frames=16, size=(96, 96))
    pipeline = build_pipeline(configuration, chat=TinyChat())
    pipeline(clip.video, "the largest one")


def test_o3_looks_before_it_answers(chat):
    from videoseg_synthetic import make_clip

    pipeline = build_pipeline(videoseg_o3_tiny(), chat=chat)
    looked = 0
    for seed in SEEDS:
        clip = make_clip(seed=seed, num_frames=16, size=(96, 96))
        query = next(one for one in clip.queries if one.kind == "color")
        trace = pipeline(clip.video, query.text).trace
        looked += len(trace.turns) == 2 and trace.turns[0].action == "look"
    assert looked >= len(SEEDS) - 2
    assert Look


def test_a_word_that_it_does_not_know_is_named(configuration, chat, clips):
    from videoseg_synthetic import make_clip

    clip = make_clip(seed=SEEDS.start, num_frames=16, size=(96, 96))
    result = build_pipeline(configuration, chat=chat)(clip.video, "the blue zebra")
    assert not result.found
    assert any("'zebra'" in warning for warning in result.warnings), result.warnings


def test_the_configurations_can_be_saved(configuration):
    config = PipelineConfig.from_dict(configuration)
    assert PipelineConfig.from_dict(config.to_dict()) == config


def test_a_folder_that_was_trained_further_takes_its_place(untrained):
    assert TinyChat(model=str(untrained)).chat
