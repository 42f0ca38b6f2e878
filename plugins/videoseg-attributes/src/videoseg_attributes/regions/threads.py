"""Work on the frames of a survey in a few threads: OpenCV and NumPy let go of the interpreter."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["do_both", "map_in_threads"]

_First = TypeVar("_First")
_Second = TypeVar("_Second")
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_MOST_THREADS = 4  # beyond, the small array operations between OpenCV's calls wait for each other
_WAITING = 3  # items for each thread that wait at most


def map_in_threads(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Return the results of a function for each item, in order.

    The items are drawn a few at a time, so they may be frames that are decoded meanwhile.

    Args:
        function: Called from several threads; must depend on its argument only.
        items: The arguments.

    Raises:
        Exception: The first error of a call, in the order of the items.
    """
    workers = min(_MOST_THREADS, _num_cores())
    if workers < 2:
        return [function(item) for item in items]
    results: list[_Result] = []
    pending: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="survey") as pool:
        for item in items:
            if len(pending) >= _WAITING * workers:
                results.append(pending.popleft().result())
            pending.append(pool.submit(function, item))
        results += [future.result() for future in pending]
    return results


def do_both(first: Callable[[], _First], second: Callable[[], _Second]) -> tuple[_First, _Second]:
    """Return the results of two functions, the second of which a thread calls meanwhile.

    Args:
        first: Called here.
        second: Called from another thread where there is a core for it; must not depend on what
            the first changes.

    Raises:
        Exception: The error of the first, or else of the second.
    """
    if _num_cores() < 2:
        return first(), second()
    with ThreadPoolExecutor(1, thread_name_prefix="survey") as pool:
        meanwhile = pool.submit(second)
        return first(), meanwhile.result()


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
