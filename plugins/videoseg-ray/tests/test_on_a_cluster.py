"""Runs on a local cluster: equal to those of one process, whatever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from drawn_benchmarks import write_frames
from videoseg_ray import evaluate, segment_videos

import videoseg as vs
from videoseg.batch import VideoItem
from videoseg.errors import ComponentNotFoundError, ConfigError, OutputError
from videoseg.evaluation import evaluate as evaluate_here
from videoseg.evaluation import read_records

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cluster")]


def results(folder):
    return json.loads((folder / "report.json").read_text())["results"]


def without_costs(folder):
    """Return all records but for what differs from run to run: seconds, memory, plug-ins."""
    costs = {"timings": {}, "peak_memory_bytes": None, "versions": {}, "trace": None}
    return {
        record.sample: replace(record, **costs)
        for record in read_records(folder / "records.jsonl")
    }


def test_an_evaluation_equals_that_of_one_process(split, pipeline, tmp_path):
    import ray

    pipe = pipeline(shift=1, fails_on="expression 1")
    evaluate_here(split, pipe, tmp_path / "here")
    seen = []
    report = evaluate(split, pipe, tmp_path / "ray", num_actors=2, on_progress=seen.append)
    assert results(tmp_path / "ray") == results(tmp_path / "here")
    assert without_costs(tmp_path / "ray") == without_costs(tmp_path / "here")
    assert report.coverage.failed == 2 and report.runs[0].sessions[0].workers == 2
    assert [progress.done for progress in seen] == list(range(9))
    assert ray.is_initialized(), "a connection that was there has been closed"


def test_an_actor_that_dies_costs_the_sample_it_dies_of(split, pipeline, tmp_path):
    pipe = pipeline(dies_on="bear/expression 1")
    report = evaluate(split, pipe, tmp_path / "out", num_actors=1)
    assert [row.sample for row in report.failures] == ["bear/1"]
    assert report.failures[0].error.type == "WorkerDied"
    assert "2 times" in report.failures[0].error.message
    assert report.coverage.done == 8 and report.overall["j"] == pytest.approx(7 / 8)


def test_a_killed_program_leaves_what_another_goes_on_with(
    cluster, split, mevis, pipeline, plugin_path, tmp_path
):
    out = tmp_path / "out"
    slow = {"shift": 1, "seconds": 0.05}
    command = [
        *(sys.executable, "-m", "videoseg", "ray", "eval", "mevis", "--root", str(mevis)),
        *("--pipeline", "drawn", "-O", "propagator.shift=1", "-O", "propagator.seconds=0.05"),
        *("-o", str(out), "--address", cluster, "--num-actors", "1", "--quiet"),
    ]
    environment = {**os.environ, "PYTHONPATH": plugin_path}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    records = out / "records.jsonl"
    deadline = time.monotonic() + 120
    while not (records.exists() and records.read_bytes().count(b"\n") >= 2):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = records.read_bytes().count(b"\n")
    assert 2 <= kept < 8
    seen = []
    # One more than there is room for.
    evaluate(split, pipeline(**slow), out, resume=True, num_actors=3, on_progress=seen.append)
    assert seen[0].done == kept
    evaluate_here(split, pipeline(**slow), tmp_path / "here")
    assert results(out) == results(tmp_path / "here")


def test_what_every_sample_would_miss_ends_the_run(split, pipeline, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOSEG_PLUGINS", "none-of-these")
    with pytest.raises(ComponentNotFoundError, match="knows"):
        evaluate(split, pipeline(), tmp_path / "out", num_actors=1)
    assert (tmp_path / "out" / "records.jsonl").read_bytes() == b""


def test_a_batch_equals_single_calls_and_grows(pipeline, tmp_path):
    clips = tmp_path / "clips"
    for name in ("bear", "cart"):
        write_frames(clips / name)
    (clips / "broken.mp4").write_bytes(b"no video")
    pipe = pipeline()
    options = {"pipeline": pipe, "num_actors": 2, "parts": ("masks",)}
    outcome = segment_videos(clips, "expression 2", tmp_path / "out", **options)
    assert (outcome.total, outcome.done) == (3, 2)
    assert [record.sample for record in outcome.failures] == ["broken"]
    assert outcome.failures[0].error.type == "VideoError"
    for name in ("bear", "cart"):
        there = vs.Segmentation.load(outcome.result_folder(name))
        here = pipe(clips / name, "expression 2")
        assert there.tracks == here.tracks and there.grounding == here.grounding
        assert (outcome.result_folder(name) / "masks").is_dir()
        assert not (outcome.result_folder(name) / "overlay.mp4").exists()

    manifest = tmp_path / "more.jsonl"
    asked = [
        {"video": "clips/bear", "query": "expression 2"},
        {"video": "clips/cart", "query": "expression 0", "id": "cart-0", "seed": 3},
    ]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in asked))
    seen = []
    outcome = segment_videos(
        manifest, None, tmp_path / "out", resume=True, on_progress=seen.append, **options
    )
    assert [progress.done for progress in seen] == [1, 2]
    assert vs.Segmentation.load(outcome.result_folder("cart-0")).seed == 3
    records = list(read_records(tmp_path / "out" / "records.jsonl"))
    assert sorted(record.sample for record in records) == ["bear", "broken", "cart", "cart-0"]
    assert all(not record.tracks for record in records)

    changed = [VideoItem("bear", clips / "bear", "expression 0")]
    with pytest.raises(OutputError, match=r"1 item .*another video, query or seed \(bear\)"):
        segment_videos(changed, None, tmp_path / "out", resume=True, **options)


def test_an_interruption_frees_the_cluster(split, pipeline, tmp_path):
    import ray

    def interrupt(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(
            split, pipeline(seconds=0.2), tmp_path / "out", num_actors=2, on_progress=interrupt
        )
    assert len(list(read_records(tmp_path / "out" / "records.jsonl"))) == 2
    deadline = time.monotonic() + 60
    while ray.available_resources().get("CPU") != 2:
        assert time.monotonic() < deadline, "the actors still hold their processors"
        time.sleep(0.1)


def test_a_pool_that_fits_nowhere_is_refused(split, pipeline, tmp_path):
    with pytest.raises(ConfigError, match=r"needs 1 CPUs and 4 GPUs.*2 CPUs, 0 GPUs"):
        evaluate(split, pipeline(), tmp_path / "out", gpus_per_actor=4)
