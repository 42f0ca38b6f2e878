"""Work that one thread does a few items ahead, while another uses the results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["map_ahead"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_ahead(
    function: Callable[[_Item], _Result], items: Iterable[_Item], *, waiting: int = 2
) -> Generator[_Result, None, None]:
    """Yield the results of a function for each item, in order, computed in a thread of its own.

    NumPy, OpenCV, Pillow and PyAV release the interpreter while they work, so that the caller
    goes on meanwhile. The items are drawn in the caller's thread. The results are those of
    ``map``, whatever the threads do.

    Args:
        function: Called from the other thread, for one item after the other.
        items: Its arguments.
        waiting: How many items are drawn ahead at most; bounds what is held in memory.

    Raises:
        Exception: The error of a call, where its result would have come.

    Example:
        >>> list(map_ahead(str.upper, "abc"))
        ['A', 'B', 'C']
    """
    pending: deque[Future[_Result]] = deque()
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > waiting:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # After an error nothing that still waits is begun.
        pool.shutdown(cancel_futures=True)
