"""Run-length encodings."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

from inputs.common import ODD_VALUES, Inputs
from videoseg.types import Rle


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    pairs: list[tuple[Any, Any]] = [((9, 7), value) for value in ODD_VALUES]
    pairs += [(value, "o1") for value in ODD_VALUES]
    pairs += [
        ((0, 5), "1"),
        ((5, 0), "1"),
        ((-1, 5), "1"),
        ((10**6, 10**6), "1"),
        ((96, 160), "1"),
    ]
    mask = np.zeros((40, 50), bool)
    mask[5:20, 7:30] = True
    whole = Rle.encode(mask).counts
    for _ in range(40):
        letters = list(whole)
        for _ in range(rng.randrange(1, 5)):
            letters[rng.randrange(len(letters))] = chr(rng.randrange(33, 127))
        pairs.append(((40, 50), "".join(letters)))
    for _ in range(30):
        counts = "".join(chr(rng.randrange(48, 112)) for _ in range(rng.randrange(0, 80)))
        pairs.append(((40, 50), counts))
    for number, (size, counts) in enumerate(pairs):
        yield str(number), lambda place, size=size, counts=counts: _use(size, counts)


def _use(size: Any, counts: Any) -> str:
    rle = Rle(size, counts)
    decoded = rle.decode()
    if set(np.unique(decoded.view(np.uint8))) - {0, 1}:
        return "bad\nthe mask holds what was in memory before"
    if rle.area != int(decoded.sum()):
        return "bad\nthe area is not that of the mask"
    _ = rle.box
    return "taken\n"
