from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from videoseg_r1.rewards import (
    LocatedObject,
    answer_format,
    group_advantages,
    localization_accuracy,
    negative_distance,
    no_repetition,
    soft_length_penalty,
    think_format,
)

from videoseg.errors import ConfigError, ShapeError

DOG = LocatedObject((100, 100, 300, 260), (200, 180))
CAT = LocatedObject((500, 400, 700, 620), (600, 500))
TEXT = "<think>The dog jumps. The cat sleeps.</think>\n<answer>[]</answer>"


def item(located: LocatedObject, *, negative: bool = False) -> dict[str, list[float]]:
    parts: dict[str, list[float]] = {"bbox_2d": list(located.box)}
    if located.point is not None:
        parts["point_2d"] = list(located.point)
    if negative:
        parts["neg_point_2d"] = [310, 180]
    return parts


# -- the vectors of the method -----------------------------------------------------------


def test_a_perfect_answer_earns_seven_and_nine_with_negative_points() -> None:
    worded = think_format(TEXT) + no_repetition("The dog jumps. The cat sleeps.")
    placed = localization_accuracy([DOG], [DOG])
    assert worded + answer_format([item(DOG)]) + placed == 7
    mask = np.zeros((840, 840), bool)
    mask[100:260, 100:300] = True
    beside = negative_distance([(310, 180)], mask)
    assert worded + answer_format([item(DOG)]) + placed + beside == 8
    formed = answer_format([item(DOG, negative=True)], negatives=True)
    assert worded + formed + placed + beside == 9


def test_the_order_of_objects_does_not_matter() -> None:
    assert localization_accuracy([CAT, DOG], [DOG, CAT]) == 3


def test_one_of_two_objects_earns_half() -> None:
    assert localization_accuracy([DOG], [DOG, CAT]) == 1.5
    assert localization_accuracy([DOG, CAT], [DOG]) == 1.5


def test_a_sentence_said_three_times_earns_nothing() -> None:
    assert no_repetition("It jumps. It jumps. It jumps.") == 0
    assert no_repetition("It jumps. It jumps. It sleeps.") == 1
    assert no_repetition("A. A. B. B.") == 0


@pytest.mark.parametrize(("x", "reward"), [(20, 1), (59, 1), (60, 0), (19, 0), (5, 0), (900, 0)])
def test_a_negative_point_is_good_up_to_forty_pixels_outside(x: int, reward: float) -> None:
    mask = np.zeros((40, 200), bool)
    mask[:, :20] = True  # columns 0 to 19; column 59 is 40 away
    assert negative_distance([(x, 10)], mask) == reward


def test_of_two_negative_points_one_good_one_earns_half() -> None:
    mask = np.zeros((40, 200), bool)
    mask[:, :20] = True
    assert negative_distance([(30, 10), (10, 10)], mask) == 0.5
    assert negative_distance([], mask) == 0
    assert negative_distance([(30, 10)], np.zeros((40, 200), bool)) == 0


@pytest.mark.parametrize(
    ("tokens", "factor"), [(60, 0.90), (40, 1.0), (240, 0.0), (300, 0.0), (0, 1.0)]
)
def test_the_length_penalty(tokens: int, factor: float) -> None:
    assert soft_length_penalty(tokens, 40) == pytest.approx(factor)


@given(st.integers(0, 500), st.integers(0, 200))
def test_longer_reasoning_never_earns_more(tokens: int, budget: int) -> None:
    here, next_one = (soft_length_penalty(t, budget) for t in (tokens, tokens + 1))
    assert 0 <= next_one <= here <= 1


def test_advantages_within_a_group() -> None:
    assert group_advantages([2.0, 2.0, 2.0]).tolist() == [0, 0, 0]
    assert group_advantages([1.0, 0.0]) == pytest.approx([0.7071, -0.7071], abs=1e-4)
    assert group_advantages([5.0]).tolist() == [5.0]


# -- what is absent, and what is malformed -----------------------------------------------


def test_saying_that_nothing_is_there_is_right_where_nothing_is() -> None:
    assert localization_accuracy([], []) == 3
    assert answer_format([], none_there=True) == 2
    assert localization_accuracy([], [DOG]) == localization_accuracy([DOG], []) == 0
    assert answer_format([]) == 0


def test_a_point_must_lie_in_its_own_box() -> None:
    astray = LocatedObject(DOG.box, (305, 180))
    true = LocatedObject(DOG.box, (290, 180))
    assert localization_accuracy([astray], [true]) == 2


def test_a_near_miss_earns_by_parts() -> None:
    shifted = LocatedObject((110, 110, 310, 270), (210, 190))
    assert localization_accuracy([shifted], [DOG]) == 2  # the corners are 10 off, not less
    far = LocatedObject((400, 100, 600, 260), (500, 180))
    assert localization_accuracy([far], [DOG]) == 0


def test_malformed_parts_earn_nothing() -> None:
    items = [{"bbox_2d": [1, 2, 3], "point_2d": [4, 5]}, {"bbox_2d": [1, 2, 3, "4"]}]
    assert answer_format(items) == 0.5
    assert answer_format([{"bbox_2d": None, "point_2d": "here"}]) == 0
    assert answer_format([[1, 2, 3, 4]]) == 0  # type: ignore[list-item]
    assert answer_format([{"bbox_2d": [float("nan")] * 4, "point_2d": [1, 2]}]) == 1
    huge = LocatedObject((1, 2, 3, 10**400), (1, 10**400))
    assert localization_accuracy([huge], [DOG]) == 0


@pytest.mark.parametrize(
    "text",
    ["<answer>[]</answer>", "<think>a</think>", "x " + TEXT, TEXT + " x", TEXT.replace("<t", "<")],
)
def test_anything_beside_the_two_blocks_breaks_the_format(text: str) -> None:
    assert think_format(text) == 0


def test_impossible_input_is_refused() -> None:
    with pytest.raises(ConfigError):
        group_advantages([])
    with pytest.raises(ConfigError):
        group_advantages([float("nan")])
    with pytest.raises(ConfigError):
        soft_length_penalty(-1, 40)
    with pytest.raises(ConfigError):
        negative_distance([(1, 1)], np.zeros((4, 4), bool), tolerance=0)
    with pytest.raises(ShapeError):
        negative_distance([(1, 1)], np.zeros((1, 4, 4), bool))


@pytest.mark.parametrize("rewards", [["a"], None, [[1, 2]], [1, 10**400], ["x" * 5000]])
def test_rewards_that_are_no_numbers_are_refused_in_one_short_line(rewards: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        group_advantages(rewards)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("number", [float("nan"), float("inf"), "40", None])
def test_a_length_or_a_distance_that_is_no_number_earns_no_reward(number: Any) -> None:
    with pytest.raises(ConfigError, match="length penalty"):
        soft_length_penalty(number, 40)
    with pytest.raises(ConfigError, match="length penalty"):
        soft_length_penalty(60, 40, slope=number)
    with pytest.raises(ConfigError, match="tolerance"):
        negative_distance([(1, 1)], np.zeros((4, 4), bool), tolerance=number)


@pytest.mark.parametrize("point", [(1, "a"), (1,), None, "ab", (float("nan"), 1), (1, 10**400)])
def test_a_negative_point_that_is_none_earns_nothing(point: Any) -> None:
    mask = np.zeros((40, 200), bool)
    mask[:, :20] = True
    assert negative_distance([point, (30, 10)], mask) == 0.5


@pytest.mark.parametrize("true", [LocatedObject(None), LocatedObject((1, 2, 3, "4"))])  # type: ignore[arg-type]
def test_a_truth_without_a_box_is_refused(true: LocatedObject) -> None:
    with pytest.raises(ConfigError, match="true object"):
        localization_accuracy([DOG], [true])


def test_numbers_of_arrays_are_numbers() -> None:
    box = np.array(DOG.box, np.float32)
    one = LocatedObject(tuple(box), tuple(np.array(DOG.point)))  # type: ignore[arg-type]
    assert localization_accuracy([one], [one]) == 3
    mask = np.zeros((40, 200), bool)
    mask[:, :20] = True
    assert negative_distance([np.array([30, 10])], mask) == 1  # type: ignore[list-item]
