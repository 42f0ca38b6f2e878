"""Both readers give the same frames, bit by bit."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys

import numpy as np
import pytest

from videoseg.errors import ComponentNotFoundError, MissingDependencyError
from videoseg.stages import VideoReader
from videoseg.video import Video
from videoseg.video.decord import DecordReader
from videoseg.video.pyav import PyavReader

needs_decord = pytest.mark.skipif(
    importlib.util.find_spec("decord") is None, reason="decord is not installed"
)


@needs_decord
def test_decord_gives_the_frames_of_pyav_for_any_clip(any_clip):
    with Video.open(any_clip, reader="decord", cache_bytes=0) as theirs:
        ours = Video.open(any_clip, reader="pyav", cache_bytes=0)
        assert len(theirs) == len(ours)
        np.testing.assert_array_equal(theirs.timestamps, ours.timestamps)
        assert theirs.fps == ours.fps
        for (index, frame), (_, other) in zip(
            theirs.iter_frames(), ours.iter_frames(), strict=True
        ):
            assert np.array_equal(frame, other), index
        order = list(range(len(ours)))
        random.Random(1).shuffle(order)
        for index in order[:12]:
            assert np.array_equal(theirs[index], ours[index]), index


@needs_decord
def test_decord_decodes_the_common_case_itself(clip):
    with Video.open(clip("b-frames.mp4"), reader="decord") as video:
        assert video.facts().reader == "decord"
        assert video.warnings == ()


@needs_decord
@pytest.mark.parametrize(
    "name", ["odd-sides.mp4", "ten-bits.mp4", "open-groups.ts", "no-times.avi"]
)
def test_pyav_takes_over_where_decord_is_not_exact_and_says_so(clip, name):
    with Video.open(clip(name), reader="decord") as video:
        assert video.facts().reader == "pyav"
        assert "PyAV instead of decord" in " ".join(video.warnings)


@needs_decord
@pytest.mark.slow
def test_readers_agree_on_real_clips(demos):
    for path in demos:
        with (
            Video.open(path, reader="decord", cache_bytes=0) as theirs,
            Video.open(path, reader="pyav", cache_bytes=0) as ours,
        ):
            assert theirs.facts().reader == "decord"
            assert len(theirs) == len(ours)
            for (index, frame), (_, other) in zip(
                theirs.iter_frames(), ours.iter_frames(), strict=True
            ):
                assert np.array_equal(frame, other), (path.name, index)


def test_readers_are_readers(clip):
    readers = [PyavReader(clip("plain.mp4"))]
    if importlib.util.find_spec("decord") is not None:
        readers.append(DecordReader(clip("plain.mp4")))
    for reader in readers:
        assert isinstance(reader, VideoReader)


def test_missing_decord_gives_the_command(clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "decord", None)
    with pytest.raises(MissingDependencyError, match=r"pip install \"videoseg\[decord\]\""):
        Video.open(clip("plain.mp4"), reader="decord")


def test_missing_pyav_gives_the_command(clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match='pip install "av'):
        Video.open(clip("plain.mp4"))


def test_unknown_reader_is_not_found(clip):
    with pytest.raises(ComponentNotFoundError, match="reader"):
        Video.open(clip("plain.mp4"), reader="no-such-reader")


def test_nothing_heavy_is_imported_before_a_file_is_opened():
    code = (
        "import sys, videoseg.video, videoseg.video.pyav, videoseg.video.decord\n"
        "print([name for name in ('av', 'cv2', 'decord', 'PIL', 'torch') if name in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert output.strip() == "[]"
