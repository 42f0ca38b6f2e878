"""What a component's options look like to those who choose among them."""

from __future__ import annotations

from typing import Literal, Optional, Protocol, TypeAlias

import numpy as np

from videoseg.plugins.options import check_options, option_facts, option_meanings

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
    assert option_facts(Sorter) == {
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

    assert option_facts(build) == {"order": ("OnlyForTheTypeChecker", "'x'")}


class Painter(Protocol):
    def paint(self) -> None: ...


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
    assert [problem.rpartition("Input should be ")[2] for problem in problems] == [
        "a number, got True",
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

    assert option_meanings(build) == {
        "step": "Distance between frames; a longer text: with a colon, and a second line.",
        "last": "Whether to keep the last.",
    }
    assert option_meanings(len) == {}
