"""Random numbers of a run: each use of its seed has its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["mix_seed", "random_numbers"]


def mix_seed(seed: int, number: int) -> int:
    """Return a seed for one of many uses of a seed."""
    return int(np.random.SeedSequence([seed % 2**64, number]).generate_state(1, np.uint64)[0])


@contextmanager
def random_numbers(seed: int, number: int) -> Iterator[None]:
    """Draw from torch's random numbers of one use of a seed alone, such as for dropout."""
    with torch.random.fork_rng():
        torch.manual_seed(mix_seed(seed, number) % 2**63)
        yield
