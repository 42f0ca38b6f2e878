from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from videoseg_attributes.propagation.class_models import (
    color_model,
    motion_bins,
    motion_layers,
    motion_model,
)
from videoseg_attributes.propagation.cues import (
    CueStream,
    CueWindow,
    grid_size,
    lab_bins,
    lab_image,
)

from videoseg.errors import PropagationError

from .clips import BLUE, HEIGHT, RED, WIDTH, moving_disc


def test_a_grid_keeps_the_frames_shape_and_never_grows() -> None:
    height, width = grid_size((480, 854), 25_600)
    assert abs(height * width - 25_600) < 500
    assert abs(width / height - 854 / 480) < 0.02
    assert grid_size((10, 20), 25_600) == (10, 20)
    assert grid_size((1, 4000), 100) == (1, 632)


@pytest.mark.parametrize("lookahead", [0, 1, 3, 20])
def test_no_more_than_the_window_is_read_ahead(lookahead: int) -> None:
    frames, _ = moving_disc(lambda t: (40 + 3 * t, 60), 12)
    read: list[int] = []

    def source() -> Iterator[tuple[int, np.ndarray]]:
        for index, frame in enumerate(frames):
            read.append(index)
            yield index, frame

    stream = CueStream(source(), (HEIGHT, WIDTH), CueWindow(lookahead=lookahead))
    seen = []
    for cues in stream:
        seen.append(cues.index)
        ahead = max(read) - cues.index
        assert ahead <= (lookahead + 1 if lookahead else 0)
    assert seen == list(range(12))


def test_the_moving_thing_is_where_the_motion_is() -> None:
    frames, truth = moving_disc(lambda t: (50 + 4 * t, 60), 8)
    stream = CueStream(iter(enumerate(frames)), (HEIGHT, WIDTH))
    cues = list(stream)[4]
    assert cues.motion[truth[4]].mean() > 5 * cues.motion[~truth[4]].mean()
    assert not cues.is_cut


def test_a_frame_of_another_size_is_named() -> None:
    frames = [(0, np.zeros((20, 30, 3), np.uint8)), (1, np.zeros((20, 31, 3), np.uint8))]
    with pytest.raises(PropagationError, match="frame 1"):
        list(CueStream(iter(frames), (20, 30)))


def test_colors_are_told_apart_after_learning_them() -> None:
    model = color_model()
    model.add_class()
    picture = np.concatenate([RED[:, :90], BLUE[:, 90:]], axis=1)
    bins = lab_bins(lab_image(picture))
    weights = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    weights[:, 90:, 0] = 1
    weights[:, :90, 1] = 1
    histograms, usable = model.measure(bins, weights)
    assert usable.all()
    np.testing.assert_allclose(histograms.sum(axis=0), 1.0, atol=0.05)
    model.anchor(histograms, [0, 1])
    ratios = model.log_ratios(bins)[..., 1]
    assert np.median(ratios[:, :90]) > 2
    assert np.median(ratios[:, 90:]) < -2


def test_motion_says_nothing_where_all_move_alike() -> None:
    model = motion_model()
    model.add_class()
    motion = np.random.default_rng(0).random((60, 80)).astype(np.float32)
    weights = np.full((60, 80, 2), 0.5, np.float32)
    histograms, _ = model.measure(motion_bins(motion), weights)
    model.anchor(histograms, [0, 1])
    assert np.abs(model.log_ratios(motion_bins(motion))).max() < 1e-4


def test_a_pixel_goes_to_the_object_it_moves_with() -> None:
    residual = np.zeros((40, 80, 2), np.float32)
    residual[:, :40, 0], residual[:, 40:, 0] = 3.0, -3.0
    carried = np.zeros((40, 80, 2), np.float32)
    carried[:, :36, 0], carried[:, 44:, 1] = 1.0, 1.0
    scores = motion_layers(residual, np.ones((40, 80), np.float32), carried)
    assert (scores[:, 36:40, 0] > scores[:, 36:40, 1] + 1).all()
    assert (scores[:, 40:44, 1] > scores[:, 40:44, 0] + 1).all()
