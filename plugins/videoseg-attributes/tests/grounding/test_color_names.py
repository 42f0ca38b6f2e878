from __future__ import annotations

import numpy as np
import pytest
from videoseg_attributes.vision.color import (
    COLOR_NAMES,
    brighten_histogram,
    color_histogram,
    color_membership,
    color_share,
    describe_colors,
)

from videoseg.errors import ConfigError

TYPICAL = {
    "red": (208, 34, 40), "orange": (246, 134, 18), "yellow": (248, 214, 38),
    "green": (38, 152, 62), "blue": (34, 88, 208), "purple": (122, 48, 168),
    "pink": (246, 132, 182), "brown": (112, 66, 34), "white": (240, 240, 238),
    "black": (26, 26, 30), "grey": (134, 137, 141), "cyan": (40, 200, 210),
}  # fmt: skip


def histogram(rgb: tuple[float, float, float]) -> np.ndarray:
    frame = np.full((4, 4, 3), np.clip(rgb, 0, 255), np.uint8)
    return color_histogram(frame, np.ones((4, 4), bool))


@pytest.mark.parametrize("name", TYPICAL)
def test_a_typical_color_is_called_by_its_name_and_by_no_far_one(name: str) -> None:
    near = {
        frozenset(pair)
        for pair in (("red", "orange"), ("orange", "yellow"), ("orange", "brown"),
                     ("purple", "pink"), ("white", "grey"))
    }  # fmt: skip
    for other in TYPICAL:
        share = color_share(histogram(TYPICAL[name]), other)
        if other == name:
            assert share > 0.9
        elif frozenset((name, other)) not in near:
            assert share < 0.2, f"{name} passes for {other}"


@pytest.mark.parametrize("name", sorted(set(TYPICAL) - {"white", "black", "grey"}))
@pytest.mark.parametrize("light", [0.75, 1.2])
def test_a_color_keeps_its_name_in_other_light(name: str, light: float) -> None:
    rgb = tuple(value * light for value in TYPICAL[name])
    assert color_share(histogram(rgb), name) > 0.5


def test_memberships_are_shares() -> None:
    for name in COLOR_NAMES:
        for shade in (None, "light", "dark"):
            values = color_membership(name, shade=shade)
            assert values.min() >= 0
            assert values.max() <= 1


def test_dark_blue_and_light_blue_are_told_apart() -> None:
    dark, light = histogram((12, 24, 80)), histogram((140, 190, 245))
    assert color_share(dark, "blue", shade="dark") > 0.8
    assert color_share(dark, "blue", shade="light") < 0.1
    assert color_share(light, "blue", shade="light") > 0.8
    assert color_share(light, "blue", shade="dark") < 0.1


def test_white_patches_in_the_shade_are_white_beside_black_ones() -> None:
    shaded = histogram((8, 8, 9)) + 0.3 * histogram((105, 104, 106))
    assert color_share(shaded, "white") < 0.05
    assert color_share(brighten_histogram(shaded), "white") > 0.15
    assert color_share(brighten_histogram(shaded), "black") > 0.5


def test_an_unknown_color_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"octarine.*black"):
        color_membership("octarine")


def test_a_description_names_what_covers_most() -> None:
    assert describe_colors(histogram((208, 34, 40))).startswith("red")
    assert color_share(np.zeros(32768), "red") == 0.0
