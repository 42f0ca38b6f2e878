"""Propagators tell what has been published of their models, with the source."""

from __future__ import annotations

import pytest

from videoseg.plugins import default_registry

for package in ("videoseg_cutie", "videoseg_sam2", "videoseg_trackers", "videoseg_xmem"):
    pytest.importorskip(package)

PROPAGATORS = ("xmem", "cutie", "sam2", "transformers-video")


def scores_of(name, options):
    found = default_registry().find("propagator", name).component.published_scores(options)
    return {one.benchmark: one for one in found}


@pytest.mark.parametrize("name", PROPAGATORS)
def test_all_have_a_score_on_one_benchmark_so_that_they_can_be_ranked(name):
    assert scores_of(name, {})["SA-V test"].source


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cutie", {"checkpoint": "my.pth"}),
        ("sam2", {"model": "sam2-hiera-large"}),
        ("sam2", {"memory": "samurai"}),
        ("transformers-video", {"model": "me/my-tracker"}),
    ],
)
def test_of_other_weights_nothing_is_published(name, options):
    assert scores_of(name, options) == {}


def test_larger_networks_are_better_than_smaller_ones():
    sizes = ("tiny", "small", "base-plus", "large")
    values = [
        scores_of("sam2", {"model": f"sam2.1-hiera-{size}"})["SA-V test"].value for size in sizes
    ]
    assert values == sorted(values)
