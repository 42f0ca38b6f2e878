"""Two runs never have one folder, whenever the second one comes."""

from __future__ import annotations

import os
import sys

import pytest

from videoseg.cli.folder_lock import FolderLock
from videoseg.errors import OutputError

if sys.platform == "win32":
    pytest.skip("folders are not locked on Windows", allow_module_level=True)

import fcntl


def test_a_folder_is_had_by_one_at_a_time(tmp_path):
    first, second = FolderLock(tmp_path / "place"), FolderLock(tmp_path / "place")
    with first.kept(), pytest.raises(OutputError, match="still going"), second.kept():
        pass
    first.release()
    with second.kept():
        pass
    second.release()


def test_a_process_forked_meanwhile_does_not_keep_the_folder(tmp_path):
    first, second = FolderLock(tmp_path / "place"), FolderLock(tmp_path / "place")
    with first.kept():
        # What a forked process has: the same open folder, closed only when it ends.
        copy = os.dup(first._descriptor)
    first.release()
    with second.kept():
        pass
    second.release()
    os.close(copy)


@pytest.mark.parametrize("moment", [(os, "open"), (fcntl, "flock")], ids=["open", "lock"])
def test_a_folder_that_is_removed_while_it_is_taken_is_made_again(tmp_path, monkeypatch, moment):
    place = tmp_path / "place"
    module, name = moment
    original = getattr(module, name)
    removals = [place.rmdir]

    def after_removal(*arguments):
        if removals:
            removals.pop()()
        return original(*arguments)

    monkeypatch.setattr(module, name, after_removal)
    first, second = FolderLock(place), FolderLock(place)
    with first.kept():
        assert place.is_dir()
        with pytest.raises(OutputError, match="still going"), second.kept():
            pass
    first.release()


def test_a_folder_that_cannot_be_opened_is_told(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(OutputError, match=r"Permission denied; choose another -o"),
        FolderLock(tmp_path / "place").kept(),
    ):
        pass
