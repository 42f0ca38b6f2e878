"""Shells complete the names of commands, components, pipelines, formats and benchmarks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from click.shell_completion import BashComplete, ShellComplete

from videoseg import add
from videoseg.cli.main import main
from videoseg.cli.options import FORMATS
from videoseg.cli.program import videoseg
from videoseg.plugins import default_registry


def completed(*words):
    """Return what may stand for the last word."""
    complete = ShellComplete(videoseg, {}, "videoseg", "_VIDEOSEG_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


def test_commands_and_options_are_completed():
    assert completed("pl") == ["plugins"]
    assert "--propagator" in completed("run", "clip.mp4", "it", "--pro")


@pytest.mark.parametrize("stage", ["sampler", "grounder", "segmenter", "propagator", "chat"])
def test_components_are_completed_by_the_kind_of_the_option(stage):
    names = completed("run", "clip.mp4", "it", f"--{stage}", "")
    others = ["none"] if stage in ("segmenter", "chat") else []
    assert names == [*default_registry().names(stage), *others]


def test_pipelines_and_benchmarks_are_completed():
    assert completed("batch", "clips", "it", "--pipeline", "attr") == ["attributes"]
    assert "synthetic" in completed("eval", "syn")
    assert "synthetic" in completed("score", "--benchmark", "")


@pytest.mark.parametrize(
    "words", [("export", "out", "--format"), ("run", "a", "b", "--export"), ("batch", "--export")]
)
def test_formats_are_completed(words):
    assert completed(*words, "") == list(FORMATS)


def test_options_of_the_chosen_stage_are_completed():
    assert "propagator." in completed("run", "a", "b", "-O", "pro")
    assert "propagator.preset=" in completed("run", "a", "b", "-O", "propagator.")
    found = completed("run", "a", "b", "--sampler", "uniform", "-O", "sampler.num")
    assert found == ["sampler.num_frames="]
    assert completed("run", "a", "b", "--sampler", "nonsense", "-O", "sampler.") == []


def test_the_program_answers_a_shell_without_a_word_of_its_own(monkeypatch, capsys):
    monkeypatch.setenv("_VIDEOSEG_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "videoseg run a b --propagator fl")
    monkeypatch.setenv("COMP_CWORD", "5")
    assert main([]) == 0
    assert capsys.readouterr() == ("plain,flow\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(shell, capsys, monkeypatch):
    # It asks the installed bash for its version.
    monkeypatch.setattr(BashComplete, "_check_version", staticmethod(lambda: None))
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert script.startswith("# ") and "_VIDEOSEG_COMPLETE" in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_with_the_script(tmp_path):
    program = tmp_path / "videoseg"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m videoseg "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(videoseg completion bash)" || exit 3
        COMP_WORDS=(videoseg run clip.mp4 it --propagator fl) COMP_CWORD=5 COMPREPLY=()
        _videoseg_completion videoseg
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "flow\n", done.stderr


def test_a_summary_of_several_lines_is_one_line_for_the_shell():
    add("sampler", "odd", object, summary="Samples.\n\x1b[2Jplain,forged")
    try:
        complete = ShellComplete(videoseg, {}, "videoseg", "_VIDEOSEG_COMPLETE")
        words = ["run", "clip.mp4", "it", "--sampler"]
        [item] = [one for one in complete.get_completions(words, "od") if one.value == "odd"]
        assert item.help == "Samples. \ufffd[2Jplain,forged"
    finally:
        default_registry.cache_clear()
