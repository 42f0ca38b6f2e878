"""Published scores of video trackers: of which checkpoints and options there are some."""

from __future__ import annotations

from videoseg_trackers.scores import published_scores


def test_published_checkpoints_have_scores_and_others_none() -> None:
    assert published_scores({"model": "yonigozlan/EdgeTAM-hf"})
    assert published_scores({}) == published_scores({"precision": "bfloat16"}) != []
    assert published_scores({"model": "mine"}) == []


def test_nothing_is_published_of_eight_bits() -> None:
    assert published_scores({"precision": "int8", "engine": "openvino"}) == []
