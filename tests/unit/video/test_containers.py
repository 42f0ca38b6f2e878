"""What containers say about their pictures: rotation, edit lists, registered readers."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from videoseg.video import Video

FIXED = 1 << 16
MATRICES = {
    0: (FIXED, 0, 0, FIXED),
    90: (0, FIXED, -FIXED, 0),
    180: (-FIXED, 0, 0, -FIXED),
    270: (0, -FIXED, FIXED, 0),
}


def with_rotation(path, target, clockwise):
    """Copy an MP4 file whose player shall turn the pictures clockwise."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    assert struct.unpack_from(">i", data, at)[0] == FIXED
    a, b, c, d = MATRICES[clockwise]
    struct.pack_into(">9i", data, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("reader", ["pyav", "decord"])
@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
def test_rotation_is_applied(clip, tmp_path, in_order, reader, clockwise):
    path = with_rotation(clip("b-frames.mp4"), tmp_path / "turned.mp4", clockwise)
    stored = in_order(clip("b-frames.mp4"))
    with Video.open(path, reader=reader, cache_bytes=0) as video:
        assert video.size == ((60, 84) if clockwise % 180 == 0 else (84, 60))
        for index in (0, 25, 3):
            upright = np.rot90(stored[index], -clockwise // 90)
            assert np.array_equal(video[index], upright)
            assert video[index].flags.c_contiguous
        backward = [frame for _, frame in video.iter_frames(reverse=True)]
        assert np.array_equal(backward[-1], np.rot90(stored[0], -clockwise // 90))


def with_edit(path, target, *, skipped):
    """Copy an MP4 file whose edit list leaves out some frames at the start."""
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 4
    version, count = data[at], struct.unpack_from(">I", data, at + 4)[0]
    assert (version, count) == (0, 1)
    media_time = struct.unpack_from(">i", data, at + 12)[0]
    struct.pack_into(">i", data, at + 12, media_time + skipped)
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("reader", ["pyav", "decord"])
def test_frames_an_edit_list_leaves_out_are_not_there(clip, tmp_path, in_order, reader):
    # One frame lasts 1001 of the file's 30000 units in a second.
    path = with_edit(clip("b-frames.mp4"), tmp_path / "edited.mp4", skipped=15 * 1001)
    expected = in_order(clip("b-frames.mp4"))[15:]
    with Video.open(path, reader=reader, cache_bytes=0) as video:
        assert len(video) == 25
        assert video.timestamps[0] == 0
        for index in (24, 0, 7, 3):
            assert np.array_equal(video[index], expected[index]), index
        frames = [frame for _, frame in video.iter_frames(reverse=True)][::-1]
        assert all(map(np.array_equal, frames, expected))


class EveryFrameGrey:
    """A reader of someone else's."""

    def __init__(self, path):
        self.size = (4, 6)
        self.timestamps = np.arange(5) / 10

    def read(self, index):
        return np.full((4, 6, 3), index, np.uint8)

    def iter_frames(self, start, stop):
        return map(self.read, range(start, stop))

    def close(self):
        pass


def test_registered_reader_decodes(tmp_path, monkeypatch):
    from videoseg.plugins import Registry

    registry = Registry(allow=())
    registry.add("reader", "grey", EveryFrameGrey)
    monkeypatch.setattr("videoseg.plugins.default_registry", lambda: registry)
    path = tmp_path / "clip.odd"
    path.write_bytes(b"whatever this reader likes")
    with Video.open(path, reader="grey") as video:
        assert (len(video), video.size, video.facts().reader) == (5, (4, 6), "grey")
        assert video.fps == pytest.approx(10)
        assert [int(frame[0, 0, 0]) for _, frame in video.iter_frames(reverse=True)] == [
            4,
            3,
            2,
            1,
            0,
        ]
        assert not video[2].flags.writeable
