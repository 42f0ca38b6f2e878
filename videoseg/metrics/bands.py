"""Masks packed eight pixels to a byte, for fast comparison of boundaries.

A mask is cut into eight bands of rows, and pixel (y, x) becomes bit ``y // rows`` of the byte
at ``(y % rows, x)``, where ``rows`` is the height of a band. The neighbor of every pixel on any
side is then in the same array shifted by some bytes, except across the seams of the bands, where
it is the neighboring bit. Boundaries can so be compared with a few operations on an eighth of the
bytes, without carries between words and without convolutions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from videoseg.types import BoolArray, Size
from videoseg.types.runs import Changes

__all__ = ["BandLayout", "ByteArray", "count_bits"]

ByteArray: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class BandLayout:
    """Layout of packed masks of one size.

    A packed picture has shape (rows, pitch). Columns from ``width`` on and bits from ``height``
    on are padding.

    Args:
        height: Rows of the masks.
        width: Columns of the masks.
        reach: Half the width of the dilation disk in each row, from its center outwards.
    """

    height: int
    width: int
    reach: tuple[int, ...]

    @staticmethod
    def of(size: Size, radius: float) -> BandLayout:
        """Return the layout for masks of this size and a dilation disk of this radius."""
        return BandLayout(size[0], size[1], _disk_reach(radius))

    @property
    def rows(self) -> int:
        """Height of a band, with a spare row; a disk reaches at most one band further."""
        return max(self.height // 8 + 1, self.reach[0])

    @property
    def pitch(self) -> int:
        """Bytes from one row to the next; padding separates the rows."""
        return -(-(self.width + max(self.reach[0], 1)) // 8) * 8

    def pack(self, masks: Sequence[BoolArray]) -> ByteArray:
        """Pack N masks of shape (H, W); the result has shape (N, rows, pitch).

        The last row and column are repeated in the padding, so that the edge of the frame is
        not a boundary.
        """
        rows, width = self.rows, self.width
        packed = np.zeros((len(masks), rows, self.pitch), dtype=np.uint8)
        # NumPy is several times faster on a few long rows than on many short ones.
        pixels = np.empty((len(masks), self.height * width), dtype=np.uint8)
        for mask, row in zip(masks, pixels, strict=True):
            row.reshape(mask.shape)[:] = mask
        band_size = rows * width
        bands = np.zeros((len(masks), band_size), dtype=np.uint8)
        for start in range((self.height - 1) // rows * band_size, -1, -band_size):
            bands += bands
            part = pixels[:, start : start + band_size]
            bands[:, : part.shape[1]] += part
        packed[:, :, :width] = bands.reshape(len(masks), rows, width)
        band, below = divmod(self.height, rows)
        packed[:, below, :width] |= pixels[:, -width:] << np.uint8(band)
        packed[:, :, width] = packed[:, :, width - 1]
        return packed

    def pack_runs(self, masks: Sequence[Changes], *, left: int) -> ByteArray:
        """Pack N masks from their changes, without decoding them.

        Args:
            masks: Where each mask changes, in a frame of this height.
            left: The first column of the layout in the frame.
        """
        rows, pitch = self.rows, self.pitch
        packed = np.zeros((len(masks), rows, pitch), dtype=np.uint8)
        begin, end = left * self.height, (left + self.width) * self.height
        cuts = [np.searchsorted(changes, (begin, end)).tolist() for changes in masks]
        inside = [changes[cut[0] : cut[1]] for changes, cut in zip(masks, cuts, strict=True)]
        column, row = np.divmod(np.concatenate(inside) - begin, self.height)
        band, row = np.divmod(row, rows)
        picture = np.repeat(np.arange(len(masks)), [len(changes) for changes in inside])
        # No two changes share a bit, so adding them sets them.
        places = (picture * rows + row) * pitch + column
        np.add.at(packed.reshape(-1), places, _BITS[band])
        step = 1
        while step < rows:
            packed[:, step:] ^= packed[:, :-step]
            step *= 2
        set_before = np.array([cut[0] % 2 for cut in cuts], dtype=np.uint8)
        packed ^= _state_above(packed[:, -1], set_before)[:, None]
        packed[:, :, self.width] = packed[:, :, self.width - 1]
        return packed

    def boundaries(self, packed: ByteArray) -> ByteArray:
        """Return where pixels differ from their right, lower or lower-right neighbor.

        This is the boundary of the official DAVIS code; in the last row and column only
        neighbors inside the frame count.
        """
        flat = packed.reshape(-1)
        # Below the last row of a band lies the first row of the next, which is the next bit.
        below = np.empty_like(packed)
        below[:, :-1] = packed[:, 1:]
        np.right_shift(packed[:, 0], 1, out=below[:, -1])
        below = below.reshape(-1)
        found = flat ^ below
        found[:-1] |= flat[:-1] ^ flat[1:]
        found[:-1] |= flat[:-1] ^ below[1:]
        return self.cleared(found.reshape(packed.shape))

    def cleared(self, packed: ByteArray) -> ByteArray:
        """Set the padding to zero, in place."""
        packed[..., self.width :] = 0
        packed &= _bits_inside(self.height, self.rows)
        return packed

    def dilated(self, packed: ByteArray) -> ByteArray:
        """Return pictures dilated by the disk; their padding must be zero, and is lost."""
        num, rows, pitch = packed.shape
        far = self.reach[0]
        tall = rows + 2 * far
        flat = np.zeros(num * tall * pitch + 2 * far, dtype=np.uint8)
        around = flat[far : len(flat) - far].reshape(num, tall, pitch)
        around[:, far : far + rows] = packed
        # Adding is many times faster than shifting bytes to the left.
        np.add(packed[:, rows - far :], packed[:, rows - far :], out=around[:, :far])
        np.right_shift(packed[:, :far], 1, out=around[:, far + rows :])
        result = np.zeros(num * tall * pitch, dtype=np.uint8)
        middle = result[: (num * tall - 2 * far) * pitch]
        widened = dict(_widened(flat, set(self.reach)))
        for row, half_width in enumerate(self.reach):
            wide = widened[half_width]
            for shift in {far - row, far + row}:
                start = shift * pitch + far - half_width
                middle |= wide[start : start + len(middle)]
        pictures: ByteArray = result.reshape(num, tall, pitch)[:, :rows]
        return pictures


_BITS: ByteArray = np.left_shift(1, np.arange(8)).astype(np.uint8)


def _state_above(changed: ByteArray, set_before: ByteArray) -> ByteArray:
    """Return whether masks are set where each band of each column begins, shape (N, pitch).

    Args:
        changed: Whether they change an odd number of times within each band, shape (N, pitch).
        set_before: Whether they are set where the first column begins, shape (N,).
    """
    within = changed.copy()
    for shift in (1, 2, 4):
        within ^= within << np.uint8(shift)
    before = np.empty_like(within)
    before[:, 0], before[:, 1:] = set_before, within[:, :-1] >> np.uint8(7)
    np.bitwise_xor.accumulate(before, axis=1, out=before)
    before *= np.uint8(255)
    before ^= within << np.uint8(1)
    return before


def _widened(flat: ByteArray, half_widths: set[int]) -> Iterator[tuple[int, ByteArray]]:
    """Yield the bytes widened to both sides; what is widened by ``a`` starts ``a`` later."""
    reached = 0
    for wanted in sorted(half_widths):
        while reached < wanted:
            # Two copies side by side leave no gap as long as the step is not larger than what
            # one of them already covers.
            step = min(wanted - reached, reached) or 1
            wider = flat[: -2 * step] | flat[2 * step :]
            if reached == 0:
                wider |= flat[1:-1]
            flat, reached = wider, reached + step
        yield wanted, flat


@lru_cache(maxsize=64)
def _disk_reach(radius: float) -> tuple[int, ...]:
    return tuple(
        math.isqrt(int(radius * radius - row * row)) for row in range(math.floor(radius) + 1)
    )


@lru_cache(maxsize=256)
def _bits_inside(height: int, rows: int) -> ByteArray:
    inside = np.arange(8 * rows).reshape(8, rows) < height
    bits: ByteArray = (inside * (1 << np.arange(8))[:, None]).sum(axis=0).astype(np.uint8)[:, None]
    bits.setflags(write=False)
    return bits


def count_bits(packed: ByteArray) -> list[int]:
    """Return how many bits of each of N pictures are set; each is a multiple of 8 bytes."""
    flat = np.ascontiguousarray(packed).reshape(len(packed), -1)
    if hasattr(np, "bitwise_count"):
        counts = np.bitwise_count(flat.view(np.uint64)).sum(axis=1)
    else:
        counts = _bits_of_pairs()[flat.view(np.uint16)].sum(axis=1, dtype=np.int64)
    return [int(count) for count in counts]


@lru_cache(maxsize=1)
def _bits_of_pairs() -> ByteArray:
    # NumPy 1 cannot count bits; two bytes at a time keep the table small.
    numbers = np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
    bits: ByteArray = np.unpackbits(numbers, axis=1).sum(axis=1, dtype=np.uint8)
    return bits
