"""What has been published is claimed of the published weights and memory only."""

from __future__ import annotations

from typing import Any

import pytest
from videoseg_sam2.scores import published_scores


def test_published_weights_have_scores() -> None:
    small, large = (published_scores({"model": f"sam2.1-hiera-{s}"}) for s in ("small", "large"))
    assert small
    assert large
    assert small != large


def test_sam2long_has_scores_of_its_own() -> None:
    [plain] = [one for one in published_scores({}) if one.benchmark == "SA-V test"]
    found = published_scores({"memory": "sam2long"})
    [longer] = [one for one in found if one.benchmark == "SA-V test"]
    assert (longer.model, longer.source) == ("SAM2Long large", "SAM2Long's paper")
    assert longer.value > plain.value
    # Other papers score LVOS v2 otherwise, by as much as the gain.
    assert {one.benchmark for one in found} == {"SA-V val", "SA-V test"}


@pytest.mark.parametrize(
    "options",
    [
        {"checkpoint": "mine.pt"},
        {"config": "mine.yaml"},
        {"random_weights": True},
        {"memory": "samurai"},
        {"memory": object},
        {"memory": "sam2long", "model": "sam2-hiera-large"},
        {"model": "sam2-hiera-large"},
        {"precision": "int8", "engine": "openvino"},
    ],
)
def test_other_weights_and_memories_have_none(options: dict[str, Any]) -> None:
    assert published_scores(options) == []
