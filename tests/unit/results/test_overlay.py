from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from videoseg.errors import ConfigError, ShapeError
from videoseg.masks import object_color
from videoseg.results import draw_masks, draw_prompts
from videoseg.results.overlay import draw_tag
from videoseg.types import Box, Embedding, Point, Prompt, Rle

SIZE = (120, 160)


def _flat(level):
    return np.full((*SIZE, 3), level, np.uint8)


def _disc(y, x, radius):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 130), st.integers(1, 130)).flatmap(
        lambda size: st.tuples(
            hnp.arrays(np.uint8, (*size, 3), elements=st.integers(0, 255), fill=st.just(9)),
            st.dictionaries(
                st.integers(1, 300), hnp.arrays(np.bool_, size, fill=st.just(False)), max_size=3
            ),
        )
    )
)
def test_any_masks_can_be_drawn_on_frames_of_any_size(drawing):
    frame, masks = drawing
    before = frame.copy()
    drawn = draw_masks(frame, masks)
    assert drawn.shape == frame.shape and drawn.dtype == np.uint8
    assert np.array_equal(frame, before)
    if not any(mask.any() for mask in masks.values()):
        assert np.array_equal(drawn, frame)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("object_id", range(1, 13))
def test_the_outline_stands_out_on_any_background(level, object_id):
    mask = _disc(60, 80, 30)
    drawn = draw_masks(_flat(level), {object_id: mask}, opacity=0.0, tags=False).astype(int)
    # Some line of the outline, colored or halo, is clearly lighter or darker than the frame.
    contrast = np.abs(drawn.mean(axis=2) - level).max()
    assert contrast > 60


def test_the_fill_lets_the_picture_shine_through_in_the_objects_color():
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    mask = _disc(60, 80, 30)
    drawn = draw_masks(frame, {2: mask}, opacity=0.5, tags=False)
    inner = _disc(60, 80, 24)
    expected = np.rint(frame[inner] * 0.5 + np.array(object_color(2)) * 0.5)
    assert np.abs(drawn[inner] - expected).max() <= 1
    outside = ~_disc(60, 80, 34)
    assert np.array_equal(drawn[outside], frame[outside])


def test_a_small_object_in_front_of_a_large_one_stays_visible():
    drawn = draw_masks(_flat(0), {1: _disc(60, 80, 10), 2: _disc(60, 80, 40)}, tags=False)
    alone = draw_masks(_flat(0), {1: _disc(60, 80, 10)}, opacity=0.4, tags=False)
    assert drawn[60, 80, 0] >= alone[60, 80, 0]
    assert tuple(drawn[60, 115]) != tuple(drawn[60, 80])


def test_tags_carry_the_objects_color_and_do_not_cover_one_another():
    masks = {1: _disc(70, 60, 20), 2: _disc(70, 70, 20), 3: _disc(70, 80, 20)}
    with_tags = draw_masks(_flat(90), masks, labels={1: "cat", 2: "dog", 3: "cow"})
    without = draw_masks(_flat(90), masks, tags=False)
    for object_id in masks:
        of_color = (with_tags == object_color(object_id)).all(axis=2)
        before = (without == object_color(object_id)).all(axis=2)
        assert (of_color & ~before).sum() > 100, object_id


def test_objects_that_share_a_label_are_told_apart_by_number():
    masks = {1: _disc(70, 40, 20), 2: _disc(70, 120, 20)}
    shared = draw_masks(_flat(90), masks, labels={1: "moving thing", 2: " moving thing"})
    assert np.array_equal(shared, draw_masks(_flat(90), masks))
    prompts = [Prompt(key, 0, box=Box(10, 40, 60, 80), label="moving thing") for key in masks]
    numbered = [replace(prompt, label="") for prompt in prompts]
    frame = _flat(90)
    assert np.array_equal(draw_prompts(frame, prompts), draw_prompts(frame, numbered))


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=60),
    st.integers(-50, 250),
    st.integers(-50, 250),
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 80)), max_size=5),
)
def test_a_tag_lies_inside_the_frame_whatever_it_says(text, x, y, others):
    drawn = _flat(0)
    avoid = [(left, top, left + 40, top + 15) for left, top in others]
    area = draw_tag(drawn, text, (x, y), (200, 200, 0), 7, avoid=avoid)
    assert 0 <= area[0] < area[2] <= SIZE[1] and 0 <= area[1] < area[3] <= SIZE[0]
    outside = np.ones(SIZE, bool)
    outside[area[1] : area[3], area[0] : area[2]] = False
    assert not drawn[outside].any()


def test_letters_the_font_lacks_become_the_objects_number():
    one, other = _flat(0), _flat(0)
    draw_tag(one, "犬", (80, 60), (200, 200, 0), 7)
    draw_tag(other, "object 7", (80, 60), (200, 200, 0), 7)
    assert np.array_equal(one, other)


def test_prompts_are_drawn_where_they_are():
    prompt = Prompt(
        object_id=1,
        frame=0,
        box=Box(20, 30, 100, 90),
        points=(Point(60.5, 60.5),),
        negative_points=(Point(140.5, 20.5),),
    )
    frame = _flat(120)
    drawn = draw_prompts(frame, [prompt], tags=False)
    changed = (drawn != frame).any(axis=2)
    assert tuple(drawn[60, 20]) == object_color(1) == tuple(drawn[60, 99])
    assert tuple(drawn[30, 60]) == object_color(1) == tuple(drawn[89, 60])
    assert changed[60, 60] and changed[20, 140]
    assert not changed[50:55, 40:50].any()
    # The positive point is in the object's color, the negative one is not.
    positive, negative = drawn[52:70, 52:70], drawn[12:30, 132:150]
    assert (positive == object_color(1)).all(axis=2).any()
    assert not (negative == object_color(1)).all(axis=2).any()


def test_prompts_of_every_kind_and_beyond_the_frame_can_be_drawn():
    prompts = [
        Prompt(object_id=1, frame=0, points=(Point(-500.0, 9e300),)),
        Prompt(object_id=2, frame=0, box=Box(-1e300, -1e4, 1e30, 1e4)),
        Prompt(object_id=3, frame=0, mask=Rle.empty(SIZE), label="empty"),
        Prompt(object_id=4, frame=0, mask=Rle.encode(_disc(50, 50, 9)), label="disc"),
        Prompt(object_id=5, frame=0, embedding=Embedding("m", (1.0,))),
    ]
    assert draw_prompts(_flat(3), prompts).shape == (*SIZE, 3)


def test_wrong_shapes_and_opacities_are_refused():
    with pytest.raises(ShapeError, match="object 4"):
        draw_masks(_flat(0), {4: np.zeros((3, 3), bool)})
    with pytest.raises(ShapeError, match="a frame"):
        draw_masks(np.zeros(SIZE, np.uint8), {})
    with pytest.raises(ShapeError, match="object 9"):
        draw_prompts(_flat(0), [Prompt(object_id=9, frame=0, mask=Rle.empty((4, 4)))])
    with pytest.raises(ConfigError, match="opacity"):
        draw_masks(_flat(0), {}, opacity=1.5)


@pytest.mark.parametrize("high", [np.uint8(1), np.uint8(255), np.float32(1)])
def test_masks_of_numbers_are_drawn_as_those_of_bool(high):
    frame = np.full((40, 50, 3), 90, np.uint8)
    mask = np.zeros((40, 50), bool)
    mask[8:20, 8:30] = True
    assert np.array_equal(draw_masks(frame, {1: mask * high}), draw_masks(frame, {1: mask}))


def test_logits_are_not_drawn():
    frame = np.full((40, 50, 3), 90, np.uint8)
    with pytest.raises(ConfigError, match="the mask of object 2 holds values from -3 to 4"):
        draw_masks(frame, {2: np.linspace(-3, 4, 2000).reshape(40, 50)})


@pytest.mark.parametrize("kind", [int, float, np.uint8, np.int64])
def test_ids_of_any_kind_of_number_are_drawn_alike(kind):
    frame = np.full((40, 50, 3), 90, np.uint8)
    mask = np.zeros((40, 50), bool)
    mask[8:20, 8:30] = True
    drawn = draw_masks(frame, {kind(3): mask, kind(200): ~mask})
    assert np.array_equal(drawn, draw_masks(frame, {3: mask, 200: ~mask}))


@pytest.mark.parametrize(
    "masks", [{"3": np.ones((4, 4))}, {3.5: np.ones((4, 4))}, [np.ones((4, 4))]]
)
def test_masks_without_ids_are_not_drawn(masks):
    with pytest.raises(ConfigError, match=r"object_id must be a whole|must be a mapping"):
        draw_masks(np.zeros((4, 4, 3), np.uint8), masks)
