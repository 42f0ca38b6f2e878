import contextlib
import dataclasses
import errno
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from videoseg.errors import OutputError
from videoseg.files import atomic, staged_folder, write_file
from videoseg.results import Segmentation, load_result, save_result
from videoseg.results import folder as result_folder

posix = pytest.mark.skipif(os.name != "posix", reason="needs fork and signals")


def _anything(folder):
    return None


def _put(target, text, *, overwrite=False, replaceable=_anything):
    with staged_folder(
        target, overwrite=overwrite, what="the text", replaceable=replaceable
    ) as stage:
        (stage / "text.txt").write_text(text)


@contextlib.contextmanager
def _only_lines(match):
    with pytest.raises(OutputError, match=match) as caught:
        yield
    assert "\n" not in str(caught.value)


# -- where a result may go ----------------------------------------------------------------


def test_missing_parents_are_made_and_nothing_else_is_left(tmp_path):
    _put(tmp_path / "a" / "b" / "out", "new")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "a",
        "a/b",
        "a/b/out",
        "a/b/out/text.txt",
    ]


def test_an_existing_result_is_only_replaced_when_asked(result, tmp_path):
    folder = result.save(tmp_path / "out", parts=())
    other = dataclasses.replace(result, query="another")
    with _only_lines("already exists.*overwrite=True"):
        other.save(folder, parts=())
    assert load_result(folder) == result
    other.save(folder, parts=["report"], overwrite=True)
    assert load_result(folder) == other
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_replacing_leaves_nothing_of_the_old_result(result, tmp_path):
    result.save(tmp_path / "out")
    result.save(tmp_path / "out", parts=(), overwrite=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["result.json"]


def test_an_empty_folder_may_be_filled(result, tmp_path):
    (tmp_path / "out").mkdir()
    assert load_result(result.save(tmp_path / "out", parts=())) == result


@pytest.mark.parametrize(
    "foreign", ["thesis.tex", "masks/notes.txt", "masks/1/holiday.jpg", "masks/cat/00000.png"]
)
def test_a_folder_with_foreign_files_is_never_replaced(result, tmp_path, foreign):
    folder = result.save(tmp_path / "out", parts=["masks"])
    (folder / foreign).parent.mkdir(exist_ok=True, parents=True)
    (folder / foreign).write_text("precious")
    with _only_lines("not part of a result"):
        result.save(folder, overwrite=True)
    assert (folder / foreign).read_text() == "precious"


def test_a_folder_whose_result_json_is_of_something_else_is_never_replaced(result, tmp_path):
    (tmp_path / "result.json").write_text('{"score": 3}')
    with _only_lines("not one of this videoseg"):
        result.save(tmp_path, overwrite=True)
    assert (tmp_path / "result.json").read_text() == '{"score": 3}'


def test_a_file_in_the_way_is_named(result, tmp_path):
    (tmp_path / "out").write_text("a file")
    with _only_lines("a file of that name is in the way"):
        result.save(tmp_path / "out", overwrite=True)
    with _only_lines("out is a file, not a folder"):
        result.save(tmp_path / "out" / "deeper" / "still")
    assert (tmp_path / "out").read_text() == "a file"


def test_the_current_folder_is_not_pulled_from_under_the_shell(result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with _only_lines("the current folder.*inside it"):
        result.save(".")


def test_a_link_to_a_folder_is_followed(result, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    result.save(tmp_path / "link", parts=())
    result.save(tmp_path / "link", parts=(), overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert load_result(tmp_path / "real") == result


def test_a_name_that_is_too_long_is_explained(result, tmp_path):
    with _only_lines("name is too long"):
        result.save(tmp_path / ("x" * 300))


def test_names_close_to_the_limit_and_in_any_script_work(result, tmp_path):
    for name in ("y" * 250, "каша" * 20, "結果" * 30):
        assert load_result(result.save(tmp_path / name, parts=())) == result


def _save_as_nobody(result, folder, answers):
    if os.geteuid() == 0:
        # Root may write anywhere.
        os.setuid(65534)
    try:
        result.save(folder, parts=())
    except OutputError as error:
        answers.put(str(error))
    else:
        answers.put("it was written")


@posix
@pytest.mark.forks
def test_a_read_only_parent_is_explained(result, tmp_path):
    result.save(tmp_path / "warm-up", parts=())  # imports what nobody may not read
    fork = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as locked:
        Path(locked).chmod(0o555)
        answers = fork.SimpleQueue()
        process = fork.Process(
            target=_save_as_nobody, args=(result, Path(locked, "new", "out"), answers)
        )
        process.start()
        answer = answers.get()
        process.join()
        Path(locked).chmod(0o755)
        assert not list(Path(locked).iterdir())
    assert f"{locked} is read-only for this user" in answer
    assert "\n" not in answer


# -- full disks -----------------------------------------------------------------------------


def test_a_full_disk_is_explained_with_the_space_needed_and_left(result, tmp_path, monkeypatch):
    write = result_folder.write_mask

    def fills_up(path, mask):
        if path.stem == "00007":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, mask)

    monkeypatch.setattr(result_folder, "write_mask", fills_up)
    with _only_lines(r"disk is full: it needs about \d+\.\d MB and \d+\.\d MB are left"):
        result.save(tmp_path / "out")
    assert not list(tmp_path.iterdir())


@posix
def test_an_encoder_that_runs_out_of_room_is_explained(result_of_all, tmp_path):
    """The error comes out of the video library here, not from Python's own files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "probe").mkdir()
    full = result_of_all.save(tmp_path / "probe" / "out", parts=["overlay"])
    size = (full / "overlay.mp4").stat().st_size
    assert size > (full / "result.json").stat().st_size
    shutil.rmtree(tmp_path / "probe")
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 500, hard))
    try:
        with _only_lines("a file grew larger than this system allows"):
            result_of_all.save(tmp_path / "out", parts=["overlay"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


@posix
def test_a_disk_that_is_really_full_keeps_the_old_result(result, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("may not mount a small disk here")
    try:
        with _only_lines("mount point.*choose a folder inside it"):
            result.save(disk, parts=())
        folder = result.save(disk / "out", parts=())
        with _only_lines("disk is full"):
            dataclasses.replace(result, query="new").save(folder, overwrite=True)
        assert load_result(folder) == result
        assert [path.name for path in disk.iterdir()] == ["out"]
    finally:
        # Lazily, since a video library may keep a file open that it could not finish.
        subprocess.run(["umount", "-l", str(disk)], check=True)


# -- runs that end early ----------------------------------------------------------------------


def test_ctrl_c_leaves_nothing(result, tmp_path, monkeypatch):
    def interrupt(path, mask):
        raise KeyboardInterrupt

    monkeypatch.setattr(result_folder, "write_mask", interrupt)
    with pytest.raises(KeyboardInterrupt):
        result.save(tmp_path / "new" / "out")
    assert not list((tmp_path / "new").iterdir())


def _save_for_ever(first, second, folder):
    for turn in range(10**6):
        save_result(second if turn % 2 else first, folder, overwrite=True)


@posix
@pytest.mark.forks
@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_killed_run_leaves_the_old_or_the_new_result(
    result, clip, tmp_path, monkeypatch, can_exchange
):
    if not can_exchange:
        monkeypatch.setattr(atomic, "_exchange", lambda first, second: False)
    other = dataclasses.replace(result, query="the other one", tracks=clip.tracks)
    folder = result.save(tmp_path / "out")
    chance = random.Random(11)
    fork = multiprocessing.get_context("fork")
    for _ in range(6):
        process = fork.Process(target=_save_for_ever, args=(result, other, folder))
        process.start()
        time.sleep(0.02 + chance.random() * 0.12)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        loaded = Segmentation.load(folder)
        assert loaded in (result, other)
        assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == {
            "out"
        }
        masks = {
            int(path.name): len(list(path.iterdir())) for path in (folder / "masks").iterdir()
        }
        assert masks == dict.fromkeys(loaded.object_ids, clip.num_frames)
        report = (folder / "report.html").read_text(encoding="utf-8")
        assert report.endswith("</html>\n")
    result.save(folder, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}


def _save_and_die(result, folder, step):
    """Save, but be killed just before the given change of the file system."""
    seen = 0

    def count(event, arguments):
        nonlocal seen
        seen += event in _CHANGES
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    save_result(result, folder, overwrite=True, parts=["masks"])


@posix
@pytest.mark.forks
@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_death_before_any_single_step_leaves_the_old_or_the_new_result(
    result, tmp_path, monkeypatch, can_exchange
):
    if not can_exchange:
        monkeypatch.setattr(atomic, "_exchange", lambda first, second: False)
    other = dataclasses.replace(result, query="the other one")
    folder = result.save(tmp_path / "out", parts=["masks"])
    fork = multiprocessing.get_context("fork")
    outcomes = []
    for step in range(1, 1000):
        before = Segmentation.load(folder)
        new = other if before == result else result
        process = fork.Process(target=_save_and_die, args=(new, folder, step))
        process.start()
        process.join()
        after = Segmentation.load(folder)
        assert after in (before, new)
        count = sum(1 for _ in (folder / "masks").glob("*/*.png"))
        assert count == result.video.num_frames * len(result.tracks)
        outcomes.append(after == new)
        if process.exitcode == 0:
            break
    # Deaths on both sides of the moment at which the new result appears were tried.
    assert True in outcomes[:-1] and False in outcomes[:-1]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@posix
def test_a_death_between_the_two_renames_is_healed_by_loading(result, tmp_path, monkeypatch):
    folder = result.save(tmp_path / "out", parts=())
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder.rename(tmp_path / f"{atomic._prefix(folder, 'replaced')}{dead.pid}-0")
    assert load_result(folder) == result


@posix
def test_only_what_dead_processes_left_is_cleaned_up(tmp_path):
    target = tmp_path / "out"
    prefix = atomic._prefix(target, "partial")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    kept = [
        f"{prefix}{os.getpid()}-{10**9}",
        f"{prefix}notes",
        ".out.partial-elsewhere-1-0",
        ".other",
    ]
    for name in [*kept, f"{prefix}{dead.pid}-0"]:
        (tmp_path / name).mkdir()
    _put(target, "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "out"])


def test_of_two_runs_at_once_one_wins_and_the_other_is_told(tmp_path):
    target = tmp_path / "out"
    both_began = threading.Barrier(2)
    told = []

    def run(text):
        try:
            with staged_folder(
                target, overwrite=False, what="the text", replaceable=_anything
            ) as stage:
                (stage / "text.txt").write_text(text)
                both_began.wait()
        except OutputError as error:
            told.append(str(error))

    runs = [threading.Thread(target=run, args=(text,)) for text in ("one", "two")]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()
    assert len(told) == 1
    assert (target / "text.txt").read_text() in ("one", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


# -- single files ---------------------------------------------------------------------------


def test_files_appear_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "new" / "file.txt"
    write_file(path, "whole")
    assert path.read_text() == "whole"

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_file(path, "half")
    assert path.read_text() == "whole"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


@posix
def test_a_device_is_never_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with _only_lines("is a named pipe, not a regular file"):
        write_file(tmp_path / "pipe", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
