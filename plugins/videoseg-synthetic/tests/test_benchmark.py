"""The benchmark of synthetic clips: reserved seeds, exact truth, nothing to download."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from videoseg_synthetic import DIFFICULTIES, SPLIT_SEEDS, SyntheticBenchmark, make_clip

from videoseg.benchmarks import open_benchmark
from videoseg.errors import ConfigError, EvaluationError, VideoError
from videoseg.progress import show_task
from videoseg.testing import BenchmarkContract

SMALL = {"num_videos": 6, "size": (64, 96), "num_frames": 16}


class TestContract(BenchmarkContract):
    def make(self) -> SyntheticBenchmark:
        return SyntheticBenchmark(num_videos=2, size=(64, 96), num_frames=12)

    def root(self) -> None:
        return None


@pytest.fixture(scope="module")
def split():
    return open_benchmark("synthetic", split="val", options=SMALL)


def test_splits_share_no_seed_and_leave_the_first_million_free():
    for first, second in itertools.combinations(SPLIT_SEEDS.values(), 2):
        assert first.stop <= second.start or second.stop <= first.start
    assert all(seeds.start >= 1_000_000 for seeds in SPLIT_SEEDS.values())


def test_difficulties_take_turns_and_are_groups(split):
    groups = {sample.video_id: sample.group for sample in split.samples}
    assert sorted(groups.values()) == sorted(DIFFICULTIES)
    assert all(sample.attributes["kind"] for sample in split.samples)


def test_truth_is_that_of_the_clip_of_the_seed(split):
    for sample in split.samples[:4]:
        seed = int(sample.video_id.partition("-")[0])
        assert seed in SPLIT_SEEDS["val"]
        clip = make_clip(seed=seed, difficulty=sample.group, size=(64, 96), num_frames=16)
        query = next(query for query in clip.queries if query.text == sample.query)
        truth = split.truth(sample)
        assert tuple(truth.objects) == query.object_ids
        for object_id, masks in truth.objects.items():
            dense = [np.zeros(truth.size, bool) if m is None else m.decode() for m in masks]
            assert np.array_equal(dense, clip.masks(object_id))
        if sample.expression_id == "0":
            assert np.array_equal(split.video(sample.video_id)[15], clip.frames[15])


def test_more_videos_do_not_change_the_first_ones(split):
    fewer = SyntheticBenchmark(**{**SMALL, "num_videos": 2}).read()
    assert fewer.samples == split.samples[: len(fewer.samples)]


def test_one_difficulty_can_be_asked_for():
    split = SyntheticBenchmark(**{**SMALL, "num_videos": 2, "difficulty": "absent"}).read()
    assert {sample.group for sample in split.samples} == {"absent"}
    assert all(split.truth(sample).objects == {} for sample in split.samples)


def test_other_sizes_have_other_ids(split):
    larger = SyntheticBenchmark(**{**SMALL, "size": (80, 96), "num_videos": 1}).read()
    assert not {one.video_id for one in larger.samples} & {one.video_id for one in split.samples}


def test_options_out_of_range_are_refused_together():
    with pytest.raises(ConfigError) as caught:
        SyntheticBenchmark(num_videos=0, queries_per_video=0, size=(8, 8), num_frames=0, fps=0)
    assert len(caught.value.problems) == 5


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="leave out the folder"):
        open_benchmark("synthetic", tmp_path, options=SMALL)


def test_clips_too_short_for_a_difficulty_are_left_out_or_refused(monkeypatch):
    monkeypatch.setattr("videoseg_synthetic.clip._ATTEMPTS", 4)
    with pytest.raises(EvaluationError, match="ask for longer clips"):
        SyntheticBenchmark(num_videos=1, num_frames=1, size=(64, 64), difficulty="motion").read()
    split = SyntheticBenchmark(num_videos=2, num_frames=1, size=(64, 64)).read()
    assert [entry.place.partition("-")[0] for entry in split.left_out] == ["1000001"]


def test_unknown_videos_and_samples_are_refused(split):
    other = SyntheticBenchmark(**{**SMALL, "num_videos": 1}).read(split="test")
    with pytest.raises(VideoError, match="no video"):
        split.video(other.samples[0].video_id)
    with pytest.raises(EvaluationError, match="no sample"):
        split.truth(other.samples[0])


def test_the_command_needs_no_root(tmp_path):
    options = ("num_videos=1", "queries_per_video=1", "size=[64, 96]", "num_frames=8")
    arguments = ["eval", "synthetic", "--pipeline", "attributes", "-o", str(tmp_path / "run")]
    for option in options:
        arguments += ["-B", option]
    command = [sys.executable, "-m", "videoseg", *arguments, "--workers", "0", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    report = json.loads(done.stdout)
    results = report["results"]
    assert results["benchmark"] == "synthetic/val"
    assert [row["label"] for row in results["groups"]["rows"]] == ["appearance"]
    (sample,) = results["samples"]
    assert sample["attributes"]["kind"]


def test_the_planning_of_many_clips_is_shown():
    stream = io.StringIO()
    clock = itertools.count(step=20).__next__
    with show_task("reading synthetic", stream, clock=clock):
        open_benchmark("synthetic", options={**SMALL, "num_videos": 3})
    first, *_, last = stream.getvalue().splitlines()
    assert first.startswith("reading synthetic: 1 of 3 clips, ")
    assert last == "reading synthetic: 3 of 3 clips"
