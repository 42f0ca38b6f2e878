"""Output that is closed or full, signals, plug-ins that print: what surrounds a command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from command_line import COMMAND, environment, error_line, install_plugin, videoseg

SAMPLER = """
    import os, sys
    import videoseg as vs
    {at_import}

    class Sampler:
        def __init__(self):
            {at_building}

        def sample(self, video, query, *, window, keyframe=None, seed=0):
            {at_work}
            return vs.FrameSelection.of([window.start], window=window)

    @vs.hookimpl
    def videoseg_components():
        yield vs.Component("sampler", "odd", "{module}:Sampler")
"""


def odd(folder, *, at_import="", at_building="pass", at_work="pass", module="odd"):
    source = SAMPLER.format(
        at_import=at_import, at_building=at_building, at_work=at_work, module=module
    )
    return install_plugin(folder, "odd", source)


@pytest.fixture
def plugins(tmp_path, toy_plugins, monkeypatch):
    """Return a folder for plug-ins beside those of the toy pipeline."""
    monkeypatch.setenv("PYTHONPATH", str(toy_plugins), prepend=os.pathsep)
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def ask(clip, folder, plugins, *options):
    arguments = ("run", clip, "x", "--pipeline", "toy", "--sampler", "odd", "-q", "-o", "out")
    return videoseg(*arguments, *options, folder=folder, plugins=plugins)


def test_standard_output_is_the_commands_own(tmp_path, plugins, clip_path):
    loud = "print('loud'); os.write(1, b'raw'); os.system('echo program')"
    odd(plugins, at_import=loud, at_work=loud)
    done = ask(clip_path, tmp_path, plugins, "--json")
    assert json.loads(done.stdout)["found"]
    for words in ("loud", "raw", "program"):
        assert words in done.stderr


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"at_work": "sys.exit(0)"}, "sampler 'odd' failed: SystemExit: 0"),
        ({"at_work": "raise KeyboardInterrupt"}, "sampler 'odd' failed: KeyboardInterrupt"),
        ({"at_building": "raise ValueError('no')"}, "sampler 'odd' cannot be built with"),
        ({"at_import": "raise KeyboardInterrupt"}, "odd (KeyboardInterrupt"),
    ],
)
def test_a_plug_in_that_leaves_is_an_error_like_others(tmp_path, plugins, clip_path, where, said):
    odd(plugins, **where)
    done = ask(clip_path, tmp_path, plugins)
    assert done.returncode == 1
    assert said in error_line(done)
    assert "unexpected" not in done.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_a_component_is_imported_ends_the_program(
    tmp_path, plugins, clip_path, name
):
    install_plugin(
        plugins,
        "odd",
        """
        import videoseg as vs

        @vs.hookimpl
        def videoseg_components():
            yield vs.Component("sampler", "odd", "slow_stage:Sampler")
        """,
    )
    (plugins / "slow_stage.py").write_text(
        "import pathlib, time\npathlib.Path('importing').touch()\n"
        "try:\n    time.sleep(60)\nexcept BaseException as error:\n    raise ImportError\n"
    )
    process = subprocess.Popen(
        [*COMMAND, "run", str(clip_path), "x", "--pipeline", "toy", "--sampler", "odd", "-q"],
        cwd=tmp_path,
        env=environment(plugins),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = time.monotonic() + 60
    while not (tmp_path / "importing").exists():
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.02)
    number = getattr(signal, name)
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    how = "interrupted" if name == "SIGINT" else "terminated"
    assert error.strip() == f"{how}; nothing was left half-written"


def test_a_terminal_that_is_closed_leaves_the_answer(tmp_path, toy_plugins, clip_path):
    options = ("-O", "propagator.seconds=30", "-O", "propagator.marker=started")
    process = subprocess.Popen(
        [*COMMAND, "run", str(clip_path), "x", "--pipeline", "toy", "-q", "-o", "out", *options],
        cwd=tmp_path,
        env=environment(toy_plugins),
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = time.monotonic() + 60
    while not (tmp_path / "started").exists():
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.02)
    process.send_signal(signal.SIGHUP)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGHUP
    assert f"the answer is saved in {tmp_path / 'out.unfinished'}" in error


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
@pytest.mark.parametrize(
    ("redirection", "said"), [("> /dev/full", "No space left"), (">&-", "it is closed")]
)
@pytest.mark.parametrize("command", ["--help", "config init -"])
def test_output_that_takes_nothing_is_an_error(tmp_path, command, redirection, said):
    done = subprocess.run(
        f"{sys.executable} -m videoseg {command} {redirection}",
        shell=True,
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write to standard output: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_names_that_are_no_utf8_can_be_told_in_any_encoding(tmp_path):
    clip = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    for options, encoding in ((["--json"], "ascii"), (["--json"], "utf-8"), ([], "ascii")):
        done = subprocess.run(
            [*COMMAND, "config", "validate", os.fsdecode(clip), *options],
            cwd=tmp_path,
            env=environment(PYTHONIOENCODING=encoding),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        if options:
            assert os.fsencode(json.loads(done.stdout)["file"]) == clip
        else:
            assert done.stderr.startswith(b"error: ")
            assert b"unexpected" not in done.stderr


def test_what_a_plug_in_says_cannot_write_on_the_terminal(tmp_path, plugins):
    source = r"""
        import videoseg as vs

        @vs.hookimpl
        def videoseg_components():
            summary = "a\x1b[2J\u202eb\ud800"
            yield vs.Component("sampler", "odd", "odd:Sampler", summary=summary)
    """
    install_plugin(plugins, "odd", source)
    listed = videoseg("plugins", folder=tmp_path, plugins=plugins)
    assert listed.returncode == 0
    assert "a\ufffd[2J\ufffdb\ufffd" in listed.stdout
