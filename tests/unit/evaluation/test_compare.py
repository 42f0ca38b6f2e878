"""Two evaluations, compared sample by sample."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from videoseg.cli.main import main
from videoseg.errors import ConfigError, EvaluationError, OutputError
from videoseg.evaluation import Record, RunIdentity, RunInfo, compare_evaluations
from videoseg.evaluation.run import write_run
from videoseg.metrics import ObjectScore, SampleScore, protocol_named, summarize


def write(folder, scores, *, protocol="mevis", benchmark="mine/val", groups=None):
    """Write a run with given values: {sample: value or SampleScore}."""
    rules = protocol_named(protocol)
    identity = RunIdentity(benchmark, rules.to_dict(), {}, 0, "same", len(scores))
    write_run(folder / "run.json", RunInfo(identity))
    lines = []
    for name, value in scores.items():
        score = value
        if not isinstance(value, SampleScore):
            score = SampleScore({"j_and_f": value, "j": value, "f": value})
        video_id, _, expression_id = name.partition("/")
        group = (groups or {}).get(name, "")
        record = Record(name, video_id, expression_id, "q", group=group, score=score)
        lines.append(record.to_line())
    (folder / "records.jsonl").write_text("".join(lines))
    return folder


def values(seed, count=60, shift=0.0, noise=0.05):
    rng = np.random.default_rng(0)
    base = rng.uniform(0.2, 0.7, count)
    change = np.random.default_rng(seed).normal(shift, noise, count)
    return {f"v{i % 12}/{i}": float(base[i] + change[i]) for i in range(count)}


def test_the_same_run_differs_in_nothing(run):
    out = run("out", shift=1)
    comparison = compare_evaluations(out, out)
    assert all(d.difference == d.low == d.high == 0 for d in comparison.differences)
    assert (comparison.better, comparison.worse, comparison.num_samples) == (0, 0, 8)


def test_a_real_difference_is_found_and_the_samples_that_changed_most_are_named(run):
    right, shifted = run("right"), run("shifted", shift=3)
    comparison = compare_evaluations(shifted, right)
    j = next(d for d in comparison.differences if d.measure == "j")
    assert j.second == 1.0 and j.difference > 0.2 and j.clear
    assert comparison.better == 6 and comparison.worse == 0
    changes = comparison.changes
    assert all(abs(a.difference) >= abs(b.difference) for a, b in pairwise(changes))


def test_pairing_finds_what_the_means_alone_would_not(tmp_path):
    first = write(tmp_path / "a", values(1))
    second = write(tmp_path / "b", values(2, shift=0.03, noise=0.02))
    j = compare_evaluations(first, second).differences[1]
    assert j.clear and 0.0 < j.low < j.difference < j.high < 0.06


def test_the_interval_is_that_of_normal_theory_where_it_applies(tmp_path):
    a, b = values(1, 400), values(3, 400)
    first, second = write(tmp_path / "a", a), write(tmp_path / "b", b)
    found = compare_evaluations(first, second, confidence=0.9).differences[0]
    difference = np.array([b[name] - a[name] for name in a])
    half = 1.645 * difference.std() / np.sqrt(len(difference))
    assert found.difference == pytest.approx(difference.mean(), abs=1e-12)
    assert found.low == pytest.approx(difference.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(difference.mean() + half, abs=0.1 * half)


def test_the_same_seed_gives_the_same_interval_and_another_one_another(tmp_path):
    first, second = write(tmp_path / "a", values(1)), write(tmp_path / "b", values(2))
    one, same, other = (
        compare_evaluations(first, second, seed=seed).differences for seed in (0, 0, 1)
    )
    assert one == same != other


def test_drawing_videos_widens_the_interval_where_their_expressions_are_alike(tmp_path):
    rng = np.random.default_rng(5)
    by_video = rng.normal(0, 0.1, 10)
    first = write(tmp_path / "a", {f"v{i % 10}/{i}": 0.5 for i in range(100)})
    second = write(
        tmp_path / "b", {f"v{i % 10}/{i}": 0.5 + float(by_video[i % 10]) for i in range(100)}
    )
    narrow = compare_evaluations(first, second).differences[0]
    wide = compare_evaluations(first, second, resample="videos").differences[0]
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


@pytest.mark.parametrize(
    ("resample", "count", "said"), [("samples", 4, "4 samples"), ("videos", 9, "1 video")]
)
def test_of_few_samples_or_videos_no_interval_is_told(tmp_path, capsys, resample, count, said):
    names = [f"v/{i}" for i in range(count)]
    first = write(tmp_path / "a", dict.fromkeys(names, 0.5))
    second = write(tmp_path / "b", {name: 0.25 + 0.01 * i for i, name in enumerate(names)})
    comparison = compare_evaluations(first, second, resample=resample)
    assert all((d.low, d.high, d.clear) == (None, None, False) for d in comparison.differences)
    assert json.loads(json.dumps(comparison.to_dict()))["differences"][0]["low"] is None
    assert main(["compare", str(first), str(second), "--resample", resample]) == 0
    text = capsys.readouterr().out
    assert f"{said}, and an interval needs at least 5" in text
    assert " on 1 video, " in text and " to " not in text.split("largest changes")[0]


def test_five_videos_are_enough_for_an_interval(tmp_path):
    first = write(tmp_path / "a", {f"v{i}/0": 0.5 for i in range(5)})
    second = write(tmp_path / "b", {f"v{i}/0": 0.5 + 0.1 * i for i in range(5)})
    found = compare_evaluations(first, second, resample="videos").differences[0]
    assert found.low < found.difference < found.high


def test_a_mean_of_groups_is_compared_as_a_mean_of_groups(tmp_path):
    groups = {"a/0": "referring", "a/1": "referring", "a/2": "reasoning", "a/3": "no-target"}
    first = write(tmp_path / "a", dict.fromkeys(groups, 0.5), protocol="revos", groups=groups)
    changed = {"a/0": 0.5, "a/1": 0.5, "a/2": 0.9, "a/3": 0.0}
    second = write(tmp_path / "b", changed, protocol="revos", groups=groups)
    found = compare_evaluations(first, second).differences[0]
    assert (found.first, found.second) == (0.5, pytest.approx(0.7))


def test_a_mean_of_groups_of_objects_is_compared_as_one(tmp_path):
    def score(*values):
        objects = tuple(ObjectScore(key, {"j": value}) for key, value in enumerate(values, 1))
        return SampleScore({"j": sum(values) / len(values)}, objects=objects)

    groups = {"a/0": "seen", "b/0": "seen", "c/0": "unseen"}
    one = {"a/0": score(0.0, 0.0, 0.0), "b/0": score(1.0), "c/0": score(0.5)}
    two = {**one, "b/0": score(0.6)}
    first = write(tmp_path / "a", one, protocol="lvos-v2", groups=groups)
    second = write(tmp_path / "b", two, protocol="lvos-v2", groups=groups)
    (found,) = compare_evaluations(first, second).differences
    # As in the report: means over the objects of each group.
    scores = [(groups[name], each) for name, each in one.items()]
    assert found.first == summarize(scores, protocol_named("lvos-v2")).overall["j"] == 0.375
    assert found.second == pytest.approx((0.15 + 0.5) / 2)


def test_ciou_is_compared_as_a_ratio_of_sums(tmp_path):
    def score(intersection, union):
        return SampleScore({"giou": intersection / union}, (), intersection, union)

    first = write(tmp_path / "a", {"a/0": score(1, 10), "a/1": score(90, 100)}, protocol="refcoco")
    second = write(
        tmp_path / "b", {"a/0": score(5, 10), "a/1": score(90, 100)}, protocol="refcoco"
    )
    found = {d.measure: d for d in compare_evaluations(first, second).differences}
    assert found["ciou"].first == pytest.approx(91 / 110)
    assert found["ciou"].second == pytest.approx(95 / 110)
    assert found["giou"].difference == pytest.approx(0.2)


def test_the_final_score_is_compared_as_the_mean_of_its_parts(tmp_path):
    def scores(right: int, j_and_f: float):
        found = {
            f"a/{index}": SampleScore({"j_and_f": j_and_f, "target_accuracy": 1.0})
            for index in range(10)
        }
        for index in range(4):
            accuracy = float(index < right)
            found[f"b/{index}"] = SampleScore(
                {"j_and_f": accuracy, "no_target_accuracy": accuracy}
            )
        return found

    first = write(tmp_path / "a", scores(1, 0.5), protocol="mevis-v2")
    second = write(tmp_path / "b", scores(3, 0.5), protocol="mevis-v2")
    found = {one.measure: one for one in compare_evaluations(first, second).differences}
    assert list(found) == ["j_and_f", "no_target_accuracy", "target_accuracy", "final_score"]
    assert found["final_score"].first == pytest.approx((6 / 14 + 1 / 4 + 1) / 3)
    assert found["final_score"].second == pytest.approx((8 / 14 + 3 / 4 + 1) / 3)
    low, high = found["final_score"].low, found["final_score"].high
    assert low < found["final_score"].difference < high
    # Half of its gain is that of N-acc, so that its interval is the narrower one.
    assert high - low < found["no_target_accuracy"].high - found["no_target_accuracy"].low


def test_what_cannot_be_compared_is_refused_and_told(tmp_path):
    first = write(tmp_path / "a", {"a/0": 0.5, "a/1": 0.5})
    other_rules = write(tmp_path / "b", {"a/0": 0.5, "a/1": 0.6}, protocol="davis-2016")
    fewer = write(tmp_path / "c", {"a/0": 0.75})
    elsewhere = write(tmp_path / "d", {"x/0": 0.5}, benchmark="other/val")
    with pytest.raises(EvaluationError, match=r"protocols differ.*frames all and inner"):
        compare_evaluations(first, other_rules)
    with pytest.raises(
        EvaluationError, match=r"only in one of them: 1 sample; .*pass allow_different=True"
    ):
        compare_evaluations(first, fewer)
    with pytest.raises(EvaluationError, match=r"one is of mine/val, the other of other/val"):
        compare_evaluations(first, elsewhere)
    allowed = compare_evaluations(first, fewer, allow_different=True)
    assert (allowed.num_samples, allowed.left_out) == (1, 1)
    assert allowed.differences[0].difference == pytest.approx(0.25)
    with pytest.raises(EvaluationError, match="no scored sample in common"):
        compare_evaluations(first, elsewhere, allow_different=True)
    with pytest.raises(OutputError, match="holds no evaluation"):
        compare_evaluations(first, tmp_path)


def test_arguments_out_of_range_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"num_resamples.*confidence"):
        compare_evaluations(tmp_path, tmp_path, num_resamples=1, confidence=1.0)
    with pytest.raises(ConfigError, match=r"num_resamples .*from 100 to 1,000,000.*seed"):
        compare_evaluations(tmp_path, tmp_path, num_resamples=10**11, seed=-1)


def test_a_comparison_goes_to_json(run):
    document = compare_evaluations(run("a"), run("b", shift=2)).to_dict()
    assert json.loads(json.dumps(document))["differences"][0]["measure"] == "j_and_f"
