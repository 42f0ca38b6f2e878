"""What cannot be opened says so in one line."""

from __future__ import annotations

import importlib.util
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from videoseg.errors import ConfigError, ShapeError, VideoError
from videoseg.video import Video, as_video


def refused(path, **options):
    with pytest.raises(VideoError) as caught:
        Video.open(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert caught.value.path == str(path)
    return message


@pytest.fixture(params=["pyav", "decord"])
def reader(request):
    if request.param == "decord" and importlib.util.find_spec("decord") is None:
        pytest.skip("decord is not installed")
    return request.param


def test_missing_file(tmp_path, reader):
    assert "there is no file" in refused(tmp_path / "missing.mp4", reader=reader)


def test_address_instead_of_a_file(tmp_path):
    for address in ("https://example.org/dog.mp4", "rtsp://camera/1"):
        with pytest.raises(VideoError, match=f"no file {address}; download it first"):
            Video.open(address)


def test_a_folder_of_videos_is_offered_to_the_batch(tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(VideoError, match=r"holds videos: give one of them.*videoseg batch"):
        Video.open(tmp_path)


def test_empty_file(tmp_path, reader):
    (tmp_path / "empty.mp4").touch()
    assert "is empty" in refused(tmp_path / "empty.mp4", reader=reader)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipe_is_refused_and_not_waited_for(tmp_path, reader):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "from_iterator" in refused(tmp_path / "pipe.mp4", reader=reader)


def test_random_bytes(tmp_path, reader):
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(20000))
    assert "again" in refused(path, reader=reader)


@pytest.mark.parametrize("name", ["notes.txt", "notes.mp4", "notes"])
def test_text_file(tmp_path, reader, name):
    path = tmp_path / name
    path.write_text("This is a shopping list.\nMilk, eggs, bread.\n" * 40)
    refused(path, reader=reader)


def test_playlist_is_not_followed(tmp_path, clip):
    path = tmp_path / "list.m3u8"
    target = clip("plain.mp4")
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{target}\n#EXT-X-ENDLIST\n")
    refused(path)


def test_folder_without_pictures(tmp_path, clip):
    (tmp_path / "readme.txt").write_text("none here")
    assert "no pictures" in refused(tmp_path)


def test_sound_without_pictures(tmp_path):
    import av

    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 800), np.int16), format="s16", layout="mono"
        )
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "no video stream" in refused(path)


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may read every file")
def test_file_that_may_not_be_read(tmp_path, clip):
    path = tmp_path / "locked.mp4"
    path.write_bytes(clip("plain.mp4").read_bytes())
    path.chmod(0)
    assert "permissions" in refused(path)


@pytest.mark.parametrize("name", ["with space.mp4", "größe 犬.mp4", "a:b.mp4", "100%d.mp4"])
def test_any_name_is_opened(tmp_path, clip, reader, name):
    path = tmp_path / name
    path.write_bytes(clip("plain.mp4").read_bytes())
    with Video.open(path, reader=reader) as video:
        assert len(video) == 40
        assert video[39].shape == (60, 84, 3)
        assert video.facts().reader == reader


def test_relative_path_is_opened(tmp_path, clip, monkeypatch, reader):
    (tmp_path / "-.mp4").write_bytes(clip("plain.mp4").read_bytes())
    monkeypatch.chdir(tmp_path)
    with Video.open("-.mp4", reader=reader) as video:
        assert len(video) == 40


def test_name_with_a_tilde_is_opened(tmp_path, clip, monkeypatch, reader):
    (tmp_path / "~clip.mp4").write_bytes(clip("plain.mp4").read_bytes())
    monkeypatch.chdir(tmp_path)
    for path in ("~clip.mp4", "./~clip.mp4", Path("~clip.mp4")):
        assert len(Video.open(path, reader=reader)) == 40
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(Video.open("~/~clip.mp4", reader=reader)) == 40


@pytest.mark.parametrize("path", ["~no-such-user/clip.mp4", "~missing.mp4", "./~missing.mp4"])
def test_missing_name_with_a_tilde(path):
    with pytest.raises(VideoError, match="there is no file"):
        Video.open(path)


def test_a_path_is_recorded_so_that_it_is_found_from_any_folder(tmp_path, clip, monkeypatch):
    (tmp_path / "clip.mp4").write_bytes(clip("plain.mp4").read_bytes())
    monkeypatch.chdir(tmp_path)
    with Video.open("clip.mp4") as video:
        monkeypatch.chdir("/")
        assert video.facts().path == str(tmp_path / "clip.mp4")
        assert Video.open(video.facts().path).num_frames == 40


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_name_that_is_not_utf8_is_opened(tmp_path, clip, reader):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    path.write_bytes(clip("plain.mp4").read_bytes())
    with Video.open(path, reader=reader) as video:
        assert len(list(video)) == 40
        assert video.name == "caf\ufffd"
        assert video.path == str(path)
    path.write_bytes(b"")
    with pytest.raises(VideoError, match=r"caf\ufffd\.mp4 is empty"):
        Video.open(path)


@pytest.mark.parametrize(
    "path", ["", "nul\0.mp4", "x" * 5000 + ".mp4", "x" * 5000 + ".png", "/folder" * 900]
)
def test_impossible_name_is_refused_in_a_short_line(path):
    with pytest.raises(VideoError) as caught:
        Video.open(path)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


def test_link_to_nothing_says_so(tmp_path):
    (tmp_path / "clip.mp4").symlink_to("/nowhere/clip.mp4")
    assert "a link to a file that does not exist" in refused(tmp_path / "clip.mp4")


@pytest.mark.parametrize("name", ["pipe.png", "pipe.tif"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipe_with_the_name_of_a_picture_is_refused(tmp_path, name):
    os.mkfifo(tmp_path / name)
    assert "named pipe" in refused(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no devices")
def test_device_is_refused():
    assert "is a device" in refused("/dev/zero")


def test_open_file_is_refused_with_what_to_do(clip):
    path = clip("plain.mp4")
    with path.open("rb") as file, pytest.raises(VideoError, match=r"open file .*give its path"):
        as_video(file)
    with pytest.raises(VideoError, match="open file"):
        as_video(io.BytesIO(path.read_bytes()))


def test_facts_record_what_was_opened(clip):
    path = clip("plain.mp4")
    with Video.open(path) as video:
        facts = video.facts()
    assert (facts.name, facts.path, facts.num_frames, facts.size) == (
        "plain",
        str(path),
        40,
        (60, 84),
    )
    assert facts.fps == 30000 / 1001
    assert facts.duration == pytest.approx(40 * 1001 / 30000)
    assert facts.reader == "pyav"


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_rate_out_of_range_is_refused(clip, fps):
    with pytest.raises(ConfigError, match="fps"):
        Video.open(clip("plain.mp4"), fps=fps)


def test_negative_cache_is_refused(clip):
    with pytest.raises(ConfigError, match="cache_bytes"):
        Video.open(clip("plain.mp4"), cache_bytes=-1)


def test_closed_video_says_so(clip, reader):
    video = Video.open(clip("plain.mp4"), reader=reader)
    view = video.window(3, 6)
    video.close()
    video.close()
    for closed in (video, view):
        with pytest.raises(VideoError, match="closed"):
            closed[0]
    assert "closed" in repr(video)


def test_anything_a_user_holds_becomes_a_video(tmp_path, clip):
    path = clip("plain.mp4")
    frames = np.zeros((3, 8, 6, 3), np.uint8)
    Image.fromarray(frames[0]).save(tmp_path / "1.png")
    video = Video.open(path)
    assert as_video(video) is video
    assert len(as_video(path)) == len(as_video(str(path))) == 40
    assert len(as_video(tmp_path)) == len(as_video(tmp_path / "1.png")) == 1
    assert len(as_video(frames)) == len(as_video(list(frames))) == 3
    assert len(as_video(iter(frames))) == 3
    assert len(as_video(Image.fromarray(frames[0]))) == 1
    assert len(as_video([Image.fromarray(frame) for frame in frames])) == 3


@pytest.mark.parametrize("value", [None, 3, b"bytes", {"a": 1}, [], ["a", "b"]])
def test_what_is_no_video_is_refused(value):
    with pytest.raises((VideoError, ShapeError)):
        as_video(value)


@pytest.mark.parametrize("value", [None, 3, b"clip.mp4", [1, 2], np.zeros((2, 8, 6, 3), np.uint8)])
def test_what_is_no_path_is_not_opened(value):
    with pytest.raises(VideoError, match=r"is not a path or a list of paths; .*from_frames"):
        Video.open(value)


class Foreign:
    """A video of someone else's, with nothing but what the contract asks for."""

    def __init__(self, video):
        self._video = video
        self.name, self.size, self.fps = "foreign", video.size, video.fps
        self.num_frames = len(video)
        self.facts, self.read, self.time_of = video.facts, video.read, video.time_of
        self.iter_frames = video.iter_frames

    @property
    def timestamps(self):
        return self._video.timestamps

    def iter_frames(self, start=0, stop=None, *, reverse=False):
        return self._video.iter_frames(start, stop, reverse=reverse)

    def __len__(self):
        return len(self._video)

    def __getitem__(self, index):
        return self._video[index]


def test_video_source_of_someone_else_becomes_a_video(clip):
    inner = Video.open(clip("variable-rate.mp4"))
    video = as_video(Foreign(inner))
    assert (video.name, len(video), video.fps) == ("foreign", 40, inner.fps)
    np.testing.assert_array_equal(video.timestamps, inner.timestamps)
    assert np.array_equal(video[-3], inner[-3])
    assert [i for i, _ in video.iter_frames(4, 8, reverse=True)] == [7, 6, 5, 4]
    assert np.array_equal(video.window(10, 20)[2], inner[12])


@pytest.mark.parametrize("name", ["*.png", "frame?.png", "%05d.png", "%d.jpg"])
def test_patterns_are_not_expanded(tmp_path, name):
    assert "patterns are not expanded: give the folder" in refused(tmp_path / name)


@pytest.mark.parametrize("fps", ["25", True, 0, -1.0, float("nan"), [25]])
def test_rate_that_is_no_positive_number_is_refused(tmp_path, clip, fps):
    with pytest.raises(ConfigError, match="fps must be a"):
        Video.open(clip("plain.mp4"), fps=fps)
    with pytest.raises(ConfigError, match="fps must be a"):
        Video.from_frames(np.zeros((2, 4, 4, 3), np.uint8), fps=fps)


def test_rate_may_be_a_number_of_numpy(clip):
    with Video.open(clip("plain.mp4"), fps=np.float32(10)) as video:
        assert video.timestamps[10] == 1.0
        assert type(video.fps) is float
