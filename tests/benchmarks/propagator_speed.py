"""Times two implementations of a propagator in turn, frame by frame. For other scripts.

Whatever else the machine does then disturbs both alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch

__all__ = ["PLACES", "Parts", "Steps", "race"]

PLACES = ((0.2, 0.3, 0.7, 0.6), (0.5, 0.6, 0.9, 0.9), (0.1, 0.05, 0.4, 0.25))
"""Boxes that are given as masks on the first frame, as shares of height and width."""


Parts = Mapping[str, Sequence[tuple[Any, str]]]
"""Parts of an implementation by name: the methods, and whose they are."""


class Steps(Protocol):
    """One implementation on one video."""

    @property
    def parts(self) -> Parts:
        """Its parts, by names that both implementations share."""

    def step(
        self, image: torch.Tensor, given: Mapping[int, torch.Tensor], *, last: bool = False
    ) -> torch.Tensor:
        """Return probabilities, (1 + N, H, W)."""


class _Stopwatch:
    """Processor time of parts, without that of other parts within them."""

    def __init__(self, parts: Parts) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(parts, 0.0)
        self._inside = [0.0]
        for part, methods in parts.items():
            for owner, method in methods:
                setattr(owner, method, self._timed(part, getattr(owner, method)))

    def _timed(self, part: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            self._inside.append(0.0)
            start = time.process_time()
            found = method(*args, **options)
            spent = time.process_time() - start
            self.seconds[part] += spent - self._inside.pop()
            self._inside[-1] += spent
            return found

        return timed

    def restart(self) -> None:
        """Forget what has been measured."""
        self.seconds = dict.fromkeys(self.seconds, 0.0)


def race(
    both: Mapping[str, Steps],
    images: Sequence[torch.Tensor],
    given: Mapping[int, torch.Tensor],
    *,
    skip: int,
    after_first: Callable[[], None] = lambda: None,
) -> None:
    """Print how long each takes and for what, and the ratio of the first to the second.

    The ratio of times is taken frame by frame and its median is given besides that of the totals.

    Args:
        both: Two implementations by name; the second is the one that should be faster.
        images: The frames.
        given: Masks on the first frame.
        skip: First frames that do not count.
        after_first: Called after the first frame.
    """
    watches = {name: _Stopwatch(one.parts) for name, one in both.items()}
    seconds: dict[str, list[float]] = {name: [] for name in both}
    processor: dict[str, list[float]] = {name: [] for name in both}
    for index, image in enumerate(images):
        if index == 1:
            after_first()
        if index == skip:
            for watch in watches.values():
                watch.restart()
        for name, one in both.items():
            start, busy = time.perf_counter(), time.process_time()
            one.step(image, given if index == 0 else {})
            seconds[name].append(time.perf_counter() - start)
            processor[name].append(time.process_time() - busy)
    counted = {name: np.array(times[skip:]) for name, times in seconds.items()}
    spent = {name: np.mean(times[skip:]) for name, times in processor.items()}
    print("| implementation | frames/s | median s/frame | slowest s/frame | processor s/frame |")
    print("|---|---|---|---|---|")
    for name, times in counted.items():
        print(
            f"| {name} | {len(times) / times.sum():.2f} | {np.median(times):.2f} "
            f"| {times.max():.2f} | {spent[name]:.2f} |"
        )
    slow, fast = counted
    print(
        f"\n{counted[slow].sum() / counted[fast].sum():.2f}x in total, "
        f"{np.median(counted[slow] / counted[fast]):.2f}x on the median frame, "
        f"{spent[slow] / spent[fast]:.2f}x in processor time"
    )
    count = len(images) - skip
    print(f"\n| processor s/frame | {' | '.join(both)} |\n|{'---|' * (len(both) + 1)}")
    for part in watches[slow].seconds:
        shares = [watch.seconds[part] / count for watch in watches.values()]
        print(f"| {part} | {' | '.join(f'{share:.3f}' for share in shares)} |")
    rest = [spent[name] - sum(watches[name].seconds.values()) / count for name in both]
    print(f"| rest | {' | '.join(f'{share:.3f}' for share in rest)} |")
