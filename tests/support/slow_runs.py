"""COCO's compressed runs, read the slow and obvious way."""

from __future__ import annotations

import numpy as np


def slow_runs(text: str) -> list[int] | None:
    """Return the runs, or None if the text is malformed or a run is impossible."""
    runs: list[int] = []
    value = place = 0
    for letter in text:
        digit = ord(letter) - 48
        if not 0 <= digit < 64 or place == 7:
            return None
        value |= (digit & 31) << (5 * place)
        place += 1
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << (5 * place)
        if len(runs) > 2:
            value += runs[-2]
        if not 0 <= value <= 2**28:
            return None
        runs.append(value)
        value = place = 0
    return runs if runs and place == 0 else None


def slow_mask(text: str, size: tuple[int, int]) -> np.ndarray | None:
    """Return the mask, or None if the text is not that of a mask of this size."""
    runs = slow_runs(text)
    if runs is None or sum(runs) != size[0] * size[1]:
        return None
    pixels: list[bool] = []
    for place, run in enumerate(runs):
        pixels += [place % 2 == 1] * run
    return np.array(pixels).reshape(size[1], size[0]).T


def write_slowly(runs: list[int], *, padding: int = 0) -> str:
    """Return the compressed text; ``padding`` digits that say nothing follow each number."""
    text = ""
    for place, run in enumerate(runs):
        value = run - runs[place - 2] if place > 2 else run
        digits = []
        while True:
            digits.append(value & 31)
            value >>= 5
            if value == (-1 if digits[-1] & 16 else 0):
                break
        digits += [31 if digits[-1] & 16 else 0] * padding
        text += "".join(chr(48 + digit + 32) for digit in digits[:-1]) + chr(48 + digits[-1])
    return text
