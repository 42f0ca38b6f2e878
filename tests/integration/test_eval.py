"""``videoseg eval``, ``score`` and ``compare`` as users run them, killed and resumed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import drawn_answers
import drawn_benchmarks
import drawn_vos
import pytest
from command_line import COMMAND, environment, error_line, install_plugin, videoseg

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes by signal")


@pytest.fixture(scope="session")
def plugins(tmp_path_factory) -> Path:
    """Return a folder with a plug-in that knows the drawn benchmarks."""
    folder = tmp_path_factory.mktemp("answering")
    for module in (drawn_benchmarks, drawn_vos):
        source = Path(module.__file__)
        (folder / source.name).write_text(source.read_text())
    return install_plugin(folder, "drawn-answers", Path(drawn_answers.__file__).read_text())


@pytest.fixture
def root(tmp_path) -> Path:
    """Return a drawn MeViS."""
    drawn_benchmarks.write_mevis(tmp_path / "mevis")
    return tmp_path / "mevis"


def arguments(root, out, *more):
    return ["eval", "mevis", "--root", root, "--pipeline", "drawn", "-o", out, *more]


def results(out):
    return json.loads((out / "report.json").read_text())["results"]


def kept(out):
    path = out / "records.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def start(command, folder, plugins):
    return subprocess.Popen(
        [*COMMAND, *map(str, command)],
        cwd=folder,
        env=environment(plugins),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition, process=None, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.01)


def alive(group):
    """Return the processes of a group that are still at work."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(place.parent.name))
    return found


def test_an_evaluation_prints_its_table_and_where_its_report_is(root, tmp_path, plugins):
    out = tmp_path / "out"
    done = videoseg(*arguments(root, out), folder=tmp_path, plugins=plugins)
    assert done.returncode == 0, done.stderr
    assert "mevis/valid_u: 8 of 8 answered (100.0 %)" in done.stdout
    assert "overall" in done.stdout and "100.0" in done.stdout
    assert str(out / "report.html") in done.stdout
    assert "8 of 8 samples" in done.stderr
    command = json.loads((out / "run.json").read_text())["sessions"][0]["command"]
    assert command == f"videoseg eval mevis --root {root} --pipeline drawn -o {out}"
    again = videoseg(*arguments(root, out), folder=tmp_path, plugins=plugins)
    assert again.returncode == 1
    assert "already holds a run; continue it with --resume, or choose" in error_line(again)
    other = videoseg(
        *arguments(root, out, "--resume", "--seed", 4), folder=tmp_path, plugins=plugins
    )
    assert "seed was 0 and is now 4" in error_line(other)


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_the_report_is_the_same(root, tmp_path, plugins):
    slow = ("-O", "propagator.seconds=0.02", "-O", "propagator.shift=1", "--quiet")
    whole, out = tmp_path / "whole", tmp_path / "killed"
    here = ("--workers", 0)
    done = videoseg(*arguments(root, whole, *slow, *here), folder=tmp_path, plugins=plugins)
    assert done.returncode == 0, done.stderr
    rng = random.Random(0)
    for workers, moment in enumerate(sorted(rng.uniform(0, 7.5) for _ in range(3))):
        command = arguments(root, out, *slow, "--resume", "--workers", workers)
        process = start(command, tmp_path, plugins)
        wait_for(lambda moment=moment: kept(out) >= int(moment), process)
        time.sleep(moment % 1 * 0.2)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        wait_for(lambda group=process.pid: not alive(group), seconds=20)
    done = videoseg(*arguments(root, out, *slow, "--resume"), folder=tmp_path, plugins=plugins)
    assert done.returncode == 0, done.stderr
    assert results(out) == results(whole)
    assert kept(out) == 8


def test_a_worker_that_dies_costs_one_sample(root, tmp_path, plugins):
    out = tmp_path / "out"
    deadly = ("--workers", 2, "-O", "grounder.dies_on=cart/expression 2")
    done = videoseg(*arguments(root, out, *deadly), folder=tmp_path, plugins=plugins)
    assert done.returncode == 0, done.stderr
    assert "7 of 8 answered (87.5 %), 1 failed" in done.stdout
    assert "WorkerDied" in done.stdout and "SIGKILL" in done.stdout
    report = results(out)
    assert report["overall"]["j"] == pytest.approx(7 / 8)
    assert [s["sample"] for s in report["samples"] if s["error"]] == ["cart/2"]


def test_a_run_in_which_everything_failed_is_no_success(root, tmp_path, plugins):
    broken = ("--limit", 1, "--workers", 0, "-O", "grounder.fails_on=expression 0")
    done = videoseg(*arguments(root, tmp_path / "out", *broken), folder=tmp_path, plugins=plugins)
    assert done.returncode == 1 and "1 failed and count as zero" in done.stdout
    assert "StageError: grounder 'knows' failed" in done.stderr


@pytest.mark.slow
def test_ctrl_c_leaves_a_run_that_can_be_resumed(root, tmp_path, plugins):
    out = tmp_path / "out"
    slow = ("-O", "propagator.seconds=0.05", "--workers", 2)
    process = start(arguments(root, out, *slow), tmp_path, plugins)
    wait_for(lambda: kept(out) >= 2, process)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"samples are saved in {out}; add --resume" in said and "Traceback" not in said
    wait_for(lambda: not alive(process.pid), seconds=20)
    done = videoseg(*arguments(root, out, *slow, "--resume"), folder=tmp_path, plugins=plugins)
    assert done.returncode == 0, done.stderr
    assert results(out)["overall"]["j_and_f"] == 1.0


def test_the_number_of_processes_changes_nothing(root, tmp_path, plugins):
    for workers in (0, 3):
        out = tmp_path / f"out-{workers}"
        more = ("--workers", workers, "-O", "propagator.shift=2", "-q")
        done = videoseg(*arguments(root, out, *more), folder=tmp_path, plugins=plugins)
        assert done.returncode == 0, done.stderr
    assert results(tmp_path / "out-0") == results(tmp_path / "out-3")


def test_what_every_sample_would_miss_ends_the_run_with_one_line(root, tmp_path, plugins):
    missing = ("--workers", 2, "-O", "propagator.shfit=1")
    done = videoseg(*arguments(root, tmp_path / "out", *missing), folder=tmp_path, plugins=plugins)
    assert done.returncode == 1 and "shfit" in error_line(done)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--shard", "3/2"), "no shard 3/2"),
        (("--retry-failed",), "--retry-failed can only be used with --resume"),
        (("--limit", 0), "--limit"),
        (("-B", "check_pictures"), "option=value"),
    ],
)
def test_wrong_usage_is_told_before_anything_happens(root, tmp_path, plugins, more, said):
    done = videoseg(*arguments(root, tmp_path / "out", *more), folder=tmp_path, plugins=plugins)
    assert done.returncode == 2 and said in error_line(done)
    assert not (tmp_path / "out").exists()


def test_scores_and_comparisons_from_the_shell(root, tmp_path, plugins):
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    for out, shift in ((right, 0), (wrong, 3)):
        more = ("--workers", 0, "-O", f"propagator.shift={shift}", "-q")
        done = videoseg(*arguments(root, out, *more), folder=tmp_path, plugins=plugins)
        assert done.returncode == 0, done.stderr
    compared = videoseg("compare", wrong, right, "--top", 2, folder=tmp_path, plugins=plugins)
    assert compared.returncode == 0, compared.stderr
    assert "6 better, 0 worse, 2 the same" in compared.stdout
    assert compared.stdout.count("expression") == 2
    rescored = videoseg(
        *("score", "--pred", wrong, "--benchmark", "mevis", "--root", root, "--json", "-q"),
        folder=tmp_path,
        plugins=plugins,
    )
    assert rescored.returncode == 0, rescored.stderr
    assert json.loads(rescored.stdout)["results"]["overall"] == results(wrong)["overall"]
    for arguments_, said in (
        (("--pred", wrong), "give the truth as --gt"),
        (("--pred", wrong, "--gt", root), "--gt needs --protocol"),
        (("--pred", wrong, "--benchmark", "mevis"), "mevis needs --root"),
    ):
        refused = videoseg("score", *arguments_, folder=tmp_path, plugins=plugins)
        assert refused.returncode == 2 and said in error_line(refused)
