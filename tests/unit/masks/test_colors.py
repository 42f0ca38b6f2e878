import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from videoseg.masks import DAVIS_PALETTE, OBJECT_COLORS, object_color, readable_text_color

# Linear-RGB matrices of complete dichromacy by Machado, Oliveira and Fernandes (2009).
VISIONS = {
    "common": np.eye(3),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
DATA = Path(os.environ.get("VIDEOSEG_TEST_DATA", Path(__file__).parents[4] / "shared/data"))


def _linear(colors):
    scaled = np.asarray(colors, float) / 255
    return np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)


def _lab(linear):
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack(
        [116 * root[:, 1] - 16, 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])],
        axis=1,
    )


@pytest.mark.parametrize("vision", VISIONS)
def test_twelve_objects_stay_apart_in_every_color_vision(vision):
    seen = _lab(np.clip(_linear(OBJECT_COLORS) @ VISIONS[vision].T, 0, 1))
    for first, second in itertools.combinations(range(12), 2):
        # 2.3 is a just noticeable difference; 15 is told apart at a glance.
        assert np.linalg.norm(seen[first] - seen[second]) > 15, (first, second)


def test_an_object_keeps_its_color_and_colors_come_round():
    assert object_color(1) == OBJECT_COLORS[0]
    assert object_color(1 + len(OBJECT_COLORS)) == object_color(1)


@pytest.mark.parametrize("color", [*OBJECT_COLORS, *DAVIS_PALETTE[:20]])
def test_text_on_a_color_meets_the_contrast_of_wcag_aa(color):
    luminances = [
        float(_linear(value) @ (0.2126, 0.7152, 0.0722))
        for value in (color, readable_text_color(color))
    ]
    assert (max(luminances) + 0.05) / (min(luminances) + 0.05) >= 4.5


def test_davis_palette_begins_as_everybody_knows_it():
    assert DAVIS_PALETTE[:4] == ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0))
    assert len(set(DAVIS_PALETTE)) == 256


def test_davis_palette_is_the_one_in_the_data_set():
    pictures = sorted((DATA / "davis/Annotations/480p/dogs-jump").glob("*.png"))
    if not pictures:
        pytest.skip("the DAVIS clips are not here")
    with Image.open(pictures[0]) as picture:
        assert tuple(picture.getpalette()) == tuple(itertools.chain(*DAVIS_PALETTE))
