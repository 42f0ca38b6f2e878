"""Clips rendered for the tests of videos: every frame tells its own index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import pytest
from numbered_clips import encode, picture

from videoseg.types import Frame

ClipMaker = Callable[..., Path]

BOUND = {"bf": "2", "g": "12"}
OPEN_GROUPS = {"x264-params": "open-gop=1:keyint=12:bframes=3"}

# What a codec or container can do to the order and the times of frames, by name.
KINDS: dict[str, dict[str, object]] = {
    "plain.mp4": {},
    "b-frames.mp4": {"options": {"bf": "3", "g": "12"}},
    "open-groups.mp4": {"options": OPEN_GROUPS},
    "open-groups.ts": {"options": OPEN_GROUPS},
    "gradual-refresh.ts": {"options": {"x264-params": "intra-refresh=1:keyint=16"}},
    "intra-only.mp4": {"options": {"g": "1"}},
    "matroska.mkv": {"options": {"g": "12"}},
    "no-times.avi": {"options": {"bf": "2", "g": "12"}},
    "raw.h264": {"options": {"bf": "2", "g": "12"}},
    "mpeg4.avi": {"codec": "mpeg4"},
    "odd-sides.mp4": {"codec": "mpeg4", "size": (59, 85)},
    "odd-jpeg.avi": {"codec": "mjpeg", "size": (59, 85), "pixels": "yuvj420p"},
    "ten-bits.mp4": {"pixels": "yuv420p10le"},
    "full-range.mp4": {"pixels": "yuvj420p"},
    "hidden-frames.webm": {
        "codec": "libvpx",
        "options": {"auto-alt-ref": "1", "lag-in-frames": "8", "cpu-used": "8"},
    },
    "vp9.webm": {
        "codec": "libvpx-vp9",
        "options": {"auto-alt-ref": "1", "lag-in-frames": "12", "cpu-used": "8", "g": "16"},
    },
    "late-start.mp4": {"pts": tuple(range(50, 90))},
    "variable-rate.mp4": {
        "pts": tuple(int(1000 * (i / 10 + (i % 3) / 40)) for i in range(40)),
        "time_base": Fraction(1, 1000),
    },
    "variable-rate.mkv": {
        "pts": tuple(int(1000 * (i / 10 + (i % 3) / 40)) for i in range(40)),
        "time_base": Fraction(1, 1000),
    },
    "one-frame.mp4": {"num_frames": 1},
    "cut-start-and-end.mp4": {"rate": "25", "options": BOUND, "edits": [(15, 9)]},
    "cut-open-groups.mp4": {"rate": "25", "options": OPEN_GROUPS, "edits": [(14, 5), (30, 6)]},
    "part-twice.mp4": {"rate": "25", "options": BOUND, "edits": [(0, 10), (0, 10), (30, 5)]},
    "parts-exchanged.mp4": {"rate": "25", "options": BOUND, "edits": [(20, 20), (0, 20)]},
    "late-pictures.mp4": {"rate": "25", "options": BOUND, "edits": [(None, 10), (5, 30)]},
}


def encode_apart(path: Path, settings: Mapping[str, object]) -> Path:
    """Write a clip of numbered pictures in a process of its own.

    Once decord has been imported, whose wheel brings other versions of the codec libraries,
    no VP8 or VP9 can be encoded in the same process.
    """
    script = Path(__file__).parents[2] / "support" / "numbered_clips.py"
    command = [sys.executable, str(script), str(path), json.dumps(settings, default=str)]
    subprocess.run(command, check=True, timeout=120)
    return path


def decode_in_order(path: Path) -> list[Frame]:
    """Return all frames of a file the plainest way there is."""
    frames = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except av.error.InvalidDataError:
                continue
            frames.extend(frame.to_ndarray(format="rgb24") for frame in decoded)
    return frames


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the path of a clip of one of the ``KINDS``."""
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str) -> Path:
        path = folder / name
        return path if path.exists() else encode_apart(path, KINDS[name])

    return make


@pytest.fixture(params=sorted(KINDS))
def any_clip(request: pytest.FixtureRequest, clip: Callable[[str], Path]) -> Path:
    """Return a clip of each kind in turn."""
    return clip(request.param)


@pytest.fixture
def encoder() -> ClipMaker:
    """Return the function that encodes numbered pictures."""
    return encode


@pytest.fixture
def numbered() -> Callable[..., Frame]:
    """Return the function that draws a numbered picture."""
    return picture


@pytest.fixture
def in_order() -> Callable[[Path], list[Frame]]:
    """Return the function that decodes a file from its start to its end."""
    return decode_in_order


@pytest.fixture
def demos() -> list[Path]:
    """Return the real clips, or skip the test where they are not."""
    given = os.environ.get("VIDEOSEG_TEST_DATA")
    root = Path(given) if given else Path(__file__).parents[4] / "shared" / "data"
    paths = sorted((root / "demos").glob("*.mp4"))
    if not paths:
        pytest.skip("no real clips here; set VIDEOSEG_TEST_DATA to a folder that has demos/")
    return paths
