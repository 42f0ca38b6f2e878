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


@pytest.mark.parametrize(
    "options",
    [
        {"checkpoint": "mine.pt"},
        {"config": "mine.yaml"},
        {"random_weights": True},
        {"memory": "samurai"},
        {"model": "sam2-hiera-large"},
    ],
)
def test_other_weights_and_memories_have_none(options: dict[str, Any]) -> None:
    assert published_scores(options) == []
