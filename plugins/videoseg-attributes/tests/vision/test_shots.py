from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from videoseg_attributes.regions.frames import choose_frames, read_window
from videoseg_attributes.vision.shots import begins_shot, cut_evidence, is_cut, thumbnail

from videoseg.types import Window
from videoseg.video import Video

from .scenes import color_texture

DATA = Path(os.environ.get("VIDEOSEG_TEST_DATA", Path(__file__).parents[5] / "shared" / "data"))


def _tinted(seed: int, tint: tuple[float, float, float]) -> np.ndarray:
    return (color_texture(90, 160, seed) * np.array(tint)).astype(np.uint8)


def test_a_change_of_scene_is_a_cut() -> None:
    assert is_cut(_tinted(1, (1.0, 0.6, 0.3)), _tinted(2, (0.3, 0.6, 1.0)))


def test_a_fast_pan_is_not_a_cut() -> None:
    scene = color_texture(90, 240, seed=3)
    assert not is_cut(scene[:, :160], scene[:, 14:174])


def test_the_lights_going_down_are_not_a_cut() -> None:
    scene = color_texture(90, 160, seed=4)
    assert not is_cut(scene, (scene * 0.75).astype(np.uint8))


def test_something_large_crossing_is_not_a_cut() -> None:
    scene = color_texture(90, 160, seed=5)
    crossed = scene.copy()
    crossed[10:80, 30:75] = (20, 200, 40)
    assert not is_cut(scene, crossed)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 16)])
def test_tiny_frames_of_one_shot_are_not_cut(size: tuple[int, int]) -> None:
    frame = np.full((*size, 3), 90, np.uint8)
    assert not is_cut(frame, frame + 3)


def test_motion_is_measured_only_where_it_decides() -> None:
    scenes = [
        _tinted(1, (1.0, 0.6, 0.3)),
        _tinted(2, (0.3, 0.6, 1.0)),
        _tinted(3, (1.0, 0.6, 0.3)),
    ]
    thumbs = [thumbnail(scene) for scene in scenes]
    pairs = [(one, other) for one in thumbs for other in thumbs]
    expected = [cut_evidence(one, other).is_cut for one, other in pairs]
    assert [begins_shot(one, other) for one, other in pairs] == expected
    assert any(expected)


def _find_cuts(video: Video, window: Window) -> tuple[int, ...]:
    return read_window(video, window, choose_frames(window, 4))[1]


def test_cuts_are_found_where_the_shots_were_joined() -> None:
    scenes = [_tinted(6, (1.0, 0.5, 0.2)), _tinted(7, (0.2, 0.9, 0.6)), _tinted(8, (0.4, 0.2, 1))]
    frames = np.stack([np.roll(scene, step, axis=1) for scene in scenes for step in range(4)])
    video = Video.from_frames(frames)
    assert _find_cuts(video, Window(0, 12)) == (4, 8)
    assert _find_cuts(video, Window(5, 12)) == (8,)


@pytest.mark.skipif(not (DATA / "davis").is_dir(), reason="no real clips here")
@pytest.mark.parametrize("clip", ["dog", "dance-twirl", "rollerblade"])
def test_real_clips_in_one_shot_have_no_cut(clip: str) -> None:
    video = Video.open(DATA / "davis" / "JPEGImages" / "480p" / clip)
    assert _find_cuts(video, Window(0, min(30, len(video)))) == ()


@pytest.mark.parametrize("size", [(328, 1000), (480, 854), (1000, 328)])
def test_surveyed_frames_and_those_between_have_thumbnails_of_one_size(
    size: tuple[int, int],
) -> None:
    scenes = [_tinted(1, (1.0, 0.6, 0.3)), _tinted(2, (0.3, 0.6, 1.0))]
    frames = [cv2.resize(scenes[index >= 2], size[::-1]) for index in range(8)]
    video = Video.from_frames(np.stack(frames), fps=10.0)
    _, cuts = read_window(video, Window(0, 8), (0, 7))  # frames 2 to 5 lie between
    assert cuts == (2,)
