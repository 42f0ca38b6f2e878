"""Tables: overall and groups, accumulators, and that no order changes them."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videoseg.errors import ConfigError
from videoseg.metrics import (
    EvalProtocol,
    MaskMetrics,
    ObjectScore,
    ProtocolMetrics,
    SampleScore,
    WindowMetrics,
    protocol_named,
    score_sample,
    summarize,
    window_iou,
)
from videoseg.metrics.measures import average_rows
from videoseg.metrics.protocols import PROTOCOLS
from videoseg.types import Window


def j(value, **rest):
    return SampleScore({"j": value}, **rest)


def test_revos_is_the_plain_mean_of_two_groups_and_lists_the_third_only():
    scores = [("referring", j(0.2)), ("referring", j(0.4)), ("reasoning", j(0.9))]
    scores += [("no target", j(0.0))] * 5
    summary = summarize(scores, protocol_named("revos"))
    assert summary.overall["j"] == pytest.approx((0.3 + 0.9) / 2)
    assert summary.groups["no target"]["j"] == 0.0
    assert summary.num_samples == 8
    assert summary.num_by_group == {"no target": 5, "reasoning": 1, "referring": 2}


def test_objects_of_all_samples_weigh_alike_where_the_protocol_averages_objects():
    objects = tuple(ObjectScore(index, {"j": 0.0}) for index in (1, 2, 3))
    scores = [
        ("", SampleScore({"j": 0.0}, objects)),
        ("", SampleScore({"j": 1.0}, (ObjectScore(1, {"j": 1.0}),))),
    ]
    by_object = EvalProtocol("mine", ("j",), overall="objects")
    assert summarize(scores, by_object).overall["j"] == 0.25
    assert summarize(scores, EvalProtocol("mine", ("j",))).overall["j"] == 0.5


def test_ciou_divides_sums_and_giou_averages():
    scores = [
        ("", SampleScore({"giou": 1.0, "ciou": 1.0}, intersection=900, union=900)),
        ("", SampleScore({"giou": 0.0, "ciou": 0.0}, intersection=0, union=100)),
    ]
    overall = summarize(scores, protocol_named("reasonseg")).overall
    assert overall == {"giou": 0.5, "ciou": 0.9}


def test_grefcoco_counts_answers_of_none():
    target, nothing = np.ones((1, 4, 4), bool), np.zeros((1, 4, 4), bool)
    metrics = MaskMetrics(protocol_named("grefcoco").measures)
    for pred, true in ((nothing, nothing), (target, nothing), (target, target), (target, target)):
        metrics.update(pred, true)
    metrics.update(nothing, target)
    found = metrics.compute()
    assert found["no_target_accuracy"] == 0.5
    assert found["target_accuracy"] == pytest.approx(2 / 3)
    assert found["giou"] == pytest.approx(3 / 5)
    assert found["ciou"] == pytest.approx(32 / (16 + 32 + 16))


def test_a_measure_that_applies_to_no_sample_is_left_out():
    score = score_sample({}, {}, size=(4, 4), protocol=protocol_named("grefcoco"))
    summary = summarize([("", score)], protocol_named("grefcoco"))
    assert "target_accuracy" not in summary.overall
    assert summarize([], protocol_named("mevis")).overall == {}


def test_missing_predictions_are_counted():
    score = score_sample(None, {}, size=(4, 4), protocol=protocol_named("mevis"))
    assert summarize([("", score), ("", j(1.0))], protocol_named("mevis")).num_missing == 1


values = st.lists(
    st.tuples(st.sampled_from(["referring", "reasoning", ""]), st.floats(0, 1, width=64)),
    min_size=1,
    max_size=60,
)


@given(values, st.integers(1, 7), st.randoms(use_true_random=False))
def test_shards_merged_in_any_order_give_the_same_bits(rows, num_shards, generator):
    protocol = protocol_named("revos")
    whole = ProtocolMetrics(protocol)
    for group, value in rows:
        whole.update(j(value, intersection=int(value * 100), union=100), group=group)
    shuffled = list(rows)
    generator.shuffle(shuffled)
    shards = [ProtocolMetrics(protocol) for _ in range(num_shards)]
    for index, (group, value) in enumerate(shuffled):
        score = j(value, intersection=int(value * 100), union=100)
        shards[index % num_shards].update(score, group=group)
    generator.shuffle(shards)
    merged = ProtocolMetrics(protocol)
    for shard in shards:
        merged.merge(shard)
    assert merged.compute() == whole.compute()
    assert len(merged) == len(rows)


def test_masks_merged_in_any_order_give_the_same_bits():
    generator = np.random.default_rng(0)
    videos = [tuple(generator.random((2, 3, 20, 30)) > 0.6) for _ in range(20)]
    measures = ("j", "f", "j_recall", "robustness", "accuracy", "tiou", "viou", "giou", "ciou")
    results = []
    for seed in range(3):
        order = list(range(20))
        random.Random(seed).shuffle(order)
        parts = [MaskMetrics(measures), MaskMetrics(measures)]
        for index in order:
            parts[index % 2].update(*videos[index])
        parts[seed % 2].merge(parts[1 - seed % 2])
        results.append(parts[seed % 2].compute())
    assert results[0] == results[1] == results[2]
    assert set(results[0]) == set(measures)


def test_what_another_one_has_seen_stays_its_own():
    first, second = MaskMetrics(("j",)), MaskMetrics(("j",))
    masks = np.ones((1, 2, 2), bool)
    first.update(masks, masks)
    second.merge(first)
    second.update(~masks, masks)
    assert first.compute() == {"j": 1.0}
    assert second.compute() == {"j": 0.5}


def test_scores_of_different_rules_are_not_merged():
    with pytest.raises(ConfigError, match="cannot be merged"):
        MaskMetrics(("j",)).merge(MaskMetrics(("j", "f")))
    with pytest.raises(ConfigError, match="tolerance"):
        EvalProtocol("mine", ("j",), tolerance=0)
    with pytest.raises(ConfigError, match="max_proposals"):
        EvalProtocol("mine", ("j",), max_proposals=0)
    with pytest.raises(ConfigError, match="WindowMetrics"):
        MaskMetrics(("j", "window_iou"))


def test_precision_counts_from_one_half_on():
    metrics = MaskMetrics(("precision_at_50",))
    whole, half = np.ones((1, 2, 2), bool), np.zeros((1, 2, 2), bool)
    half[:, 0] = True
    metrics.update(half, whole)
    metrics.update(half & False, whole)
    assert metrics.compute() == {"precision_at_50": 0.5}


@given(
    st.tuples(st.integers(0, 50), st.integers(1, 50)),
    st.tuples(st.integers(0, 50), st.integers(1, 50)),
)
def test_the_iou_of_windows_is_that_of_their_frames(first, second):
    a, b = Window(first[0], sum(first)), Window(second[0], sum(second))
    expected = len(set(a) & set(b)) / len(set(a) | set(b))
    assert window_iou(a, b) == pytest.approx(expected, abs=1e-12) == window_iou(b, a)


def test_windows_are_counted_at_three_thresholds():
    metrics = WindowMetrics()
    for stop in (10, 6, 4, 2):
        metrics.update(Window(0, stop), Window(0, 10))
    metrics.update(None, Window(0, 10))
    found = metrics.compute()
    assert [found[f"window_recall_at_{each}"] for each in (30, 50, 70)] == [0.6, 0.4, 0.2]
    assert found["window_iou"] == pytest.approx(math.fsum([1, 0.6, 0.4, 0.2]) / 5)


def test_each_measure_is_averaged_over_the_rows_that_have_it():
    rows = [{"j": 0.5}, {"j": 1.0, "f": 0.25}]
    assert average_rows(rows, ("f", "j", "ciou")) == {"f": 0.25, "j": 0.75}


def test_measures_of_masks_and_of_windows_are_not_merged():
    with pytest.raises(ConfigError, match="cannot be merged"):
        MaskMetrics(("giou",)).merge(WindowMetrics())


def test_a_protocol_is_read_back_also_with_the_names_of_older_files():
    for protocol in PROTOCOLS.values():
        assert EvalProtocol.from_dict(protocol.to_dict()) == protocol
    for former, name in (("united", "union"), ("apart", "per-object")):
        data = {"name": "mine", "measures": ["j"], "objects": former}
        assert EvalProtocol.from_dict(data) == EvalProtocol("mine", ("j",), objects=name)
    with pytest.raises(ConfigError, match="objects"):
        EvalProtocol.from_dict({"name": "mine", "measures": ["j"], "objects": ["union"]})
