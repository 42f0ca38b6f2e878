"""Damaged files give what can be decoded, the same each time, and say what is wrong."""

from __future__ import annotations

import importlib.util
import random
import struct

import numpy as np
import pytest

from videoseg.errors import VideoError
from videoseg.video import Video, VideoWriter


def needs_decord():
    # Importing it here would change the search path of programs, as the reader takes care not to.
    if importlib.util.find_spec("decord") is None:
        pytest.skip("decord is not installed")


@pytest.fixture
def whole(tmp_path, numbered):
    """A clip whose index stands at the front, so that it survives cutting."""
    path = tmp_path / "whole.mp4"
    with VideoWriter(path, fps=25) as writer:
        for index in range(60):
            writer.write(numbered(index, (120, 160)))
    return path


def cut(path, fraction):
    short = path.with_name(f"cut-{fraction}.mp4")
    data = path.read_bytes()
    short.write_bytes(data[: int(len(data) * fraction)])
    return short


@pytest.mark.parametrize("reader", ["pyav", "decord"])
@pytest.mark.parametrize("fraction", [0.5, 0.8, 0.95])
def test_cut_file_gives_the_frames_it_has(whole, fraction, reader):
    if reader == "decord":
        needs_decord()
    expected = [frame for _, frame in Video.open(whole).iter_frames()]
    with Video.open(cut(whole, fraction), reader=reader) as video:
        assert 0 < len(video) < 60
        assert "cut short" in " ".join(video.warnings)
        frames = [frame for _, frame in video.iter_frames()]
        # The last one may be half there.
        for frame, other in zip(frames[:-2], expected, strict=False):
            assert np.array_equal(frame, other)
        backward = [frame for _, frame in video.iter_frames(reverse=True)]
        assert all(map(np.array_equal, backward[::-1], frames))


def test_file_cut_before_its_first_frame_is_refused(whole):
    data = whole.read_bytes()
    short = whole.with_name("none.mp4")
    short.write_bytes(data[: data.index(b"mdat") + 8])
    with pytest.raises(VideoError, match="copy or download it again"):
        Video.open(short)


def test_file_cut_before_its_index_is_refused(clip, tmp_path):
    data = clip("plain.mp4").read_bytes()
    assert data.index(b"mdat") < data.index(b"moov")
    short = tmp_path / "short.mp4"
    short.write_bytes(data[: data.index(b"moov")])
    with pytest.raises(VideoError, match="not a video that can be read"):
        Video.open(short)


def test_matroska_cut_short_gives_the_frames_it_has(clip, tmp_path):
    data = clip("matroska.mkv").read_bytes()
    short = tmp_path / "short.mkv"
    short.write_bytes(data[: len(data) * 2 // 3])
    with Video.open(short) as video:
        frames = [frame for _, frame in video.iter_frames()]
        assert 10 < len(frames) == len(video) < 40


def test_header_that_promises_too_many_frames_is_not_believed(clip, tmp_path):
    data = bytearray(clip("mpeg4.avi").read_bytes())
    # The total number of frames in the main header, and the length in the stream's own.
    main = data.index(b"avih") + 8 + 16
    stream = data.index(b"strh") + 8 + 32
    for position in (main, stream):
        assert struct.unpack_from("<I", data, position)[0] == 40
        struct.pack_into("<I", data, position, 1_000_000_000)
    lying = tmp_path / "lying.avi"
    lying.write_bytes(data)
    with Video.open(lying) as video:
        assert len(video) == 40
        assert len(list(video.iter_frames())) == 40


@pytest.mark.parametrize("seed", range(12))
def test_damage_in_the_middle_gives_the_same_frames_from_all_sides(tmp_path, encoder, seed):
    whole = encoder(tmp_path / "whole.mp4", num_frames=60, size=(120, 160), options={"g": "12"})
    data = bytearray(whole.read_bytes())
    start, end = data.index(b"mdat") + 8, data.index(b"moov")
    generator = random.Random(seed)
    for _ in range(3):
        position = generator.randrange(start + (end - start) // 5, end - 60)
        data[position : position + 40] = generator.randbytes(40)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    with Video.open(path, cache_bytes=0) as video:
        forward = [frame for _, frame in video.iter_frames()]
        backward = [frame for _, frame in video.iter_frames(reverse=True)][::-1]
        order = list(range(len(video)))
        generator.shuffle(order)
        jumps = {index: video[index] for index in order}
    assert [i for i in order if not np.array_equal(forward[i], backward[i])] == []
    assert [i for i in order if not np.array_equal(forward[i], jumps[i])] == []


def test_frame_that_cannot_be_decoded_is_stood_in_for_with_a_warning(tmp_path, encoder):
    import av

    whole = encoder(tmp_path / "whole.mkv", num_frames=40, codec="mjpeg", pixels="yuvj420p")
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    position = data.index(packets[20])
    data[position : position + len(packets[20])] = bytes(len(packets[20]))
    path = tmp_path / "hole.mkv"
    path.write_bytes(data)
    with Video.open(path, cache_bytes=0) as video:
        assert len(video) == 40
        assert video.warnings == ()
        assert np.array_equal(video[20], video[19])
        assert not np.array_equal(video[21], video[19])
        frames = dict(video.iter_frames(reverse=True))
        assert np.array_equal(frames[20], frames[19])
        assert "1 frames cannot be decoded" in " ".join(video.warnings)


def test_codec_that_no_one_knows_is_refused(clip, tmp_path):
    path = tmp_path / "unknown.mp4"
    path.write_bytes(clip("plain.mp4").read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(VideoError, match="convert it to MP4"):
        Video.open(path)


def test_size_that_changes_on_the_way_is_brought_back_to_the_first(tmp_path, encoder):
    small = encoder(tmp_path / "small.ts", num_frames=20)
    large = encoder(tmp_path / "large.ts", num_frames=20, size=(120, 168))
    path = tmp_path / "both.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    with Video.open(path, cache_bytes=0) as video:
        frames = [frame for _, frame in video.iter_frames()]
        assert len(frames) == len(video) == 40
        assert {frame.shape for frame in frames} == {(60, 84, 3)}
        # The same pictures at twice the size, and back again.
        for first, second in zip(frames[:20], frames[20:], strict=True):
            difference = np.abs(first[:, :38].astype(int) - second[:, :38])
            assert difference.mean() < 3
        assert all(
            map(
                np.array_equal,
                (video[index] for index in (39, 3, 22)),
                (frames[39], frames[3], frames[22]),
            )
        )


def test_time_that_has_been_damaged_gives_the_same_frames_from_all_sides(tmp_path, encoder):
    path = encoder(tmp_path / "clip.mp4", options={"bf": "2", "g": "12"})
    data = bytearray(path.read_bytes())
    # The table of what lies between decoding and showing; one entry is far too large.
    at = data.index(b"ctts") + 12 + 8 * 9
    struct.pack_into(">I", data, at + 4, 1 << 14)
    path.write_bytes(data)
    with Video.open(path, cache_bytes=0) as video:
        frames = [frame for _, frame in video.iter_frames()]
        assert len(frames) == len(video)
        for index in (len(video) - 1, 0, 17, 30, 5):
            assert np.array_equal(video[index], frames[index]), index
