"""What a component's options look like to those who choose among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Optional, Protocol, TypeAlias

import numpy as np
import pytest
from annotated_types import Ge, Interval, Le, Len, MaxLen, MinLen, MultipleOf
from pydantic import AfterValidator, Field

import videoseg as vs
from videoseg.plugins.options import (
    Option,
    PositiveInt,
    check_options,
    checked_options,
    convert_option,
    list_options,
)

Order: TypeAlias = Literal["first", "last"]
Budget: TypeAlias = Literal["none", "difficulty"] | int


class Sorter:
    def __init__(
        self,
        *,
        order: Order = "first",
        other: Optional[Order] = None,  # noqa: UP045 - people write it
        newer: Order | None = None,
        budget: Budget = "none",
        path: str | None = None,
        sides: tuple[int, int],
    ) -> None: ...


def test_the_values_an_option_allows_are_listed_where_they_are_few() -> None:
    listed = {name: option[:2] for name, option in list_options(Sorter).items()}
    assert listed == {
        "order": ("'first' | 'last'", "'first'"),
        "other": ("'first' | 'last' | None", "None"),
        "newer": ("'first' | 'last' | None", "None"),
        "budget": ("'none' | 'difficulty' | int", "'none'"),
        "path": ("str | None", "None"),
        "sides": ("tuple[int, int]", "required"),
    }


def test_annotations_for_the_type_checker_alone_are_shown_as_written() -> None:
    def build(*, order: OnlyForTheTypeChecker = "x") -> None:  # noqa: F821
        del order

    assert list_options(build) == {"order": Option("OnlyForTheTypeChecker", "'x'")}


class Painter(Protocol):
    def paint(self) -> None: ...


def test_options_that_yaml_cannot_write_are_known() -> None:
    class Wall:
        def __init__(
            self,
            *,
            painter: Painter | None = None,
            mix: Callable[[int], str] | None = None,
            array: np.ndarray | None = None,
            path: str | np.ndarray = "",
            level: int | None = None,
            anything: object = None,
            unknown=None,
        ) -> None: ...

    Wall.__init__.__annotations__["painter"] = Painter | None
    python_only = {name for name, one in list_options(Wall).items() if one.is_python_only}
    assert python_only == {"painter", "mix", "array"}


def test_an_option_of_a_type_that_cannot_be_checked_is_taken_as_it_is() -> None:
    class Wall:
        def __init__(self, *, painter: Painter | None = None) -> None: ...

    Wall.__init__.__annotations__["painter"] = Painter | None
    painter = object()
    for given in (painter, None):
        assert check_options("wall", Wall, {"painter": given}, ()) == ({"painter": given}, [])


def test_a_none_that_came_as_a_word_is_met_with_null() -> None:
    class Flow:
        def __init__(self, *, scale: float | None = None, lookahead: int = 5) -> None: ...

    _, problems = check_options("flow", Flow, {"scale": "None", "lookahead": "None"}, ())
    assert [problem.endswith("; write null for none") for problem in problems] == [True, False]


def test_numbers_of_numpy_count_as_numbers_of_python() -> None:
    class Every:
        def __init__(self, *, step: int = 1, share: float = 0.5) -> None: ...

    converted, problems = check_options(
        "every", Every, {"step": np.int64(3), "share": np.float32(0.25)}, ()
    )
    assert (converted, problems) == ({"step": 3, "share": 0.25}, [])
    _, problems = check_options("every", Every, {"step": np.True_, "share": np.float32("nan")}, ())
    assert [problem.rpartition(" must be ")[2] for problem in problems] == [
        "a whole number, got True",
        "a finite number, got nan",
    ]


def test_what_options_mean_is_read_from_the_docstring() -> None:
    def build(*, step: int, last: bool) -> None:
        """Build something.

        Args:
            step: Distance between frames; a longer text: with a colon,
                and a second line.
            last: Whether to keep the last.

        Raises:
            ConfigError: If step is not positive.
        """
        del step, last

    assert {name: option.meaning for name, option in list_options(build).items()} == {
        "step": "Distance between frames; a longer text: with a colon, and a second line.",
        "last": "Whether to keep the last.",
    }
    assert list_options(len) == {}


class Bounded:
    @checked_options("sampler 'bounded'")
    def __init__(
        self,
        first: int = 1,
        *,
        step: PositiveInt = 1,
        share: Annotated[float, Interval(gt=0, lt=1)] = 0.5,
        lookahead: Annotated[int, Interval(ge=0, le=6_400)] | None = None,
        factor: Annotated[float, Le(0.25)] = 0,
        frames: Annotated[Sequence[int], MinLen(1)] = (0,),
        order: Order = "first",
        size: tuple[int, int] = (1, 1),
        even: Annotated[int, MultipleOf(2)] = 2,
    ) -> None:
        self.given = (first, step, share, lookahead, factor, tuple(frames), order, size, even)


@pytest.mark.parametrize(
    ("options", "requirement"),
    [
        ({"step": 0}, "a whole number >= 1, got 0"),
        ({"step": "few"}, "a whole number >= 1, got 'few'"),
        ({"step": True}, "a whole number >= 1, got True"),
        ({"step": np.float32("nan")}, "a finite number, got nan"),
        ({"share": 1}, "a number > 0 and < 1, got 1"),
        ({"lookahead": 6_401}, "a whole number from 0 to 6,400 or None, got 6401"),
        ({"lookahead": "None"}, "a whole number from 0 to 6,400 or None, got 'None'; write null"),
        ({"factor": 1}, "a number <= 0.25, got 1"),
        ({"frames": []}, "a list of whole numbers, with at least 1 item, got []"),
        ({"frames": ["a"]}, "a list of whole numbers, with at least 1 item, got ['a']"),
        ({"order": "third"}, "'first' or 'last', got 'third'"),
        ({"size": (1, 2, 3)}, "a list of 2 whole numbers, got (1, 2, 3)"),
        ({"even": 3}, "a whole number divisible by 2, got 3"),
    ],
)
def test_a_constructor_and_the_registry_refuse_alike(options, requirement) -> None:
    [name] = options
    with pytest.raises(vs.ConfigError) as caught:
        Bounded(**options)
    expected = f"option {name!r} of sampler 'bounded' must be {requirement}"
    assert str(caught.value).startswith(expected)
    _, problems = check_options("sampler 'bounded'", Bounded, options, ())
    assert problems == [str(caught.value)]


def test_a_checked_constructor_converts_and_stays_what_it_was() -> None:
    made = Bounded(
        "3", step=np.int64(2), share="0.25", lookahead=None, frames=(4, "5"), order="last"
    )
    assert made.given == (3, 2, 0.25, None, 0, (4, 5), "last", (1, 1), 2)
    assert list(list_options(Bounded))[:2] == ["first", "step"]
    with pytest.raises(TypeError, match=r"__init__\(\) got an unexpected keyword argument 'stop'"):
        Bounded(stop=3)
    with pytest.raises(vs.ConfigError) as caught:
        Bounded(size="ab", step=-1)
    assert [problem.split()[1] for problem in caught.value.problems] == ["'step'", "'size'"]


def test_bounds_are_listed_with_the_type() -> None:
    types = {name: option.type for name, option in list_options(Bounded).items()}
    assert types["step"] == "int >= 1"
    assert types["share"] == "float > 0 and < 1"
    assert types["lookahead"] == "int from 0 to 6,400 | None"
    assert types["frames"] == "Sequence[int] with at least 1 item"
    assert types["even"] == "int divisible by 2"


def _be_odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("even numbers have no middle")
    return value


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (list[PositiveInt], [0], "must be a list of whole numbers >= 1, got [0]"),
        (tuple[PositiveInt, PositiveInt], (0, 1), "must be a list of 2 whole numbers >= 1, got"),
        (tuple[int, str], (1,), "must be a list of 2 items: a whole number, text, got (1,)"),
        (list[PositiveInt | None], ["a"], "must be a list of whole numbers >= 1 or None, got"),
        (list[tuple[int, int]], [1], "must be a list of lists of 2 whole numbers, got [1]"),
        (list[Order], ["x"], "must be a list of 'first' or 'last', got ['x']"),
        (
            dict[str, PositiveInt],
            {"a": 0},
            "must be a mapping of names to whole numbers >= 1, got",
        ),
        (dict[str, object], 3, "must be a mapping, got 3"),
        (PositiveInt | list[PositiveInt], 0, "must be a whole number >= 1 or a list of whole num"),
        (Annotated[int, Ge(2)] | None, 1, "must be a whole number >= 2 or None, got 1"),
        (Annotated[int | None, Ge(2)], 1, "must be a whole number >= 2 or None, got 1"),
        (
            Annotated[float, Interval(gt=0, le=1)] | None,
            2,
            "must be a number > 0 and <= 1, or None, got 2",
        ),
        (
            Annotated[list[PositiveInt], Len(2, 4)],
            [1],
            "must be a list of whole numbers >= 1, with 2 to 4 items, got [1]",
        ),
        (Annotated[str, Len(2, 2)], "abc", "must be text with 2 characters, got 'abc'"),
        (Annotated[str, MaxLen(1)], "ab", "must be text with at most 1 character, got 'ab'"),
        (Annotated[str, Field(pattern="a+")], "b", "must match pattern 'a+', got 'b'"),
        (
            Annotated[int, AfterValidator(_be_odd)],
            2,
            "is refused: even numbers have no middle, got",
        ),
    ],
)
def test_nested_bounds_are_worded_as_those_of_a_single_number(hint, value, message) -> None:
    assert convert_option(value, hint)[1].startswith(message)


def test_nested_bounds_are_listed_with_the_type() -> None:
    # Python 3.10 adds None to the type of what is None by default.
    def build(*, size=(), crops=None, weights=()) -> None:
        del size, crops, weights

    build.__annotations__ |= {
        "size": tuple[PositiveInt, PositiveInt],
        "crops": list[tuple[PositiveInt, ...]] | None,
        "weights": dict[str, Annotated[float, Interval(ge=0, lt=1)]],
    }
    assert [option.type for option in list_options(build).values()] == [
        "tuple[int >= 1, int >= 1]",
        "list[tuple[int >= 1, ...]] | None",
        "dict[str, float >= 0 and < 1]",
    ]


def test_bounds_of_pydantic_fields_count_as_those_of_annotated_types() -> None:
    class Fields:
        @checked_options("sampler 'fields'")
        def __init__(self, *, step: int = 1) -> None: ...

    Fields.__init__.__wrapped__.__annotations__["step"] = Annotated[int, Field(ge=1, le=9)]
    with pytest.raises(vs.ConfigError, match="must be a whole number from 1 to 9, got 10"):
        Fields(step=10)
