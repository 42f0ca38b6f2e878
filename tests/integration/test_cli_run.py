"""`videoseg run` and `videoseg demo` from the outside."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess

import pytest
from command_line import COMMAND, environment, videoseg

from videoseg import Segmentation

TOY = ("--pipeline", "toy")


@pytest.fixture
def ask(toy_plugins, tmp_path, clip_path):
    def ask(*options, query="the middle", **more):
        command = ("run", clip_path, query, *TOY, *options)
        done = videoseg(*command, folder=tmp_path, plugins=toy_plugins, **more)
        assert done.returncode == 0, done.stderr
        return done

    return ask


def test_the_answer_says_what_where_why_and_which_files(ask, tmp_path):
    text = ask().stdout
    assert text.startswith("1 object found in square: 12 frames of 96x64\n")
    for words in ("box 24,16 to 72,48 on frame 0", "12 of 12 frames", "always a good guess"):
        assert words in text
    for name in ("report.html", "overlay.mp4", "masks", "result.json"):
        path = tmp_path / "videoseg-out" / "square" / name
        assert path.exists()
        assert f"videoseg-out/square/{name}" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text


def test_a_second_run_does_not_replace_the_first(ask, tmp_path):
    ask(query="one")
    ask(query="two")
    folder = tmp_path / "videoseg-out"
    assert Segmentation.load(folder / "square").query == "one"
    assert Segmentation.load(folder / "square-2").query == "two"


def test_progress_goes_to_stderr_and_quiet_silences_all(ask):
    assert "propagator hold" in ask().stderr
    quiet = ask("--quiet")
    assert quiet.stdout == quiet.stderr == ""


def test_a_guess_is_told_also_where_nothing_else_is(toy_plugins, tmp_path, clip_path):
    """Warnings and the exit status: a script must not take a guess for an answer."""

    def run(query, *options):
        return videoseg(
            "run", clip_path, query, *TOY, *options, folder=tmp_path, plugins=toy_plugins
        )

    shown = run("the red dog")
    assert shown.stdout.startswith("1 object guessed in square")
    assert 'not judged  "dog"' in shown.stdout
    assert "middle, box" not in shown.stdout
    quiet = run("the red dog", "-q", "--strict", "-o", "out")
    assert (quiet.returncode, quiet.stdout) == (3, "")
    assert quiet.stderr == "warning: 'dog' is not known; name a color\n"
    assert Segmentation.load(tmp_path / "out").status == "guessed"
    document = json.loads(run("the unicorn", "--json", "--strict").stdout)
    assert (document["status"], document["judged"], document["unjudged"]) == ("absent", [], [])


@pytest.mark.parametrize(
    ("query", "options", "status"),
    [
        ("the middle", ["--strict"], 0),
        ("the dog", [], 0),
        ("the unicorn", [], 0),
        ("the unicorn", ["--strict"], 4),
    ],
)
def test_exit_statuses_tell_answers_apart_under_strict(
    toy_plugins, tmp_path, clip_path, query, options, status
):
    arguments = ("run", clip_path, query, *TOY, "-q", "--only", "masks", *options)
    done = videoseg(*arguments, folder=tmp_path, plugins=toy_plugins)
    assert done.returncode == status, done.stderr


def test_json_is_one_document(ask, tmp_path):
    document = json.loads(ask("--json", "-o", "here").stdout)
    assert document["found"] is True
    assert document["status"] == "answered"
    [item] = document["objects"]
    assert item["box"] == [24.0, 16.0, 72.0, 48.0]
    assert item["visible_frames"] == 12
    assert item["median_area"] == 48 * 32
    assert document["window"] == [0, 12]
    assert document["folder"] == "here"
    assert all((tmp_path / path).exists() for path in document["files"])


@pytest.mark.parametrize(
    ("only", "there"),
    [
        ("masks", {"result.json", "masks"}),
        ("report,overlay", {"result.json", "report.html", "overlay.mp4"}),
    ],
)
def test_only_some_parts(ask, tmp_path, only, there):
    ask("--only", only, "-o", "out")
    assert {entry.name for entry in (tmp_path / "out").iterdir()} == there


def test_results_that_exist_are_exported_to_one_file(ask, tmp_path):
    for name in ("one", "two"):
        ask("-o", name, "--only", "masks", "-q")
    # Both are of the same video, so that the folders tell them apart.
    options = ("--format", "coco", "-o", "labels")
    done = videoseg("export", "one", "two", *options, folder=tmp_path)
    assert "labels/annotations/instances_default.json" in done.stdout, done.stderr
    data = json.loads((tmp_path / "labels/annotations/instances_default.json").read_text())
    assert [video["name"] for video in data["videos"]] == ["one", "two"]


def test_exports_lie_in_the_folder_of_the_result_and_are_replaced_with_it(ask, tmp_path):
    options = ("--export", "davis", "-o", "out", "--only", "masks", "--json")
    document = json.loads(ask("--export", "coco", *options).stdout)
    assert set(document["exported"]) == {"davis", "coco"}
    assert {path.name for path in (tmp_path / "out/exports").iterdir()} == {"davis", "coco"}
    ask("--overwrite", *options)
    assert [path.name for path in (tmp_path / "out/exports").iterdir()] == ["davis"]
    done = videoseg("export", "out", "--format", "cvat", folder=tmp_path)
    assert done.returncode == 0 and (tmp_path / "out/exports/cvat").is_dir(), done.stderr


def test_a_failing_stage_tells_its_error_once(toy_plugins, tmp_path, clip_path):
    done = videoseg(
        *("run", clip_path, "it", *TOY, "-O", "propagator.fails_at=3"),
        folder=tmp_path,
        plugins=toy_plugins,
    )
    assert done.returncode == 1
    assert done.stderr.count("made of cheese") == 1, done.stderr
    assert "propagator hold: failed after" in done.stderr


def test_a_part_and_the_whole_time_are_told(ask, tmp_path):
    options = ("--start", "3f", "--end", "0.75", "--every", "2", "--max-side", "48")
    text = ask(*options, "-o", "out").stdout
    assert "looked at   frames 3 to 7, every 2, at 48x32" in text
    assert "visible in 3 of 3 frames" in text and "12 frames of 96x64" in text
    result = Segmentation.load(tmp_path / "out")
    assert result.tracks[0].visible_frames == (3, 5, 7) and result.part.size == (32, 48)
    assert result.timings["start"] > 0 and result.timings["saving"] > 0
    told = float(re.search(r"time +([\d.]+) seconds", text)[1])
    assert told >= round(result.timings["total"], 1) - 0.1


def test_an_interrupted_run_on_a_part_goes_on_with_its_answer(toy_plugins, tmp_path, clip_path):
    def run(*options):
        part = ("--start", "4f", "--every", "3", "--max-side", "48")
        return videoseg(
            *("run", clip_path, "it", *TOY, *part, "-o", "out", "-q", *options),
            folder=tmp_path,
            plugins=toy_plugins,
        )

    assert run("-O", "propagator.fails_at=1").returncode == 1
    again = run("--resume")
    assert again.returncode == 0, again.stderr
    result = Segmentation.load(tmp_path / "out")
    assert result.grounding.keyframe == 4 and result.tracks[0].visible_frames == (4, 7, 10)
    assert result.grounding.prompts[0].box.as_tuple() == (24, 16, 72, 48)
    assert result.trace.turns[0].answer_keyframe == 4


def test_objects_are_given_instead_of_a_query(toy_plugins, tmp_path, clip_path):
    done = videoseg(
        *("run", clip_path, "--box", "cup=2:10,12,40,30", *TOY, "-o", "out", "-q"),
        folder=tmp_path,
        plugins=toy_plugins,
    )
    assert done.returncode == 0, done.stderr
    result = Segmentation.load(tmp_path / "out")
    assert (result.query, result.grounding.keyframe, result.tracks[0].label) == ("", 2, "cup")


@pytest.mark.parametrize("query", [(), ("it", "--box", "0:1,1,5,5")])
def test_either_a_query_or_objects_are_needed(tmp_path, clip_path, query):
    done = videoseg("run", clip_path, *query, folder=tmp_path)
    assert done.returncode == 2 and "either a 'QUERY', or objects" in done.stderr


def test_seed_and_options_are_recorded(ask, tmp_path):
    ask("--seed", "7", "-O", "propagator.seconds=0.001", "-o", "out")
    result = Segmentation.load(tmp_path / "out")
    assert result.seed == 7
    assert result.pipeline["propagator"] == {"name": "hold", "options": {"seconds": 0.001}}


def test_the_same_seed_gives_the_same_file(ask, tmp_path):
    # In interpreters that order sets differently.
    for hash_seed, name in enumerate(("a", "b")):
        options = ("--seed", "3", "-o", name, "--only", "masks")
        ask(*options, PYTHONHASHSEED=str(hash_seed))
    first, second = (
        json.loads((tmp_path / name / "result.json").read_text()) for name in ("a", "b")
    )
    for document in (first, second):
        document.pop("timings")
        for turn in document["trace"]["turns"]:
            turn.pop("sampler_seconds")
            turn.pop("grounder_seconds")
    assert first == second


@pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
def test_colors_on_a_terminal_only_where_they_are_wanted(tmp_path, no_color, colored):
    more = {"TERM": "xterm-256color", "COLUMNS": "80", "NO_COLOR": no_color}
    variables = environment(**more)
    if not no_color:
        del variables["NO_COLOR"]
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "run", "no-such.mp4", "x"],
        cwd=tmp_path,
        env=variables,
        stdin=writer,
        stdout=writer,
        stderr=writer,
    )
    os.close(writer)
    text = b""
    while True:
        try:
            part = os.read(reader, 4096)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(reader)
    assert process.wait(timeout=60) == 1
    assert b"no-such.mp4" in text
    assert (re.search(rb"\x1b\[[0-9;]*31m", text) is not None) == colored


@pytest.mark.slow
def test_the_demo_answers_its_questions(tmp_path):
    done = videoseg("demo", "--json", "--quiet", "-o", "demo", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)["answers"]
    assert [answer["level"] for answer in answers] == ["easy", "harder", "hard"]
    for answer in answers:
        # Another object than the one meant would overlap with the truth by next to nothing.
        assert answer["overlap_with_truth"] > 0.5, answer
        assert (tmp_path / answer["report"]).is_file()
        assert (tmp_path / answer["overlay"]).is_file()
        assert answer["reasoning"]
