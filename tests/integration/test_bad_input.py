"""Whatever goes wrong: one readable line, the right status, nothing half-written."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import COMMAND, environment, error_line, install_plugin, videoseg
from PIL import Image

from videoseg import Segmentation
from videoseg.cli.main import main

QUICK = ("--pipeline", "toy", "--quiet")


def ask(clip, query, *options, folder, plugins, **more):
    return videoseg(
        "run", clip, query, *QUICK, "-o", "out", *options, folder=folder, plugins=plugins, **more
    )


def visible(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


@pytest.fixture
def fails(toy_plugins, tmp_path, clip_path):
    """Return a function that asks, expects a failure and returns the error line."""

    def run(*options, clip=clip_path, query="x", status=1):
        before = visible(tmp_path)
        done = ask(clip, query, *options, folder=tmp_path, plugins=toy_plugins)
        assert done.returncode == status, done.stderr
        assert done.stdout == ""
        assert visible(tmp_path) == before, "something was left behind"
        return error_line(done)

    return run


# -- videos -----------------------------------------------------------------------------


def test_a_file_that_is_not_there(fails):
    assert "no-such.mp4" in fails(clip="no-such.mp4")


def test_an_empty_file(fails, tmp_path):
    (tmp_path / "empty.mp4").touch()
    assert "is empty" in fails(clip="empty.mp4")


@pytest.mark.parametrize("kept", [0.02, 0.3])
def test_a_truncated_file(fails, tmp_path, clip_path, kept):
    data = clip_path.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: int(len(data) * kept)])
    assert "cut.mp4" in fails(clip="cut.mp4")


def test_a_file_of_random_bytes(fails, tmp_path):
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    assert "noise.mp4 is not a video" in fails(clip="noise.mp4")


def test_a_text_file(fails, tmp_path):
    (tmp_path / "notes.txt").write_text("not a video at all\n")
    assert "notes.txt" in fails(clip="notes.txt")


def test_a_folder_without_pictures(fails, tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "readme.txt").touch()
    assert "has no pictures" in fails(clip="frames")


def test_pictures_of_different_sizes(fails, tmp_path):
    (tmp_path / "frames").mkdir()
    for index, size in enumerate([(64, 48), (32, 48)]):
        Image.new("RGB", size).save(tmp_path / "frames" / f"{index}.png")
    line = fails(clip="frames")
    assert "1.png" in line
    assert "64x48" in line


def test_a_picture_that_is_none(fails, tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "0.png").write_bytes(b"not a picture")
    assert "0.png" in fails(clip="frames")


def test_a_name_that_would_write_on_the_terminal(fails):
    line = fails(clip="\x1b[2Jno\nsuch.mp4")
    assert "\x1b" not in line


# -- queries ----------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "   ", "\n"])
def test_an_empty_query(fails, query):
    assert "query is empty" in fails(query=query)


def test_a_query_of_ten_thousand_words(fails):
    assert "10,000 words" in fails(query="word " * 10_000)


# -- names and options ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (("--sampler", "unifrom"), "did you mean 'uniform'?"),
        (("--grounder", "atributes"), "did you mean 'attributes'?"),
        (("--segmenter", "cutt"), "did you mean 'cut'?"),
        (("--propagator", "flwo"), "did you mean 'flow'?"),
        (("--pipeline", "toi"), "did you mean 'toy'?"),
        (("--reader", "pyaw"), "did you mean 'pyav'?"),
        (("--export", "cocoo"), "the formats are"),
        (("-O", "propagator.second=1"), "did you mean 'seconds'?"),
        (("-O", "propagator.seconds=often"), "option 'seconds'"),
        (("--sampler", "dreams"), "pip install dreams"),
        (("--pipeline", "no-such.yaml"), "no-such.yaml"),
    ],
)
def test_unknown_names_come_with_the_nearest(fails, options, hint):
    assert hint in fails(*options)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (("--sampel", "uniform"), "--sampler"),
        (("-O", "propagatr.seconds=1"), "did you mean 'propagator'?"),
        (("-O", "seconds"), "stage.option=value"),
        (("-O", "sampler.x=[1"), "cannot be read"),
        (("--only", "mask"), "masks, overlay, report"),
        (("--max-turns", "0"), "--max-turns"),
        (("--seed", "x"), "--seed"),
        (("surplus",), "surplus"),
    ],
)
def test_wrong_usage_exits_with_2(fails, options, hint):
    assert hint in fails(*options, status=2)


def test_unknown_commands_come_with_the_nearest(capsys):
    assert main(["rnu"]) == 2
    assert "did you mean 'run'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("sampler: [unclosed", "not valid YAML"),
        ("- a\n- b\n", "must be a mapping"),
        ("", "must be a mapping"),
        ("samplr: first\ngrounder: center\npropagator: hold\n", "did you mean 'sampler'?"),
        ("sampler: first\ngrounder: center\npropagator: hold\nmax_turns: many\n", "max_turns"),
        ("sampler: 3\ngrounder: center\npropagator: hold\n", "'sampler' must be a name"),
        ("sampler: first\ngrounder: center\npropagator: holt\n", "did you mean 'hold'?"),
        ("\x00\x01", "not valid YAML"),
    ],
)
def test_broken_pipeline_files(fails, tmp_path, text, hint):
    (tmp_path / "mine.yaml").write_text(text)
    assert hint in fails("--pipeline", "mine.yaml")


def test_all_problems_of_a_file_are_told_together(fails, tmp_path):
    (tmp_path / "mine.yaml").write_text("sampler: 3\nmax_turns: no\nextra: 1\n")
    line = fails("--pipeline", "mine.yaml")
    for word in ("'sampler'", "'max_turns'", "'extra'", "'grounder'", "'propagator'"):
        assert word in line


# -- plug-ins ---------------------------------------------------------------------------


@pytest.fixture
def plugin_folder(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    "source",
    ["1 / 0", "import no_such_library", "raise SystemExit(3)", "this is not python"],
)
def test_a_plug_in_that_crashes_spoils_nothing(plugin_folder, tmp_path, source):
    install_plugin(plugin_folder, "crashing", source)
    done = videoseg("plugins", "--check", folder=tmp_path, plugins=plugin_folder)
    assert done.returncode == 1
    assert "crashing" in done.stdout
    assert "uniform" in done.stdout, "the others must still be listed"
    missing = videoseg(
        "plugins", "show", "sampler", "dream", folder=tmp_path, plugins=plugin_folder
    )
    assert "crashing" in error_line(missing), "what failed may be what was looked for"


def test_two_plug_ins_with_one_name(plugin_folder, tmp_path, clip_path):
    source = """
        import videoseg as vs

        @vs.hookimpl
        def videoseg_components():
            yield vs.Component("sampler", "twin", "videoseg.samplers.fixed:FirstSampler")
    """
    install_plugin(plugin_folder, "first-twin", source)
    install_plugin(plugin_folder, "second-twin", source)
    listed = videoseg("plugins", folder=tmp_path, plugins=plugin_folder)
    assert listed.returncode == 0
    assert "first-twin" in listed.stdout
    assert "second-twin" in listed.stdout
    assert videoseg("plugins", "--check", folder=tmp_path, plugins=plugin_folder).returncode == 1
    run = videoseg(
        "run", clip_path, "x", "--sampler", "twin", folder=tmp_path, plugins=plugin_folder
    )
    line = error_line(run)
    assert run.returncode == 1
    assert "first-twin" in line
    assert "second-twin" in line


def test_a_misspelt_hook(plugin_folder, tmp_path):
    install_plugin(
        plugin_folder,
        "typing-error",
        """
        import videoseg as vs

        @vs.hookimpl
        def videoseg_component():
            return []
        """,
    )
    done = videoseg("plugins", "--json", folder=tmp_path, plugins=plugin_folder)
    [failure] = json.loads(done.stdout)["failures"]
    assert failure["plugin"] == "typing-error"
    assert "videoseg_component" in failure["error"]


def test_debug_shows_the_traceback(toy_plugins, tmp_path, clip_path):
    options = ("-O", "propagator.fails_at=5", "--debug")
    done = ask(clip_path, "x", *options, folder=tmp_path, plugins=toy_plugins)
    assert "Traceback" in done.stderr
    assert "RuntimeError: the weights are made of cheese" in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")


# -- where to write ---------------------------------------------------------------------


def test_a_result_is_only_replaced_if_asked(toy_plugins, tmp_path, clip_path):
    assert ask(clip_path, "one", folder=tmp_path, plugins=toy_plugins).returncode == 0
    again = ask(clip_path, "two", folder=tmp_path, plugins=toy_plugins)
    assert again.returncode == 1
    assert error_line(again).endswith("choose another folder or pass --overwrite")
    assert Segmentation.load(tmp_path / "out").query == "one"
    options = ("--overwrite",)
    assert ask(clip_path, "two", *options, folder=tmp_path, plugins=toy_plugins).returncode == 0
    assert Segmentation.load(tmp_path / "out").query == "two"


def test_a_folder_with_other_things_is_never_replaced(fails, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    assert "thesis.tex" in fails("--overwrite")
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("place", ["/proc/out", "/dev/null/out"])
def test_places_that_cannot_be_written(fails, place):
    # The tests may run as root, whom no permission stops; these places stop everyone.
    if not Path("/proc").is_dir():
        pytest.skip("needs /proc")
    marker = ("-O", "propagator.marker=started")
    assert place.rpartition("/")[0] in fails("-o", place, *marker)


def test_a_file_in_the_way(fails, tmp_path):
    (tmp_path / "taken").touch()
    marker = ("-O", "propagator.marker=started")
    assert "taken" in fails("-o", "taken", *marker)
    assert "taken" in fails("-o", "taken/inside", *marker)


def test_a_disk_that_is_full(toy_plugins, tmp_path, clip_path):
    # The largest file a process may write stands in for the end of the disk.
    limit = 4096
    done = subprocess.run(
        [*COMMAND, "run", str(clip_path), "x", *QUICK, "-o", "out"],
        cwd=tmp_path,
        env=environment(toy_plugins),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: _limit_files(limit),
    )
    assert done.returncode == 1, done.stderr
    line = error_line(done)
    assert "larger than this system allows" in line or "full" in line
    assert visible(tmp_path) == ["out.unfinished"], "the answer was small enough to be kept"


def _limit_files(limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


# -- being stopped ----------------------------------------------------------------------


def _start(clip_path, toy_plugins, folder, *options):
    return subprocess.Popen(
        [*COMMAND, "run", str(clip_path), "x", *QUICK, "-o", "out", *options],
        cwd=folder,
        env=environment(toy_plugins),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit, f"{path} never appeared"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str
)
def test_stopping_in_the_middle_leaves_only_the_answer(
    toy_plugins, tmp_path, clip_path, number, status
):
    options = ("-O", "propagator.seconds=30", "-O", "propagator.marker=started")
    process = _start(clip_path, toy_plugins, tmp_path, *options)
    _wait_for(tmp_path / "started", process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == status
    assert "Traceback" not in stderr
    assert len(stderr.strip().splitlines()) <= 1
    assert visible(tmp_path) == ["out.unfinished", "started"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=str)
def test_stopping_while_saving_leaves_nothing_that_looks_whole(toy_plugins, tmp_path, number):
    # Enough pictures that saving takes a while.
    (tmp_path / "frames").mkdir()
    frame = Image.fromarray(np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8))
    for index in range(150):
        frame.save(tmp_path / "frames" / f"{index:03d}.jpg")
    process = _start("frames", toy_plugins, tmp_path, "-O", "propagator.marker=started")
    _wait_for(tmp_path / "started", process)
    limit = time.monotonic() + 60
    while not list(tmp_path.glob(".out.partial*/masks/1/00010.png")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit
        time.sleep(0.005)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    unfinished = ["frames", "out.unfinished", "started"]
    assert visible(tmp_path) == unfinished, "a part looks like a result"
    # The next run is not disturbed by what a killed one left, and clears it away.
    options = ("--only", "report", "--resume")
    again = ask("frames", "x", *options, folder=tmp_path, plugins=toy_plugins)
    assert again.returncode == 0, again.stderr
    assert Segmentation.load(tmp_path / "out").found
    assert visible(tmp_path) == ["frames", "out", "started"]
    assert not list(tmp_path.glob(".*"))


def test_a_pipe_that_is_closed_is_no_disaster(tmp_path):
    run = subprocess.run(
        f"{' '.join(COMMAND)} plugins --json | head -c 10",
        shell=True,
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stderr == ""
