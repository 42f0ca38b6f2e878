"""Published scores of Cutie: of which weights and options there are some."""

from __future__ import annotations

from videoseg_cutie.scores import published_scores


def test_the_base_network_has_scores_and_others_none() -> None:
    assert published_scores({}) == published_scores({"checkpoint": "base"}) != []
    assert published_scores({"checkpoint": "small"}) == []
    assert published_scores({"precision": "int8", "engine": "openvino"}) == []
