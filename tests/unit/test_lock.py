"""Two processes never hold one lock, whenever the second one comes."""

from __future__ import annotations

import os
import subprocess
import sys

import filelock
import pytest

from videoseg.errors import OutputError
from videoseg.files.lock import FileLock, FolderLock

HOLD = """
import sys, time
from pathlib import Path
from videoseg.files.lock import FileLock
print(FileLock(Path(sys.argv[1])).acquire(), flush=True)
time.sleep(60)
"""


def test_a_lock_is_held_by_one_at_a_time_and_leaves_nothing(tmp_path):
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire() and first.acquire()
    assert not second.acquire()
    first.release()
    first.release()
    assert second.acquire()
    second.release()
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_process_that_was_killed_is_taken_over(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "True\n"
        assert not FileLock(path).acquire()
        holder.kill()
    lock = FileLock(path)
    assert path.exists() and lock.acquire()
    lock.release()


def test_a_file_system_without_locks_can_still_be_used(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(filelock, "lock_descriptor", refuse)
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    lock.release()


def test_a_folder_is_held_by_one_at_a_time(tmp_path):
    first, second = FolderLock(tmp_path / "place"), FolderLock(tmp_path / "place")
    with first.acquired(), pytest.raises(OutputError, match="still writing"), second.acquired():
        pass
    first.release()
    with second.acquired():
        pass
    second.release()


def test_a_folder_is_removed_with_its_content_and_new_parents(tmp_path):
    lock = FolderLock(tmp_path / "new" / "place")
    with lock.acquired():
        (tmp_path / "new" / "place" / "inside").mkdir()
        (tmp_path / "new" / "place" / "inside" / "file").touch()
    lock.remove()
    assert not list(tmp_path.iterdir())


def test_a_folder_whose_lock_fails_inside_the_block_is_released(tmp_path):
    first, second = FolderLock(tmp_path / "place"), FolderLock(tmp_path / "place")
    with pytest.raises(KeyError), first.acquired():
        raise KeyError
    with second.acquired():
        pass
    second.release()


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not forked on Windows")
def test_a_process_forked_meanwhile_does_not_keep_the_folder(tmp_path):
    first, second = FolderLock(tmp_path / "place"), FolderLock(tmp_path / "place")
    with first.acquired():
        # What a forked process has: the same open file, closed only when it ends.
        copy = os.dup(first._lock._descriptor)
    first.release()
    with second.acquired():
        pass
    second.release()
    os.close(copy)


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be removed on Windows")
@pytest.mark.parametrize(
    "moment", [(os, "open"), (filelock, "lock_descriptor")], ids=["open", "lock"]
)
def test_a_folder_that_is_removed_while_it_is_taken_is_made_again(tmp_path, monkeypatch, moment):
    place = tmp_path / "place"
    module, name = moment
    original = getattr(module, name)
    removals = [FolderLock(place).remove]

    def after_removal(*arguments, **options):
        if removals:
            (place / ".lock").unlink(missing_ok=True)
            removals.pop()()
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, after_removal)
    first, second = FolderLock(place), FolderLock(place)
    with first.acquired():
        assert place.is_dir()
        with pytest.raises(OutputError, match="still writing"), second.acquired():
            pass
    first.release()


def test_a_folder_that_cannot_be_opened_is_told(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(OutputError, match=r"Permission denied; choose another output folder"),
        FolderLock(tmp_path / "place").acquired(),
    ):
        pass


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "place").touch()
    with (
        pytest.raises(OutputError, match="is not a folder"),
        FolderLock(tmp_path / "place").acquired(),
    ):
        pass
