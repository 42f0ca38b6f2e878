"""A batch writes what single calls would, in one process or several, and goes on where it was."""

from __future__ import annotations

import json
import os
import signal

import pytest
from drawn_benchmarks import write_frames

import videoseg as vs
from videoseg.batch import VideoItem, segment_videos
from videoseg.cli.main import main
from videoseg.errors import ConfigError, OutputError
from videoseg.evaluation import Record, RecordedError, WorkerPool, read_records

PIPELINE = {
    "sampler": "middle",
    "grounder": "attributes",
    "segmenter": "cut",
    "propagator": "flow",
}


@pytest.fixture(scope="module")
def pipeline():
    with vs.Pipeline(**PIPELINE) as pipe:
        return pipe.config


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    for name in ("bear", "cart"):
        write_frames(folder / name)
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_equals_single_calls_and_records_what_fails(pipeline, clips, tmp_path, workers):
    outcome = segment_videos(
        clips,
        "the largest object",
        tmp_path / "out",
        pipeline=pipeline,
        workers=workers,
        parts=("masks",),
    )
    assert (outcome.total, outcome.done) == (3, 2)
    assert [record.sample for record in outcome.failures] == ["broken"]
    assert outcome.failures[0].error.type == "VideoError"
    with vs.Pipeline.from_config(pipeline) as pipe:
        for name in ("bear", "cart"):
            there = vs.Segmentation.load(outcome.result_folder(name))
            here = pipe(clips / name, "the largest object")
            assert there.tracks == here.tracks and there.grounding == here.grounding
            assert (outcome.result_folder(name) / "masks").is_dir()
            assert not (outcome.result_folder(name) / "overlay.mp4").exists()


def test_a_batch_goes_on_and_grows(pipeline, clips, tmp_path):
    options = {"pipeline": pipeline, "parts": ()}
    segment_videos(clips, "the largest object", tmp_path / "out", **options)
    manifest = tmp_path / "more.jsonl"
    asked = [
        {"video": "clips/bear", "query": "the largest object"},
        {"video": "clips/cart", "query": "the smallest object", "id": "cart-0", "seed": 3},
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
    changed = [VideoItem("bear", clips / "bear", "the dog")]
    with pytest.raises(OutputError, match=r"1 item in .*another video, query or seed \(bear\)"):
        segment_videos(changed, None, tmp_path / "out", resume=True, **options)


class Deadly:
    """A job of which the second piece kills its process."""

    def start(self):
        return self.work

    def work(self, number):
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return Record(str(number), "video", "", "query")

    def make_failed(self, number, error: RecordedError):
        return Record(str(number), "video", "", "query", status="failed", error=error)


def test_a_process_that_dies_costs_the_piece_it_dies_of():
    records = list(WorkerPool(2).run(Deadly(), [[0, 1], [2], [3]]))
    assert sorted(record.sample for record in records) == ["0", "1", "2", "3"]
    (failed,) = [record for record in records if record.failed]
    assert failed.sample == "1" and "was killed by SIGKILL" in failed.error.message


def test_workers_and_an_executor_exclude_each_other(pipeline, clips, tmp_path):
    with pytest.raises(ConfigError, match="workers"):
        segment_videos(
            clips, "it", tmp_path / "out", pipeline=pipeline, workers=1, executor=WorkerPool(1)
        )
    with pytest.raises(ConfigError, match="workers"):
        segment_videos(clips, "it", tmp_path / "out", pipeline=pipeline, workers=-1)


def test_the_command_counts_and_exits_by_what_it_did(clips, tmp_path, capsys):
    stages = [f"--{stage}={name}" for stage, name in PIPELINE.items()]
    out = str(tmp_path / "out")
    command = ["batch", str(clips), "the largest object", "-o", out, "--only", "masks", *stages]
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "2 of 3 done, 1 failed" in shown.out and "broken failed: VideoError" in shown.err
    assert "0 of 3 videos" in shown.err
    assert main([*command, "--resume", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["failed"][0]["id"] == "broken"
    lost = tmp_path / "lost"
    lost.mkdir()
    (lost / "broken.mp4").write_bytes(b"no video")
    assert main(["batch", str(lost), "it", "-o", str(tmp_path / "out2"), "-q"]) == 1
    assert main(["batch", str(lost), "-o", str(tmp_path / "out3")]) == 1
    assert "no query for the videos" in capsys.readouterr().err


def test_a_batch_looks_at_a_part_of_each_video_and_goes_on_with_the_same(
    pipeline, clips, tmp_path
):
    (clips / "broken.mp4").unlink()
    options = {"pipeline": pipeline, "parts": ()}
    outcome = segment_videos(
        clips, "the largest object", tmp_path / "out", every=2, max_side=32, **options
    )
    assert outcome.done_ids == ("bear", "cart")
    result = vs.Segmentation.load(outcome.result_folder("bear"))
    assert result.part.every == 2 and max(result.part.size) <= 32
    assert result.video.num_frames == vs.Video.open(clips / "bear").num_frames
    with pytest.raises(OutputError, match="another part of the videos"):
        segment_videos(clips, "the largest object", tmp_path / "out", resume=True, **options)
    with pytest.raises(ConfigError, match="start must be seconds"):
        segment_videos(clips, "it", tmp_path / "new", start="soon", **options)


def test_a_batch_is_exported_to_one_folder_for_each_format(clips, tmp_path, capsys):
    (clips / "broken.mp4").unlink()
    arguments = ["batch", str(clips), "the largest object", "-o", str(tmp_path / "out")]
    arguments += ["--only", "masks", "--json", "--export", "coco"]
    assert main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["exported"] == {"coco": str(tmp_path / "out" / "coco")}
    annotations = tmp_path / "out/coco/annotations/instances_default.json"
    videos = json.loads(annotations.read_text())["videos"]
    assert [video["name"] for video in videos] == ["bear", "cart"]
    assert main([*arguments, "--resume", "-q"]) == 0, "exports are written again"
    assert main(["batch", str(clips), "it", "-o", str(tmp_path / "x"), "--export", "coc"]) == 1
    assert not (tmp_path / "x").exists()


def test_a_batch_exports_frames_with_coco_if_asked_to(clips, tmp_path, capsys):
    (clips / "broken.mp4").unlink()
    arguments = ["batch", str(clips), "the largest object", "-o", str(tmp_path / "out")]
    assert main([*arguments, "--export", "cvat", "--frames"]) == 2
    assert "--frames goes with --export coco" in capsys.readouterr().err
    arguments += ["--only", "masks", "-q", "--export", "coco", "--export", "cvat", "--frames"]
    assert main(arguments) == 0
    root = tmp_path / "out" / "coco"
    document = json.loads((root / "annotations/instances_default.json").read_text())
    named = {image["file_name"] for image in document["images"]}
    written = {path.relative_to(root / "images").as_posix() for path in root.rglob("*.jpg")}
    assert named == written and len(written) > 2
    assert not list((tmp_path / "out" / "cvat").rglob("*.jpg"))


def test_warnings_of_a_batch_are_told_once_each_with_the_videos(clips, tmp_path, capsys):
    arguments = ["batch", str(clips), "asdf qwer", "-o", str(tmp_path / "out"), "-q"]
    arguments += ["--only", "masks", "--sampler", "middle", "--every", "4"]
    assert main(arguments) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert len(set(told)) == len(told)
    assert any('"asdf"' in line and "bear" in line for line in told)
    assert main([*arguments, "--resume", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {one for entry in document["warnings"] for one in entry["ids"]} == {"bear", "cart"}
