"""Help is light, fits 80 columns and shows examples; wrong usage is one line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from videoseg.cli import options
from videoseg.cli.main import main
from videoseg.cli.terminal import open_console, print_row
from videoseg.results import EXPORT_FORMATS, folder

COMMANDS = [
    [],
    ["run"],
    ["demo"],
    ["batch"],
    ["export"],
    ["schema"],
    ["plugins"],
    ["plugins", "show"],
    ["pipelines"],
    ["pipelines", "show"],
    ["config"],
    ["config", "show"],
    ["config", "validate"],
    ["config", "init"],
    ["doctor"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_eighty_columns(command, capsys):
    assert main([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: videoseg")
    assert max(map(len, text.splitlines())) <= 80


def test_no_arguments_show_the_help(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    for command in COMMANDS[1:]:
        assert command[0] in text


def test_examples_are_shown_as_written(capsys):
    main(["run", "--help"])
    assert '  videoseg run dog.mp4 "the dog that jumps"\n' in capsys.readouterr().out


def test_exports_go_to_the_folder_that_belongs_to_a_result():
    assert options.EXPORTS == folder.EXPORTS


def test_help_lists_every_format_that_can_be_exported(capsys):
    main(["run", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"Also export: {', '.join(EXPORT_FORMATS)}. Can be repeated." in text


def test_video_and_query_in_the_wrong_order_are_noticed(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").touch()
    assert main(["run", "red", "clip.mp4"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: there is no file 'red', but there is 'clip.mp4': the VIDEO")
    assert main(["run", "no-such.mp4", "red"]) == 1
    assert "no-such.mp4" in capsys.readouterr().err


def test_version(capsys):
    from videoseg import __version__

    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_the_command_runs_as_a_module_too():
    done = subprocess.run(
        [sys.executable, "-m", "videoseg", "rnu"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no command 'rnu'; did you mean 'run'?")


def test_a_long_label_keeps_its_distance_from_its_text(capsys):
    print_row(open_console(), "chat color-spotter", "works", width=18)
    print_row(open_console(), "short", "works", width=18)
    assert capsys.readouterr().out.splitlines() == [
        "  chat color-spotter  works",
        "  short             works",
    ]


@pytest.mark.parametrize("arguments", [["--version"], ["run", "--help"], ["config", "--help"]])
def test_help_of_the_core_imports_next_to_nothing(arguments):
    code = (
        f"from videoseg.cli.main import main; main({arguments!r})\n"
        "import sys, json; print(); print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    heavy = {"numpy", "rich", "pydantic", "pluggy", "yaml", "cv2", "av", "decord", "torch", "PIL"}
    assert "click" in loaded
    assert not loaded & heavy


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["rnu"], "did you mean 'run'?"),
        (["plugins", "shwo"], "did you mean 'show'?"),
        (["zzz"], "known: run, batch, eval"),
        (["run", "--smapler", "x", "a", "b"], "--sampler"),
        (["run", "only-a-video"], "'QUERY'"),
        (["run", "clip.mp4", "the", "red", "car"], "(red car); put text with spaces in quotes"),
        (["config", "init"], "'FILE'"),
        (["plugins", "show", "sampler"], "give the name of the sampler as well:"),
        (["plugins", "show", "a", "b", "c"], "its kind and name"),
        (["plugins", "show"], "'[KIND] NAME'"),
    ],
)
def test_wrong_usage_is_one_line_with_a_way_out(arguments, hint, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("error: ")
    assert hint in captured.err
    assert "--help)" in captured.err
