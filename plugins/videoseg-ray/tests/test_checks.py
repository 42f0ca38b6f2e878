"""What is wrong is said before anything runs, and all of it at once."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest
from drawn_benchmarks import write_frame, write_frames
from videoseg_ray import Actors, VideoItem, read_manifest, segment_videos, videos_in_folder
from videoseg_ray.batch import check_visible
from videoseg_ray.cli import evaluate
from videoseg_ray.items import read_items
from videoseg_ray.job import split_groups
from videoseg_ray.session import ray_session

from videoseg.cli import evaluate_benchmark
from videoseg.cli.main import main
from videoseg.errors import ConfigError, MissingDependencyError, OutputError
from videoseg.evaluation import Record


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    write_frames(folder / "clip-10")
    write_frames(folder / "clip-9")
    (folder / "a.mp4").touch()
    (folder / ".hidden.mp4").touch()
    (folder / "notes.txt").touch()
    (folder / "empty").mkdir()
    return folder


def written(folder, name, lines):
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_videos_of_a_folder_are_files_and_folders_of_pictures(clips):
    assert [video.name for video in videos_in_folder(clips)] == ["a.mp4", "clip-9", "clip-10"]


def test_frames_taken_for_a_folder_of_videos_are_noticed(clips):
    with pytest.raises(ConfigError, match="frames of one video"):
        videos_in_folder(clips / "clip-9")
    with pytest.raises(ConfigError, match=r"has no video.*\.mp4"):
        videos_in_folder(clips / "empty")


def test_each_query_on_each_video_is_an_item(clips):
    assert [item.id for item in read_items(clips, "the dog")] == ["a", "clip-9", "clip-10"]
    items = read_items(clips, ["the dog", "the cat"])
    assert [item.id for item in items][:3] == ["a-1", "a-2", "clip-9-1"]
    assert items[1].query == "the cat"


def test_names_that_collide_are_refused(clips):
    (clips / "A.mov").touch()
    with pytest.raises(ConfigError, match="id 'a' is taken by item 'A'"):
        read_items(clips, "the dog")


def test_a_manifest_of_lines_and_one_of_columns_say_the_same(clips, tmp_path):
    lines = written(
        tmp_path,
        "asked.jsonl",
        [
            json.dumps({"video": "clips/a.mp4", "query": "the dog, running", "seed": 4}),
            "",
            json.dumps({"video": str(clips / "clip-9"), "query": "the cat", "id": "nine"}),
        ],
    )
    columns = written(
        tmp_path,
        "asked.csv",
        [
            "\ufeffvideo,query,id,seed",
            'clips/a.mp4,"the dog, running",,4',
            f"{clips / 'clip-9'},the cat,nine,",
        ],
    )
    assert read_manifest(lines) == read_manifest(columns)
    assert read_manifest(lines) == (
        VideoItem("a", clips / "a.mp4", "the dog, running", 4),
        VideoItem("nine", clips / "clip-9", "the cat"),
    )


def test_every_problem_of_a_manifest_is_told_with_its_line(clips, tmp_path, problems_of):
    good = {"video": "clips/a.mp4", "query": "the dog"}
    lines = [
        json.dumps(good),
        json.dumps({**good, "id": "a"}),
        json.dumps({**good, "id": "../a"}),
        json.dumps({**good, "id": "b", "video": "clips/none.mp4"}),
        json.dumps({**good, "id": "c", "query": "  "}),
        json.dumps({**good, "qurey": "the cat"}),
        json.dumps({**good, "seed": "x"}),
        json.dumps({"video": "clips/a.mp4"}),
        "[1]",
        "{",
    ]
    path = written(tmp_path, "asked.jsonl", lines)
    problems = problems_of(read_manifest, path)
    told = {int(problem.split("line ")[1].split(":")[0]): problem for problem in problems}
    assert sorted(told) == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    for line, text in {
        2: "taken by",
        3: "'../a' cannot name a folder",
        4: "there is no video",
        5: "query is empty",
        6: "unknown field 'qurey'; did you mean 'query'",
        7: "'seed' must be a whole number",
        8: "'query' must be text",
        9: "must be an object",
        10: "not JSON",
    }.items():
        assert text in told[line]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\\b", "/etc", ".git", "c:d", "a\n"])
def test_an_id_that_leads_elsewhere_is_refused(clips, name, tmp_path):
    with pytest.raises(ConfigError, match="cannot name a folder"):
        segment_videos([VideoItem(name, clips / "a.mp4", "the dog")], None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_queries_go_with_folders_only(clips, tmp_path):
    path = written(tmp_path, "asked.csv", ["video,query", "clips/a.mp4,the dog"])
    with pytest.raises(ConfigError, match="no query for the videos"):
        read_items(clips, None)
    with pytest.raises(ConfigError, match=r"asked\.csv has the queries"):
        read_items(path, "the cat")
    with pytest.raises(ConfigError, match="there are no items"):
        read_items([], None)


def test_a_picture_is_a_video_that_can_be_named(tmp_path):
    write_frame(tmp_path / "one.png")
    assert [item.id for item in read_items(tmp_path / "one.png", "the dog")] == ["one"]


def test_a_folder_with_something_else_in_it_is_refused(clips, tmp_path):
    (tmp_path / "run.json").touch()
    with pytest.raises(OutputError, match="contains other files"):
        segment_videos(clips, "the dog", tmp_path)


def test_a_batch_of_another_pipeline_is_refused(clips, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "batch.json").write_text('{"format": "videoseg-batch", "schema": 1}')
    with pytest.raises(OutputError, match="already contains a batch"):
        segment_videos(clips, "the dog", tmp_path / "out")
    with pytest.raises(OutputError, match="another pipeline"):
        segment_videos(clips, "the dog", tmp_path / "out", resume=True)


def test_a_result_that_only_the_actor_sees_is_a_failure(tmp_path):
    record = Record("a", "a.mp4", "", "the dog")
    assert "choose a folder that all machines share" in (
        check_visible(record, tmp_path).error.message
    )
    (tmp_path / "results" / "a").mkdir(parents=True)
    (tmp_path / "results" / "a" / "result.json").touch()
    assert check_visible(record, tmp_path) == record


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num": 0}, "number of actors"),
        ({"cpus": 1.5}, "CPUs per actor"),
        ({"gpus": -1}, "GPUs per actor"),
        ({"gpus": float("nan")}, "GPUs per actor"),
        ({"cpus": 0}, "share of a CPU or of a GPU"),
        ({"retries": -1}, "retries"),
    ],
)
def test_a_pool_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        Actors(**wrong)


@pytest.mark.parametrize(
    ("actors", "fitting"),
    [
        (Actors(), 20),
        (Actors(gpus=1), 4),
        (Actors(gpus=0.1), 16),
        (Actors(gpus=0.5, cpus=2), 8),
        (Actors(cpus=0, gpus=0.1), 40),
        (Actors(cpus=16), 1),
    ],
)
def test_actors_fit_where_cpus_and_gpus_are_on_one_machine(actors, fitting):
    nodes = [
        {"Alive": True, "Resources": {"CPU": 16.0, "GPU": 4.0}},
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    assert actors.fitting(nodes) == fitting
    with pytest.raises(ConfigError, match="no machine of the cluster has"):
        Actors(gpus=8).fitting(nodes)


@pytest.mark.parametrize("num_actors", [1, 2, 7])
def test_pieces_hold_everything_once_in_order_and_keep_all_actors_busy(num_actors):
    groups = [list(range(60)), [60], list(range(61, 100))]
    pieces = split_groups(groups, num_actors)
    assert [number for piece in pieces for number in piece] == list(range(100))
    assert max(map(len, pieces)) <= -(-100 // num_actors // 4) + 1
    assert all(any(set(piece) <= set(group) for group in groups) for piece in pieces)


def test_importing_starts_nothing_and_imports_no_ray():
    code = (
        "import os, sys; before = dict(os.environ); import videoseg_ray, videoseg_ray.cli; "
        "assert not {'ray', 'pyarrow', 'pandas', 'torch', 'cv2', 'av'} & set(sys.modules); "
        "assert dict(os.environ) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_ray_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'ray\[data\]"), ray_session():
        pass


def test_an_address_where_nobody_answers_is_told_at_once(clips, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConfigError, match=f"cannot connect to Ray at 127.0.0.1:{port}"):
        segment_videos(clips, "the dog", tmp_path / "out", address=f"127.0.0.1:{port}")


def test_the_commands_have_the_options_of_videoseg_eval():
    ours = {option for parameter in evaluate.params for option in parameter.opts}
    theirs = {option for parameter in evaluate_benchmark.params for option in parameter.opts}
    assert theirs - ours == {"--workers"}
    assert ours - theirs == {
        "--num-actors",
        "--cpus-per-actor",
        "--gpus-per-actor",
        "--retries",
        "--address",
    }


def test_an_error_is_one_line(capsys, clips, tmp_path):
    out = str(tmp_path / "out")
    assert main(["ray", "run", str(clips), "-o", out]) == 1
    assert capsys.readouterr().err.startswith("error: no query for the videos")
    assert main(["ray", "run", str(clips), "the dog", "-o", out, "--gpus-per-actor", "1.5"]) == 1
    assert "GPUs per actor must be a whole number" in capsys.readouterr().err
    assert main(["ray", "evall"]) == 2
    assert "did you mean 'eval'" in capsys.readouterr().err
