from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterator

import numpy as np
import pytest

from videoseg._ahead import map_ahead
from videoseg.video.arrays import is_pillow_image


def test_results_come_in_order_from_another_thread() -> None:
    threads = set()

    def square(number: int) -> int:
        threads.add(threading.get_ident())
        return number * number

    assert list(map_ahead(square, range(20))) == [number * number for number in range(20)]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("waiting", [0, 1, 3])
def test_no_more_than_the_bound_is_drawn_ahead(waiting: int) -> None:
    drawn: list[int] = []

    def source() -> Iterator[int]:
        for number in range(10):
            drawn.append(number)
            yield number

    for result in map_ahead(lambda number: number, source(), waiting=waiting):
        assert len(drawn) <= result + 1 + waiting


def test_an_error_comes_where_its_result_would_have_come() -> None:
    results = map_ahead(lambda number: 6 // number, [3, 2, 0, 1])
    assert next(results) == 2
    assert next(results) == 3
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_what_is_left_is_not_begun_after_closing() -> None:
    begun: list[int] = []
    may_go_on = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number == 1:
            may_go_on.wait(5)
        return number

    results = map_ahead(work, range(10), waiting=3)
    assert next(results) == 0
    may_go_on.set()
    results.close()
    assert len(begun) <= 5


def test_a_picture_is_recognized_while_another_thread_loads_pillow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", types.ModuleType("PIL.Image"))
    assert not is_pillow_image(np.zeros((2, 2, 3), np.uint8))
