"""Times two implementations of a propagator in turn, frame by frame. For other scripts.

Whatever else the machine does then disturbs both alike.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch

__all__ = ["PLACES", "Steps", "race"]

PLACES = ((0.2, 0.3, 0.7, 0.6), (0.5, 0.6, 0.9, 0.9), (0.1, 0.05, 0.4, 0.25))
"""Boxes that are given as masks on the first frame, as shares of height and width."""


class Steps(Protocol):
    """One implementation on one video."""

    def step(
        self, image: torch.Tensor, given: Mapping[int, torch.Tensor], *, last: bool = False
    ) -> torch.Tensor:
        """Return probabilities, (1 + N, H, W)."""


def race(
    both: Mapping[str, Steps],
    images: Sequence[torch.Tensor],
    given: Mapping[int, torch.Tensor],
    *,
    skip: int,
) -> None:
    """Print how long each takes, and the ratio of the first to the second.

    The ratio of times is taken frame by frame and its median is given besides that of the totals.

    Args:
        both: Two implementations by name; the second is the one that should be faster.
        images: The frames.
        given: Masks on the first frame.
        skip: First frames that do not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in both}
    processor: dict[str, list[float]] = {name: [] for name in both}
    for index, image in enumerate(images):
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
