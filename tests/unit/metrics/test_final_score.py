"""N-acc, T-acc and the final score of the challenges of 2026, against a slow definition."""

from __future__ import annotations

import numpy as np
import pytest

from videoseg.errors import ConfigError
from videoseg.evaluation.records import Record
from videoseg.metrics import (
    FINAL_SCORE_PARTS,
    EvalProtocol,
    ProtocolMetrics,
    SampleScore,
    protocol_named,
    score_sample,
    summarize,
)

SIZE = (24, 32)
RULES = protocol_named("mevis-v2")


def drawn_expressions(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw predictions and truths of several expressions, each of shape (T, H, W)."""
    rng = np.random.default_rng(3)
    pairs = []
    for index in range(count):
        shape = (rng.integers(2, 6), *SIZE)
        truth, pred = (np.zeros(shape, bool) for _ in range(2))
        # A third has no target, objects are hidden on some frames, and one pixel is an answer.
        if index % 3:
            top, left = rng.integers(0, 12, 2)
            truth[1:, top : top + 9, left : left + 11] = True
        if rng.random() < 0.6:
            top, left = rng.integers(0, 12, 2)
            pred[: rng.integers(1, 3), top : top + 8, left : left + 10] = True
        elif rng.random() < 0.3:
            pred[-1, 0, 0] = True
        pairs.append((pred, truth))
    return pairs


def slow_definition(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Count right answers as GRES defines them, frame by frame and pixel by pixel."""
    right_without = without = right_with = with_target = 0
    region = []
    for pred, truth in pairs:
        frames = []
        for one, other in zip(pred, truth, strict=True):
            union = sum(bool(a or b) for a, b in zip(one.flat, other.flat, strict=True))
            both = sum(bool(a and b) for a, b in zip(one.flat, other.flat, strict=True))
            frames.append(both / union if union else 1.0)
        region.append(sum(frames) / len(frames))
        answered = max(int(frame.sum()) for frame in pred) > 0
        if max(int(frame.sum()) for frame in truth) > 0:
            with_target += 1
            right_with += answered
        else:
            without += 1
            right_without += not answered
    return {
        "j": sum(region) / len(region),
        "no_target_accuracy": right_without / without,
        "target_accuracy": right_with / with_target,
    }


def score(pred: np.ndarray | None, truth: np.ndarray, encoded) -> SampleScore:
    return score_sample(
        None if pred is None else {1: encoded(pred)},
        {1: encoded(truth)} if truth.any() else {},
        size=SIZE,
        protocol=RULES,
    )


def test_the_table_is_that_of_the_slow_definition(encoded):
    pairs = drawn_expressions(24)
    overall = summarize([("", score(*pair, encoded)) for pair in pairs], RULES).overall
    slow = slow_definition(pairs)
    assert {name: overall[name] for name in slow} == pytest.approx(slow)
    assert 0 < slow["no_target_accuracy"] < 1 and 0 < slow["target_accuracy"] < 1
    parts = (overall["j_and_f"], slow["no_target_accuracy"], slow["target_accuracy"])
    assert overall["final_score"] == pytest.approx(sum(parts) / 3)
    assert tuple(overall) == RULES.measures


def test_published_results_of_a_challenge_come_out():
    # LSVOS 8, MeViS-Text, third place: J&F 0.761, N-acc 30/36, T-acc 159/163, final 0.856593.
    scores = [SampleScore({"no_target_accuracy": float(index < 30)}) for index in range(36)]
    scores += [SampleScore({"target_accuracy": float(index < 159)}) for index in range(163)]
    scores.append(SampleScore({"j_and_f": 0.760986}))
    found = summarize([("", one) for one in scores], RULES).overall
    assert found["no_target_accuracy"] == pytest.approx(0.8333, abs=5e-5)
    assert found["target_accuracy"] == pytest.approx(0.9755, abs=5e-5)
    assert found["final_score"] == pytest.approx(0.856593, abs=1e-6)


def test_hiding_on_some_frames_is_no_answer_of_none(encoded):
    truth = np.zeros((3, *SIZE), bool)
    pred = truth.copy()
    pred[1, 2, 3] = True
    values = score(pred, truth, encoded).values
    assert values["no_target_accuracy"] == 0.0
    assert values["j"] == pytest.approx(2 / 3)


def test_a_missing_prediction_is_wrong_even_where_there_is_no_target(encoded):
    values = score(None, np.zeros((2, *SIZE), bool), encoded).values
    assert values == {"j_and_f": 0.0, "j": 0.0, "f": 0.0, "no_target_accuracy": 0.0}


def test_without_one_of_its_parts_there_is_no_final_score(encoded):
    truth = np.zeros((2, *SIZE), bool)
    truth[:, 4:9, 4:9] = True
    only_targets = summarize([("", score(truth, truth, encoded))], RULES).overall
    assert "final_score" not in only_targets
    assert only_targets["target_accuracy"] == 1.0
    with pytest.raises(ConfigError, match="final_score needs the measures j_and_f, no_target"):
        EvalProtocol("mine", ("j", "final_score"))


def test_the_final_score_is_of_the_table_and_not_of_samples():
    part = dict.fromkeys(FINAL_SCORE_PARTS, 1.0)
    metrics = ProtocolMetrics(RULES)
    # A value that a file claims for a sample does not count.
    metrics.update(SampleScore({**part, "final_score": 0.0}), group="target")
    assert metrics.compute().overall["final_score"] == 1.0
    failed = Record(sample="v/0", status="failed", video_id="v", expression_id="0", query="q")
    assert "final_score" not in failed.score_or_zero(RULES).values


def test_a_mean_of_groups_has_the_final_score_of_its_own_row():
    by_group = EvalProtocol("mine", RULES.measures, overall="groups", groups=("a", "b"))
    low = SampleScore(dict.fromkeys(FINAL_SCORE_PARTS, 0.25))
    high = SampleScore({"j_and_f": 1.0})
    summary = summarize([("a", low), ("b", high)], by_group)
    assert summary.overall["final_score"] == pytest.approx((0.625 + 0.25 + 0.25) / 3)
    assert "final_score" not in summary.groups["b"]
