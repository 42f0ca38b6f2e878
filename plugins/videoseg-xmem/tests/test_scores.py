"""What has been published is claimed of the published weights only."""

from __future__ import annotations

import pytest
from videoseg_xmem.scores import published_scores


def test_the_published_weights_have_scores() -> None:
    assert published_scores({}) == published_scores({"checkpoint": "XMem"}) != []


@pytest.mark.parametrize("checkpoint", ["random", "XMem-s012", "mine.pth"])
def test_other_weights_have_none(checkpoint: str) -> None:
    assert published_scores({"checkpoint": checkpoint}) == []


def test_eight_bits_have_none() -> None:
    assert published_scores({"precision": "int8", "engine": "openvino"}) == []
