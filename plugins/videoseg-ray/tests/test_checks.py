"""What is wrong is said before anything runs, and all of it at once."""

from __future__ import annotations

import socket
import subprocess
import sys
from inspect import signature

import pytest
from drawn_benchmarks import write_frames
from videoseg_ray import Actors, segment_videos
from videoseg_ray import evaluate as evaluate_there
from videoseg_ray.cli import batch, evaluate
from videoseg_ray.job import split_groups
from videoseg_ray.session import ray_session

from videoseg.batch import segment_videos as segment_videos_here
from videoseg.cli import evaluate_benchmark, segment_batch
from videoseg.cli.main import main
from videoseg.errors import ConfigError, MissingDependencyError
from videoseg.evaluation import evaluate as evaluate_here


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


@pytest.mark.parametrize(
    ("command", "core"), [(evaluate, evaluate_benchmark), (batch, segment_batch)]
)
def test_the_commands_have_the_options_of_those_of_the_core(command, core):
    ours = {option for parameter in command.params for option in parameter.opts}
    theirs = {option for parameter in core.params for option in parameter.opts}
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
    assert main(["ray", "batch", str(clips), "-o", out]) == 1
    assert capsys.readouterr().err.startswith("error: no query for the videos")
    assert main(["ray", "batch", str(clips), "the dog", "-o", out, "--gpus-per-actor", "1.5"]) == 1
    assert "GPUs per actor must be a whole number" in capsys.readouterr().err
    assert main(["ray", "evall"]) == 2
    assert "did you mean 'eval'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("there", "here"), [(evaluate_there, evaluate_here), (segment_videos, segment_videos_here)]
)
def test_the_functions_take_the_arguments_of_those_without_ray(there, here):
    replaced = {"workers", "executor"}
    assert {*signature(here).parameters} - replaced <= {*signature(there).parameters}
