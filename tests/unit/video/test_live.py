"""Frames of a live source: recent, in bounded memory, and with a clear end."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import numpy as np
import pytest
from looped_stream import encode, looped_stream

from videoseg.errors import ConfigError, VideoError
from videoseg.video.live import LiveFrames, is_live_source


def pictures(count=6, size=(48, 64)):
    frames = np.zeros((count, *size, 3), np.uint8)
    return frames + np.linspace(0, 250, count).astype(np.uint8)[:, None, None, None]


def test_frames_come_until_the_source_ends():
    with looped_stream(pictures(), fps=100, count=5) as url, LiveFrames(url) as frames:
        assert frames.size == (48, 64) and frames.name == url
        found = [int(frame.mean()) for frame in frames]
    assert np.allclose(found, [0, 50, 100, 150, 200], atol=4)
    assert frames.num_dropped == 0


def test_times_follow_the_sources_clock_and_frames_may_be_fewer_and_smaller():
    with (
        looped_stream(pictures(), fps=100) as url,
        LiveFrames(url, every=2, max_side=32, seconds=0.4) as frames,
    ):
        taken = list(frames)
        # Motion JPEG has no times of its own and is taken for 25 frames a second.
        assert frames.fps == 12.5 and len(taken) == 5 and taken[0].shape == (24, 32, 3)
        assert [frames.time_of(index) for index in range(3)] == pytest.approx([0, 0.08, 0.16])


def test_what_is_not_taken_in_time_is_dropped_and_the_latest_kept():
    with looped_stream(pictures(), fps=200) as url, LiveFrames(url, seconds=2.0) as frames:
        next(frames)
        end = time.monotonic() + 10
        while frames.num_dropped < 5 and time.monotonic() < end:
            time.sleep(0.05)
        dropped = frames.num_dropped
        next(frames)
        assert dropped >= 5 and frames.time_of(1) >= 0.04 * 5


def test_passwords_and_keys_are_not_part_of_the_name():
    with looped_stream(pictures()) as url:
        address = url.replace("http://", "http://me:secret@") + "?key=abc"
        with LiveFrames(address) as frames:
            assert frames.name == url


@pytest.mark.parametrize("source", ["clip.mp4", "file:///etc/passwd", "ftp://host/x", "-1", ""])
def test_what_is_no_live_source_is_refused(source):
    assert not is_live_source(source)
    with pytest.raises(ConfigError, match="not a live source"):
        LiveFrames(source)


def test_a_source_that_is_off_is_an_error_without_the_password():
    with pytest.raises(VideoError, match="cannot be opened") as caught:
        LiveFrames("http://me:secret@127.0.0.1:9/stream", timeout=2)
    assert "secret" not in str(caught.value)


def test_a_page_that_is_no_video_is_an_error():
    with (
        looped_stream(pictures(), count=0) as url,
        pytest.raises(VideoError, match=r"cannot be opened|has no video"),
    ):
        LiveFrames(url, timeout=2)


@contextlib.contextmanager
def source(*pieces):
    """Serve bytes, then nothing; yield an address with a password."""
    is_over = threading.Event()

    def serve(server):
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                for piece in pieces:
                    connection.sendall(piece)
                is_over.wait(20)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        try:
            yield f"http://me:secret@127.0.0.1:{server.getsockname()[1]}/stream.mjpeg"
        finally:
            is_over.set()
            thread.join(5)


def motion_jpeg(frames):
    head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    parts = [head % len(one) + one + b"\r\n" for one in encode(frames)]
    kind = b"multipart/x-mixed-replace; boundary=frame"
    return b"HTTP/1.0 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n" + b"".join(parts)


def test_a_source_that_sends_nothing_is_told_to_be_silent():
    with source() as url, pytest.raises(VideoError, match=r"has sent nothing for 0\.5 s"):
        LiveFrames(url, timeout=0.5)


@pytest.mark.parametrize("end", [bytes(range(256)) * 1000, b""], ids=["garbage", "silence"])
def test_a_source_that_fails_later_is_an_error_without_its_password(end):
    with (
        source(motion_jpeg(pictures(12)), end) as url,
        LiveFrames(url, timeout=0.5) as frames,
        pytest.raises(VideoError, match=r"cannot be read any more|no frame came") as caught,
    ):
        list(frames)
    assert "secret" not in str(caught.value)


def test_frames_of_another_size_are_shown_at_the_first_size():
    sent = (
        motion_jpeg(pictures(4))
        + motion_jpeg(pictures(4, size=(24, 32))).partition(b"\r\n\r\n")[2]
    )
    with source(sent) as url, LiveFrames(url, timeout=0.5) as frames:
        sizes = set()
        with pytest.raises(VideoError):
            for frame in frames:
                sizes.add(frame.shape)
    assert sizes == {(48, 64, 3)}
