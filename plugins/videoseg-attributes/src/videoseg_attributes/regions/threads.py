"""Work on the frames of a survey in a few threads: OpenCV and NumPy let go of the interpreter."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["map_in_threads"]

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
    available = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    workers = min(_MOST_THREADS, available)
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
