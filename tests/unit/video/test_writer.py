"""Files that VideoWriter makes."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from videoseg.errors import ConfigError, OutputError, ShapeError, VideoError
from videoseg.video import Video, VideoWriter, write_video


def test_frames_come_back_as_they_were_written(tmp_path, numbered):
    path = tmp_path / "clip.mp4"
    frames = [numbered(index) for index in range(30)]
    write_video(path, frames, fps=25)
    with Video.open(path) as video:
        assert len(video) == 30
        for index, frame in video.iter_frames():
            difference = np.abs(frame[:, :38].astype(int) - frames[index][:, :38])
            assert difference.mean() < 3


def test_file_is_what_browsers_play(tmp_path, numbered):
    path = tmp_path / "clip.mp4"
    write_video(path, [numbered(0)] * 3, fps=25)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(
    ("size", "stored"), [((59, 85), (60, 86)), ((1, 1), (2, 2)), ((60, 85), (60, 86))]
)
def test_odd_sides_are_padded_to_even(tmp_path, size, stored):
    path = tmp_path / "odd.mp4"
    with VideoWriter(path, fps=10) as writer:
        for _ in range(3):
            writer.write(np.full((*size, 3), (200, 30, 60), np.uint8))
    with Video.open(path) as video:
        assert video.size == stored
        assert np.abs(video[0].astype(int) - (200, 30, 60)).max() < 12


@pytest.mark.parametrize(
    ("fps", "exact"),
    [
        (30000 / 1001, Fraction(30000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (Fraction(60000, 1001), Fraction(60000, 1001)),
        (25, Fraction(25)),
        (12.5, Fraction(25, 2)),
        (0.5, Fraction(1, 2)),
    ],
)
def test_rates_are_kept_exactly(tmp_path, numbered, fps, exact):
    path = tmp_path / "clip.mp4"
    write_video(path, [numbered(index) for index in range(12)], fps=fps)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == exact
    with Video.open(path) as video:
        assert video.fps == float(exact)
        np.testing.assert_allclose(video.timestamps, np.arange(12) / float(exact), atol=1e-6)


def test_times_of_a_variable_rate_are_kept(tmp_path, numbered):
    times = np.array([0.0, 0.04, 0.08, 9.28, 9.32, 9.4])
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 3.6, timestamps=times) as writer:
        for index in range(6):
            writer.write(numbered(index))
    with Video.open(path) as video:
        np.testing.assert_allclose(video.timestamps, times, atol=1e-4)
        for index, frame in video.iter_frames():
            difference = np.abs(frame[:, :38].astype(int) - numbered(index)[:, :38])
            assert difference.mean() < 3
    with av.open(str(path)) as container:
        assert float(container.duration / 1e6) == pytest.approx(9.4 + 1 / 3.6, abs=0.05)


def test_times_of_a_constant_rate_keep_that_rate_exactly(tmp_path, numbered):
    # As Matroska blurs them.
    times = np.round(np.arange(12) * 1001 / 30000, 3)
    with VideoWriter(tmp_path / "clip.mp4", 30000 / 1001, timestamps=times) as writer:
        for index in range(12):
            writer.write(numbered(index))
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.streams.video[0].average_rate == Fraction(30000, 1001)


@pytest.mark.parametrize("times", [[0, 1, 1], [0, 2, 1], [0, float("nan"), 2], [[0, 1, 3]]])
def test_times_that_do_not_ascend_are_refused(tmp_path, times):
    with pytest.raises(ConfigError, match="timestamps"):
        VideoWriter(tmp_path / "clip.mp4", fps=10, timestamps=np.array(times, float))


def test_more_frames_than_times_are_refused(tmp_path, numbered):
    with VideoWriter(tmp_path / "clip.mp4", 10, timestamps=np.array([0, 0.5])) as writer:
        writer.write(numbered(0))
        writer.write(numbered(1))
        with pytest.raises(VideoError, match="2 frames"):
            writer.write(numbered(2))


@pytest.mark.parametrize("fps", [0, -3, 1e6, float("nan"), float("inf")])
def test_rate_out_of_range_is_refused(tmp_path, fps):
    with pytest.raises(ConfigError, match="fps"):
        VideoWriter(tmp_path / "clip.mp4", fps=fps)


def test_file_appears_only_when_it_is_complete(tmp_path, numbered):
    path = tmp_path / "new folder" / "clip.mp4"
    with VideoWriter(path, fps=10) as writer:
        for index in range(20):
            writer.write(numbered(index))
            assert not path.exists()
    assert [entry.name for entry in path.parent.iterdir()] == ["clip.mp4"]
    assert writer.num_frames == 20


def test_error_leaves_what_was_there(tmp_path, numbered):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"the old one")

    def broken():
        yield numbered(0)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_video(path, broken(), fps=10)
    assert path.read_bytes() == b"the old one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]


def test_no_frames_are_refused(tmp_path):
    with pytest.raises(VideoError, match="at least one frame"):
        write_video(tmp_path / "clip.mp4", [], fps=10)
    assert list(tmp_path.iterdir()) == []


def test_frames_of_another_size_are_refused(tmp_path, numbered):
    with pytest.raises(ShapeError, match="frame 1"):
        write_video(tmp_path / "clip.mp4", [numbered(0), numbered(1, (30, 40))], fps=10)
    with VideoWriter(tmp_path / "other.mp4", fps=10, size=(30, 40)) as writer:
        with pytest.raises(ShapeError, match="frame 0"):
            writer.write(numbered(0))
        writer.write(numbered(0, (30, 40)))


def test_values_that_are_not_bytes_are_refused(tmp_path):
    with pytest.raises(VideoError, match="uint8"):
        write_video(tmp_path / "clip.mp4", [np.zeros((4, 4, 3))], fps=10)


def test_finished_writer_takes_no_more(tmp_path, numbered):
    writer = VideoWriter(tmp_path / "clip.mp4", fps=10)
    writer.write(numbered(0))
    writer.close()
    writer.close()
    with pytest.raises(VideoError, match="finished"):
        writer.write(numbered(1))


def test_place_that_cannot_be_written_is_refused(tmp_path, numbered):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        VideoWriter(tmp_path / "file" / "clip.mp4", fps=10)
    with pytest.raises(OutputError) as caught:
        VideoWriter(tmp_path / ("folder/" * 1000) / "clip.mp4", fps=10)
    assert len(str(caught.value)) < 500
    with pytest.raises(OutputError, match="is a folder"):
        VideoWriter(tmp_path, fps=10)


def test_missing_encoder_says_what_to_do(tmp_path, numbered, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    with pytest.raises(OutputError, match=r"H\.264 encoder.*pip install"):
        write_video(tmp_path / "clip.mp4", [numbered(0)], fps=10)
    assert list(tmp_path.iterdir()) == []


def test_odd_names_are_written(tmp_path, numbered):
    for name in ("größe 犬.mp4", "a:b.mp4", "100%d.mp4", "no suffix"):
        write_video(tmp_path / name, [numbered(0)], fps=10)
        assert len(Video.open(tmp_path / name)) == 1


def test_colors_are_those_given_and_the_file_says_how_to_get_them(tmp_path):
    path = tmp_path / "colors.mp4"
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (250, 250, 250), (9, 9, 9)]
    write_video(path, [np.full((720, 64, 3), color, np.uint8) for color in colors], fps=5)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (int(context.colorspace), int(context.color_range)) == (6, 1)
    with Video.open(path) as video:
        for color, frame in zip(colors, video, strict=True):
            assert np.abs(frame[360, 32].astype(int) - color).max() <= 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"fps": None},
        {"fps": "25"},
        {"fps": float("nan")},
        {"size": (40,)},
        {"size": 40},
        {"size": (0, 8)},
        {"quality": "best"},
        {"quality": 52},
        {"quality": -1},
        {"timestamps": "now"},
        {"timestamps": [0.0, float("inf")]},
    ],
)
def test_settings_of_another_kind_are_refused(tmp_path, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        VideoWriter(tmp_path / "clip.mp4", **{"fps": 25, **wrong})
    assert not list(tmp_path.iterdir())


def test_settings_may_be_numbers_of_numpy(tmp_path):
    path = tmp_path / "clip.mp4"
    size = np.array([40, 60])
    with VideoWriter(path, np.float32(25), size=size, quality=np.int64(20)) as writer:
        writer.write(np.zeros((40, 60, 3), np.uint8))
    with Video.open(path) as video:
        assert (len(video), video.size, video.fps) == (1, (40, 60), 25)


def test_a_fast_file_shows_the_same_at_the_same_times(tmp_path):
    frames = [np.full((48, 64, 3), 40 + 10 * index, np.uint8) for index in range(9)]
    for name, fast in (("usual.mp4", False), ("fast.mp4", True)):
        with VideoWriter(tmp_path / name, 10, fast=fast) as writer:
            for frame in frames:
                writer.write(frame)
    with Video.open(tmp_path / "usual.mp4") as usual, Video.open(tmp_path / "fast.mp4") as fast:
        assert np.array_equal(usual.timestamps, fast.timestamps)
        for index, frame in fast.iter_frames():
            assert np.abs(frame.astype(int) - frames[index]).max() <= 4
