"""Values that no run could use are refused by the commands that check, at once and in a line."""

from __future__ import annotations

import json
import os
import time

import pytest

from videoseg.cli.eval import benchmark_options
from videoseg.cli.main import main
from videoseg.cli.options import parse_options

STAGES = "grounder: attributes\npropagator: flow\nsegmenter: cut\n"
LAUGHS = (
    "[&a [x,x,x,x,x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a], "
    "&c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b], &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c], "
    "&e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d], &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]]"
)


@pytest.fixture
def refused(tmp_path, capsys, monkeypatch):
    """Return what validates a file and returns the error, which must come within a second."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "warm.yaml").write_text(f"sampler: uniform\n{STAGES}")
    assert main(["config", "validate", "warm.yaml"]) == 0
    capsys.readouterr()

    def run(file: str = "mine.yaml") -> str:
        begin = time.process_time()
        assert main(["config", "validate", file]) == 1
        assert time.process_time() - begin < 1
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith("error: ")
        assert "unexpected" not in told.err
        assert len(told.err) < 2000
        return told.err

    return run


@pytest.mark.parametrize("value", ["-1", "0", "true", "1000000000000000000000", ".nan", "[1]"])
def test_validate_checks_values_as_building_does(refused, tmp_path, value):
    text = f"sampler: {{name: uniform, options: {{num_frames: {value}}}}}\n{STAGES}"
    (tmp_path / "mine.yaml").write_text(text)
    assert "num_frames" in refused()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"sampler: uniform\nmax_turns: {LAUGHS}\n{STAGES}", "aliases"),
        (f"sampler: {LAUGHS}\n{STAGES}", "aliases"),
        (f"sampler: {{name: uniform, options: {{num_frames: {LAUGHS}}}}}\n{STAGES}", "aliases"),
        ("{a: " * 5000, "levels deep"),
        (f"sampler: uniform\n{STAGES}sampler: first\n", "the key 'sampler'"),
        (f"sampler: uniform\n{STAGES}max_turns: {'9' * 6000}\n", "6,000 characters"),
        (f"sampler: uniform\n{STAGES}max_turns: 1000000000000\n", "from 1 to 1,000"),
        (f"sampler: uniform\n{STAGES}videoseg: {list(range(5000))}\n", "not a version"),
        ("\n".join(f"key{number}: 1" for number in range(1000)), "more unknown keys"),
    ],
)
def test_hostile_files_are_refused_at_once(refused, tmp_path, text, said):
    (tmp_path / "mine.yaml").write_text(text)
    assert said in refused()


def test_what_is_no_text_file_is_refused(refused, tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    assert "is not UTF-8 text" in refused("latin.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "is a named pipe" in refused("pipe.yaml")
    assert "is a device" in refused("/dev/zero")
    assert "is a folder" in refused("/")
    assert "File name too long" in refused("x" * 6000)


@pytest.mark.parametrize("value", [LAUGHS, "[" * 100, "1" * 6000, "!!python/name:os.system"])
def test_all_options_of_the_command_line_are_read_within_bounds(value):
    import click

    for read, item in ((parse_options, f"sampler.x={value}"), (benchmark_options, f"x={value}")):
        with pytest.raises(click.BadParameter, match="cannot be read") as caught:
            read([item])
        assert len(str(caught.value)) < 500


def test_json_holds_a_name_that_is_no_utf8(capsys):
    assert main(["config", "validate", "caf\udce9.yaml", "--json"]) == 1
    out = capsys.readouterr().out
    out.encode("utf-8")
    assert json.loads(out)["file"] == "caf\udce9.yaml"


def test_a_home_folder_that_the_shell_has_left_is_found(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["config", "init", "~/mine.yaml"]) == 0
    assert (tmp_path / "mine.yaml").is_file()
    assert main(["config", "validate", "~/mine.yaml"]) == 0


def test_a_file_never_takes_the_place_of_a_pipe_or_a_device(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/null")
    for name, said in (("pipe", "is a named pipe"), ("device", "is a device")):
        assert main(["config", "init", str(tmp_path / name), "--overwrite"]) == 1
        assert said in capsys.readouterr().err
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "device").is_symlink()


@pytest.mark.parametrize("place", ["x" * 6000, "/".join(["x" * 200] * 25)])
def test_a_place_with_too_long_a_name_is_refused(capsys, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    for command in (["demo", "-o", place], ["config", "init", place]):
        assert main(command) == 1
        error = capsys.readouterr().err
        assert "File name too long" in error
        assert len(error) < 400
    assert not list(tmp_path.iterdir())


def test_a_line_of_an_error_is_bounded(capsys):
    assert main(["x" * 10**5]) == 2
    error = capsys.readouterr().err
    assert len(error) < 2500
    assert error.rstrip().endswith("--help)")
