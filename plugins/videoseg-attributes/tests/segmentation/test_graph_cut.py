"""What the minimum cut promises."""

import itertools

import numpy as np
import pytest
from videoseg_attributes.segmentation.graph_cut import CERTAIN, graph_cut

from videoseg.errors import ConfigError, ShapeError


def flat(size):
    return np.full((*size, 2), 128, np.uint8)


def grainy(size, seed=0):
    return np.random.default_rng(seed).integers(60, 200, (*size, 2), dtype=np.uint8)


def test_evidence_decides_where_it_is_alone():
    odds = np.full((6, 8), -3.0, np.float32)
    odds[2:4, 2:6] = 6.0
    mask = graph_cut(odds, flat(odds.shape), smoothness=1.0)
    assert np.array_equal(mask, odds > 0)


def test_smoothness_removes_a_weak_speck_but_not_a_certain_one():
    odds = np.full((9, 9), -2.0, np.float32)
    odds[4, 4] = 2.0
    assert not graph_cut(odds, grainy(odds.shape), smoothness=4.0).any()
    odds[4, 4] = CERTAIN
    assert graph_cut(odds, grainy(odds.shape), smoothness=4.0)[4, 4]


def test_border_goes_along_the_color_edge():
    odds = np.zeros((10, 20), np.float32)
    odds[:, :3], odds[:, -3:] = CERTAIN, -CERTAIN
    odds[:, 3:-3] = 0.2
    edges = flat(odds.shape)
    edges[:, 11:] = 250
    mask = graph_cut(odds - 0.15, edges, smoothness=8.0)
    assert mask[:, :11].all() and not mask[:, 11:].any()


def test_the_cut_has_the_least_cost_of_all_labellings():
    rng = np.random.default_rng(5)
    smoothness = 1.5
    for _ in range(5):
        odds = rng.normal(0, 1.5, (3, 3)).astype(np.float32)
        # Evidence travels in steps of a quarter; start from such values.
        odds = np.round(odds * 4) / 4
        found = graph_cut(odds, flat(odds.shape), smoothness=smoothness)

        def cost(labels, odds=odds):
            # No color edges, but a border costs less where the evidence changes.
            level = np.round(odds / CERTAIN * 32)
            pairs = [
                (labels[:, 1:] != labels[:, :-1], level[:, 1:] - level[:, :-1], 1.0),
                (labels[1:] != labels[:-1], level[1:] - level[:-1], 1.0),
                (labels[1:, 1:] != labels[:-1, :-1], level[1:, 1:] - level[:-1, :-1], 2**-0.5),
                (labels[1:, :-1] != labels[:-1, 1:], level[1:, :-1] - level[:-1, 1:], 2**-0.5),
            ]
            squares = np.concatenate([(step**2).ravel() for _, step, _ in pairs])
            beta = 1 / (2 * squares.mean())
            border = sum(
                (differ * weight * np.exp(-beta * step**2)).sum() for differ, step, weight in pairs
            )
            return -odds[labels].sum() + smoothness * border

        every = [
            np.array(bits, bool).reshape(3, 3) for bits in itertools.product([0, 1], repeat=9)
        ]
        assert cost(found) <= min(cost(labels) for labels in every) + 0.15


def test_wrong_shapes_and_numbers_are_refused():
    with pytest.raises(ShapeError):
        graph_cut(np.zeros((3, 4, 1), np.float32), flat((3, 4)), smoothness=1.0)
    with pytest.raises(ShapeError):
        graph_cut(np.zeros((3, 4), np.float32), flat((4, 3)), smoothness=1.0)
    with pytest.raises(ConfigError):
        graph_cut(np.zeros((3, 4), np.float32), flat((3, 4)), smoothness=0.5)
