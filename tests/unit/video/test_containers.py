"""What containers say about their pictures: orientation, edit lists, streams, readers."""

from __future__ import annotations

import importlib.util
import struct
from fractions import Fraction

import numpy as np
import pytest
from mp4_boxes import MATRICES, with_edits, with_matrix
from numbered_clips import encode_streams, number_of

from videoseg.errors import MissingDependencyError
from videoseg.video import Video, VideoWriter
from videoseg.video.scan import Orientation, orientation_of

BOUND = {"bf": "2", "g": "12"}
TWOS = range(0, 80, 2)


@pytest.fixture(params=["pyav", "decord"])
def reader(request):
    if request.param == "decord" and importlib.util.find_spec("decord") is None:
        pytest.skip("decord is not installed")
    return request.param


def shown_through(matrix, picture):
    """Return a picture as a display matrix shows it, pixel by pixel."""
    a, b, c, d = matrix
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    x, y = a * columns + c * rows, b * columns + d * rows
    size = (height, width) if a else (width, height)
    upright = np.zeros((*size, 3), np.uint8)
    upright[y - y.min(), x - x.min()] = picture
    return upright


@pytest.mark.parametrize("way", MATRICES)
def test_orientation_is_applied(clip, tmp_path, in_order, reader, way):
    path = tmp_path / "turned.mp4"
    path.write_bytes(with_matrix(clip("b-frames.mp4").read_bytes(), MATRICES[way]))
    stored = in_order(clip("b-frames.mp4"))
    with Video.open(path, reader=reader, cache_bytes=0) as video:
        assert video.size == ((60, 84) if MATRICES[way][0] else (84, 60))
        assert not any("angle" in warning for warning in video.warnings)
        for index in (0, 25, 3):
            assert np.array_equal(video[index], shown_through(MATRICES[way], stored[index]))
            assert video[index].flags.c_contiguous
        backward = [frame for _, frame in video.iter_frames(reverse=True)]
        assert np.array_equal(backward[-1], shown_through(MATRICES[way], stored[0]))


@pytest.mark.parametrize("way", ["left and right exchanged", "transposed"])
def test_pictures_with_odd_sides_are_mirrored(clip, tmp_path, in_order, way):
    path = tmp_path / "turned.mp4"
    path.write_bytes(with_matrix(clip("odd-sides.mp4").read_bytes(), MATRICES[way]))
    stored = in_order(clip("odd-sides.mp4"))
    with Video.open(path, cache_bytes=0) as video:
        assert video.size == ((59, 85) if MATRICES[way][0] else (85, 59))
        assert np.array_equal(video[17], shown_through(MATRICES[way], stored[17]))


def test_pictures_turned_by_an_odd_angle_are_shown_at_the_nearest_with_a_warning(clip, tmp_path):
    path = tmp_path / "askew.mp4"
    matrix = (0.94, 0.34, -0.34, 0.94)
    path.write_bytes(with_matrix(clip("plain.mp4").read_bytes(), matrix))
    with Video.open(path) as video:
        assert video.size == (60, 84)
        assert "angle that is no quarter turn" in " ".join(video.warnings)


def test_matrix_of_nothing_leaves_pictures_as_they_are():
    assert orientation_of(bytes(36)) == (Orientation(), True)


@pytest.mark.parametrize(
    ("edits", "numbers"),
    [
        ([(0, 20)], range(20)),
        ([(20, 20)], range(20, 40)),
        ([(15, 9)], range(15, 24)),
        ([(None, 10), (0, 40)], range(40)),
        ([(0, 10), (25, 10)], [*range(10), *range(25, 35)]),
        ([(0, 10), (0, 10)], [*range(10), *range(10)]),
        ([(0, 20), (5, 10), (20, 20)], [*range(20), *range(5, 15), *range(20, 40)]),
        ([(20, 20), (0, 20)], [*range(20, 40), *range(20)]),
        ([(33, 1), (12, 9), (39, 1)], [33, *range(12, 21), 39]),
    ],
    ids=str,
)
def test_frames_are_those_an_edit_list_shows(tmp_path, encoder, clip, reader, edits, numbers):
    path = tmp_path / "edited.mp4"
    whole = encoder(tmp_path / "whole.mp4", rate=25, options=BOUND)
    path.write_bytes(with_edits(whole.read_bytes(), edits, rate=25))
    expected = list(numbers)
    with Video.open(path, reader=reader, cache_bytes=0) as video:
        assert [number_of(frame) for frame in video] == expected
        order = np.random.default_rng(0).permutation(len(expected)).tolist()
        assert [number_of(video[index]) for index in order] == [expected[i] for i in order]
        backward = [number_of(frame) for _, frame in video.iter_frames(reverse=True)]
        assert backward == expected[::-1]
        np.testing.assert_allclose(video.timestamps, np.arange(len(expected)) / 25)
        assert [text for text in video.warnings if "instead of decord" not in text] == []


@pytest.mark.parametrize("options", [BOUND, {"g": "1", "bf": "0"}], ids=["groups", "intra only"])
@pytest.mark.parametrize("pause", [5, 10, 30])
def test_nothing_is_shown_in_a_pause_between_two_parts(tmp_path, encoder, pause, options):
    edits = [(None, 3), (0, 10), (None, pause), (10, 20), (None, pause)]
    path = encoder(tmp_path / "paused.mp4", rate=25, options=options, edits=edits)
    with Video.open(path, cache_bytes=0) as video:
        assert [number_of(frame) for frame in video] == list(range(30))
        assert [number_of(video[index]) for index in (29, 3, 15, 9, 10)] == [29, 3, 15, 9, 10]
        backward = [number_of(frame) for _, frame in video.iter_frames(reverse=True)]
        assert backward == list(range(30))[::-1]
        expected = np.arange(30) + pause * (np.arange(30) >= 10)
        np.testing.assert_allclose(video.timestamps, expected / 25)
        assert video.warnings == ()


def test_jump_in_a_trimmed_clip_uses_its_seek_points(tmp_path, encoder, monkeypatch):
    from videoseg.video import pyav

    path = encoder(tmp_path / "cut.mp4", rate=25, options=BOUND, edits=[(0, 30)])
    decoded = []
    frames_of = pyav.frames_of

    def count(packet):
        frames = frames_of(packet)
        decoded.extend(frames)
        return frames

    with Video.open(path, cache_bytes=0) as video:
        monkeypatch.setattr(pyav, "frames_of", count)
        assert number_of(video[27]) == 27
        assert len(decoded) < 15


def test_trimmed_clip_whose_file_is_cut_short_says_so(tmp_path, numbered):
    path = tmp_path / "short.mp4"
    with VideoWriter(path, fps=25) as writer:
        for index in range(60):
            writer.write(numbered(index, (120, 160)))
    data = with_edits(path.read_bytes(), [(0, 30)], rate=25)
    path.write_bytes(data[: len(data) // 3])
    with Video.open(path) as video:
        assert 0 < len(video) < 30
        assert "is cut short" in " ".join(video.warnings)


@pytest.mark.parametrize(
    "options",
    [
        {"x264-params": "open-gop=1:keyint=12:bframes=3"},
        {"x264-params": "intra-refresh=1:keyint=16"},
    ],
    ids=["open groups", "gradual refresh"],
)
@pytest.mark.parametrize("edits", [[(21, 10)], [(23, 2), (31, 8), (27, 6)], [(14, 3), (1, 30)]])
def test_frames_beside_a_cut_may_lean_on_what_is_left_out(
    tmp_path, encoder, in_order, options, edits
):
    whole = encoder(tmp_path / "whole.mp4", rate=25, options=options)
    path = tmp_path / "cut.mp4"
    path.write_bytes(with_edits(whole.read_bytes(), edits, rate=25))
    stored = in_order(whole)
    expected = [stored[first + index] for first, count in edits for index in range(count)]
    with Video.open(path, cache_bytes=0) as video:
        assert len(video) == len(expected)
        assert all(map(np.array_equal, video, expected))
        assert all(np.array_equal(video[i], expected[i]) for i in (len(video) - 1, 0, 5, 2))
        np.testing.assert_allclose(video.timestamps, np.arange(len(expected)) / 25)
        assert video.warnings == ()


def test_frames_that_ffmpeg_loses_beside_a_cut_are_counted(tmp_path, encoder):
    # A list that changes the speed is left to FFmpeg, which starts reading at the second group,
    # where nothing stands on its own.
    options = {"x264-params": "intra-refresh=1:keyint=16"}
    path = encoder(tmp_path / "cut.mp4", rate=25, options=options, edits=[(21, 10)])
    data = bytearray(path.read_bytes())
    struct.pack_into(">h", data, data.index(b"elst") + 20, 2)
    path.write_bytes(data)
    with Video.open(path, cache_bytes=0) as video:
        frames = list(video)
        assert 0 < len(frames) == len(video) < 10
        assert f"of the 10 frames that its edit list shows, {len(video)}" in video.warnings[0]
        assert np.array_equal(video[1], frames[1])


@pytest.mark.parametrize(
    ("streams", "size", "is_doubtful"),
    [
        ([((24, 32), ""), ((60, 84), "default")], (60, 84), False),
        ([((60, 84), ""), ((24, 32), "default")], (24, 32), False),
        ([((24, 32), ""), ((60, 84), "")], (60, 84), True),
        ([((60, 84), ""), ((60, 84), "")], (60, 84), True),
    ],
    ids=["preview first", "small default", "no default", "alike"],
)
def test_stream_that_players_show_is_read(tmp_path, reader, streams, size, is_doubtful):
    path = encode_streams(tmp_path / "two.mkv", streams)
    with Video.open(path, reader=reader, cache_bytes=0) as video:
        assert video.size == size
        assert [number_of(video[index]) for index in (7, 0, 9)] == [7, 0, 9]
        assert any("2 video streams" in warning for warning in video.warnings) == is_doubtful


def test_larger_of_two_tracks_is_read(tmp_path):
    path = encode_streams(tmp_path / "two.mp4", [((24, 32), "default"), ((60, 84), "default")])
    with Video.open(path) as video:
        assert video.size == (60, 84)
        assert "the largest (84x60) is read" in " ".join(video.warnings)


def test_cover_picture_is_no_video(tmp_path):
    streams = [((120, 160), "attached_pic"), ((60, 84), "default")]
    path = encode_streams(tmp_path / "covered.mkv", streams)
    with Video.open(path) as video:
        assert (video.size, video.warnings) == ((60, 84), ())


def test_title_that_is_not_utf8_is_no_obstacle(tmp_path):
    import av

    path = tmp_path / "titled.mp4"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "caf=====bar"
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = 16, 16
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"caf=====bar", b"caf\xe9\xff\xe9\xe8\xe7bar"))
    assert len(Video.open(path)) == 1


@pytest.mark.parametrize("version", ["14.0.0", "16.1.0", "17.0.0"])
def test_version_of_pyav_that_decodes_wrongly_is_refused(clip, monkeypatch, version):
    import av

    monkeypatch.setattr(av, "__version__", version)
    with pytest.raises(MissingDependencyError, match=f"{version} is too old.*pip install"):
        Video.open(clip("plain.mp4"))


class EveryFrameGray:
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
    registry.add("reader", "gray", EveryFrameGray)
    monkeypatch.setattr("videoseg.plugins.default_registry", lambda: registry)
    path = tmp_path / "clip.odd"
    path.write_bytes(b"whatever this reader likes")
    with Video.open(path, reader="gray") as video:
        assert (len(video), video.size, video.facts().reader) == (5, (4, 6), "gray")
        assert video.fps == pytest.approx(10)
        assert [int(frame[0, 0, 0]) for _, frame in video.iter_frames(reverse=True)] == [
            4,
            3,
            2,
            1,
            0,
        ]
        assert not video[2].flags.writeable


def test_avi_with_ticks_that_show_no_new_frame_is_whole(encoder, tmp_path):
    # FFmpeg writes two ticks for each frame of H.264.
    clip = encoder(
        tmp_path / "ticks.avi", rate=25, options=BOUND, time_base=Fraction(1, 50), pts=TWOS
    )
    with Video.open(clip, cache_bytes=0) as video:
        assert (len(video), video.warnings) == (40, ())
        assert video.timestamps[-1] == pytest.approx(39 / 25, abs=0.03)
        assert [number_of(video[index]) for index in (0, 17, 39)] == [0, 17, 39]


@pytest.mark.parametrize("name", ["no-times.avi", "matroska.mkv", "vp9.webm"])
def test_file_shorter_than_its_head_says_is_told(clip, tmp_path, name):
    whole = tmp_path / name
    whole.write_bytes(clip(name).read_bytes())
    with Video.open(whole) as video:
        assert (len(video), video.warnings) == (40, ())
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 4 // 5])
    with Video.open(whole) as video:
        assert 0 < len(video) < 40
        assert "is cut short: its header promises" in " ".join(video.warnings)
        assert "bytes more than there are" in " ".join(video.warnings)


def test_live_matroska_file_of_unknown_length_is_whole(encoder, tmp_path):
    whole = encoder(tmp_path / "clip.mkv")
    data = bytearray(whole.read_bytes())
    at = data.index(b"\x18\x53\x80\x67") + 4
    data[at : at + 8] = b"\x01" + b"\xff" * 7
    whole.write_bytes(data)
    with Video.open(whole) as video:
        assert (len(video), video.warnings) == (40, ())


def test_pictures_that_change_their_size_are_told(encoder, tmp_path, reader):
    parts = [
        encoder(tmp_path / f"{height}.ts", num_frames=10, size=(height, 84)) for height in (60, 96)
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with Video.open(path, reader=reader) as video:
        frames = list(video)
        assert {frame.shape for frame in frames} == {(60, 84, 3)}
        assert len(frames) == 20
        [warning] = [text for text in video.warnings if "changes its picture size" in text]
        assert "frame 10 is 84x96, and all are given as 84x60 like the first" in warning


def test_a_result_records_the_times_of_a_variable_rate_alone(clip):
    with Video.open(clip("variable-rate.mkv")) as video:
        assert video.facts().timestamps == pytest.approx(video.timestamps, abs=1e-6)
    for name in ("plain.mp4", "matroska.mkv", "vp9.webm", "no-times.avi"):
        with Video.open(clip(name)) as video:
            assert video.facts().timestamps == ()
