from __future__ import annotations

import numpy as np
import pytest
from videoseg_vlm import FAMILIES, family_of_model, family_of_type, fit_size

import videoseg as vs
from videoseg.coordinates import CoordinateSpace

FAMILY_OF = dict(zip(("qwen2-vl", "qwen2.5-vl", "qwen3-vl"), FAMILIES, strict=True))
SPACES = ("pixels_of_resized", "per_mille", "square(840)", "unit")
Y_FIRST = tuple(f"{name}_yx" for name in SPACES)


def random_sizes(count: int, *, smallest: int, largest: int) -> list[tuple[int, int]]:
    rng = np.random.default_rng(7)
    sides = np.exp(rng.uniform(np.log(smallest), np.log(largest), (count, 2))).round()
    return [(int(height), int(width)) for height, width in sides]


def seen_by(processor, size: tuple[int, int]) -> tuple[int, int]:
    image = np.zeros((*size, 3), np.uint8)
    [[_, rows, columns]] = processor(images=[image], return_tensors="pt").image_grid_thw.tolist()
    return rows * processor.patch_size, columns * processor.patch_size


def shown_by(processor, image: np.ndarray) -> np.ndarray:
    """Return the picture a processor made, (H, W), put together from its patches."""
    made = processor(images=[image], return_tensors="pt")
    [[_, rows, columns]] = made.image_grid_thw.tolist()
    merge, side = processor.merge_size, processor.patch_size
    blocks = made.pixel_values.numpy().reshape(
        rows // merge, columns // merge, merge, merge, 3, processor.temporal_patch_size, side, side
    )
    picture = blocks[..., 0, 0, :, :].transpose(0, 2, 4, 1, 3, 5)
    return picture.reshape(rows * side, columns * side)


# -- vectors of the specification ----------------------------------------------------------


def test_qwen2_5_sees_720p_at_728_by_1288_with_its_default_bounds():
    from transformers import Qwen2VLImageProcessor

    processor = Qwen2VLImageProcessor(size={"shortest_edge": 3136, "longest_edge": 1_003_520})
    seen = seen_by(processor, (720, 1280))
    assert seen == (728, 1288)
    space = family_of_type("qwen2_5_vl").coordinate_space
    point = space.to_source([100, 200], source=(720, 1280), seen=seen)
    assert point == pytest.approx([100 * 1280 / 1288, 200 * 720 / 728])


def test_qwen3_answers_in_thousandths():
    space = family_of_type("qwen3_vl").coordinate_space
    assert space.to_source([500, 500], source=(720, 1280)).tolist() == [640, 360]


def test_a_square_of_840_is_stretched_back():
    space = CoordinateSpace("square(840)")
    assert space.to_source([420, 420], source=(720, 1280)).tolist() == [640, 360]


# -- round trips ---------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILY_OF)
def test_coordinates_survive_the_way_through_what_the_processor_made(family, image_processors):
    processor, space = image_processors[family], FAMILY_OF[family].coordinate_space
    rng = np.random.default_rng(11)
    for size in random_sizes(1000, smallest=20, largest=420):
        seen = seen_by(processor, size)
        assert seen[0] % FAMILY_OF[family].size_factor == 0
        assert seen[1] % FAMILY_OF[family].size_factor == 0
        boxes = rng.uniform(0, 1, (8, 4)) * np.tile(size[::-1], 2)
        # Models write whole numbers.
        written = space.from_source(boxes, source=size, seen=seen).round()
        back = space.to_source(written, source=size, seen=seen)
        model_pixel = np.tile(size[::-1], 2) / np.tile(space.extent(seen), 2)
        assert (np.abs(back - boxes) <= 0.5 * model_pixel + 1e-9).all(), (size, seen)


@pytest.mark.parametrize("name", (*SPACES, *Y_FIRST))
def test_without_rounding_the_way_there_and_back_changes_nothing(name):
    space, rng = CoordinateSpace(name), np.random.default_rng(3)
    for size in random_sizes(1000, smallest=1, largest=8000):
        seen = (int(rng.integers(1, 100)) * 28, int(rng.integers(1, 100)) * 28)
        points = rng.uniform(-1, 2, (4, 2)) * size[::-1]
        there = space.from_source(points, source=size, seen=seen)
        assert np.allclose(space.to_source(there, source=size, seen=seen), points, rtol=1e-12)


@pytest.mark.parametrize("name", Y_FIRST)
def test_a_space_with_y_first_is_the_same_with_each_pair_turned_round(name):
    space = CoordinateSpace(name)
    assert (space.y_first, space.x_first.y_first) == (True, False)
    assert space.x_first.name == name.removesuffix("_yx")
    assert space.x_first.x_first == space.x_first
    sizes = {"source": (720, 1280), "seen": (728, 1288)}
    numbers = np.random.default_rng(2).uniform(0, 700, (5, 2, 4))
    turned = numbers[..., [1, 0, 3, 2]]
    assert np.allclose(space.to_source(turned, **sizes), space.x_first.to_source(numbers, **sizes))
    assert np.allclose(
        space.from_source(numbers, **sizes)[..., [1, 0, 3, 2]],
        space.x_first.from_source(numbers, **sizes),
    )
    assert space.extent((728, 1288)) == space.x_first.extent((728, 1288))


def test_gemini_writes_thousandths_with_y_first():
    space = CoordinateSpace("per_mille_yx")
    box = space.to_source([250, 500, 500, 750], source=(720, 1280))
    assert box.tolist() == [640, 180, 960, 360]
    assert space.from_source(box, source=(720, 1280)).tolist() == [250, 500, 500, 750]


def test_pictures_are_stretched_to_the_same_square_with_y_first():
    assert CoordinateSpace("square(840)_yx").square_side == 840


@pytest.mark.parametrize("family", FAMILY_OF)
def test_a_drawn_box_is_where_the_converter_says_in_the_picture_the_model_gets(
    family, image_processors
):
    processor, space = image_processors[family], CoordinateSpace("pixels_of_resized")
    rng = np.random.default_rng(5)
    for height, width in random_sizes(40, smallest=60, largest=500):
        x1, x2 = sorted(rng.choice(np.arange(width // 8, width - width // 8), 2, replace=False))
        y1, y2 = sorted(rng.choice(np.arange(height // 8, height - height // 8), 2, replace=False))
        x2, y2 = x2 + width // 8, y2 + height // 8
        image = np.zeros((height, width, 3), np.uint8)
        image[y1:y2, x1:x2] = 255
        picture = shown_by(processor, image)
        inside = picture > (picture.min() + picture.max()) / 2
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        expected = space.from_source([x1, y1, x2, y2], source=(height, width), seen=picture.shape)
        assert np.abs(expected - found).max() <= 1.0, (height, width)


@pytest.mark.parametrize("family", FAMILY_OF)
def test_an_image_fitted_here_is_seen_at_exactly_that_size(family, image_processors):
    processor, factor = image_processors[family], FAMILY_OF[family].size_factor
    bounds = {
        "min_pixels": processor.size["shortest_edge"],
        "max_pixels": processor.size["longest_edge"],
    }
    for size in random_sizes(1000, smallest=20, largest=4000):
        if max(size) / min(size) > 100:
            continue
        fitted = fit_size(size, factor=factor, **bounds)
        patches = processor.get_number_of_image_patches(*fitted, {})
        assert patches == fitted[0] * fitted[1] // processor.patch_size**2
        assert fitted[0] * fitted[1] <= bounds["max_pixels"]
    for size in random_sizes(30, smallest=20, largest=2000):
        fitted = fit_size(size, factor=factor, **bounds)
        assert seen_by(processor, fitted) == fitted


def test_a_fitted_image_keeps_to_its_budget_and_nearly_its_shape():
    for size in random_sizes(1000, smallest=50, largest=4000):
        if max(size) / min(size) > 8:
            continue
        height, width = fit_size(size, max_pixels=200_000, factor=28)
        assert height * width <= 200_000
        assert abs(height / width / (size[0] / size[1]) - 1) < 0.5


# -- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "pixels",
        "square",
        "square(0)",
        [
            *(
                "pixels",
                "square",
                "square(0)",
                "square(-3)",
                "",
                "1000",
                "_yx",
                "yx",
                "unit_yx_yx",
            ),
            *("per_mille_xy", "square(0)_yx", f"square({'9' * 5000})", None, 840),
        ],
        "",
        "1000",
        "_yx",
        "yx",
        "unit_yx_yx",
        "per_mille_xy",
        "square(0)_yx",
        f"square({'9' * 5000})",
        None,
        840,
    ],
)
def test_an_unknown_space_is_refused_with_the_known_ones(name):
    with pytest.raises(vs.ConfigError, match="pixels_of_resized, per_mille, square"):
        CoordinateSpace(name)


def test_the_refusal_of_a_space_names_the_suffix_and_is_short():
    with pytest.raises(vs.ConfigError, match="per_mille_yx") as caught:
        CoordinateSpace("x" * 10_000)
    assert len(str(caught.value)) < 400


def test_pixels_of_the_resized_image_need_its_size():
    with pytest.raises(vs.ConfigError, match="image_sizes"):
        CoordinateSpace("pixels_of_resized").to_source([1, 2], source=(10, 10))


@pytest.mark.parametrize("numbers", [3.0, [1, 2, 3], [[1], [2]]])
def test_numbers_that_are_no_points_or_boxes_are_refused(numbers):
    with pytest.raises(vs.ConfigError, match="shape"):
        CoordinateSpace("unit").to_source(numbers, source=(10, 10))


def test_an_image_that_is_all_length_is_refused():
    with pytest.raises(vs.ConfigError, match="crop"):
        fit_size((3, 900), max_pixels=1000)


# -- families ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Qwen/Qwen2-VL-7B-Instruct", "Qwen2-VL"),
        ("Qwen/Qwen2.5-VL-72B-Instruct-AWQ", "Qwen2.5-VL"),
        ("qwen3-vl:8b", "Qwen3-VL"),
        ("qwen_2_5_vl", "Qwen2.5-VL"),
    ],
)
def test_a_family_is_known_by_the_model_s_name(name, family):
    assert family_of_model(name).name == family


@pytest.mark.parametrize("name", ["gpt-4o", "Qwen/Qwen2.5-7B-Instruct", "llava", ""])
def test_no_family_is_made_up(name):
    assert family_of_model(name) is None
    assert family_of_type("llava") is None
