"""Work on frames in a few threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from videoseg_attributes.regions.threads import do_both, map_in_threads


def test_results_keep_the_order_of_the_items() -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return item * item

    assert map_in_threads(slow_first, range(20)) == [item * item for item in range(20)]


def test_items_are_drawn_a_few_at_a_time() -> None:
    drawn: list[int] = []
    ahead: list[int] = []

    def items() -> Iterator[int]:
        for item in range(200):
            drawn.append(item)
            yield item

    def work(item: int) -> None:
        time.sleep(0.001)
        ahead.append(len(drawn) - item)

    map_in_threads(work, items())
    assert max(ahead) < 40


def test_the_first_error_is_raised() -> None:
    def fail(item: int) -> int:
        if item in (3, 5):
            raise ValueError(f"item {item}")
        return item

    with pytest.raises(ValueError, match="item 3"):
        map_in_threads(fail, range(8))


def test_nothing_to_do_gives_nothing() -> None:
    assert map_in_threads(str, []) == []


def test_both_are_done_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videoseg_attributes.regions.threads._num_cores", lambda: 2)
    meeting = threading.Barrier(2, timeout=20)

    def meet(name: str) -> str:
        meeting.wait()
        return name

    assert do_both(lambda: meet("first"), lambda: meet("second")) == ("first", "second")


@pytest.mark.parametrize("cores", [1, 2])
def test_the_error_of_either_is_raised(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videoseg_attributes.regions.threads._num_cores", lambda: cores)

    def fail() -> None:
        raise ValueError("failed")

    for given in ((fail, int), (int, fail)):
        with pytest.raises(ValueError, match="failed"):
            do_both(*given)
    assert do_both(int, str) == (0, "")
