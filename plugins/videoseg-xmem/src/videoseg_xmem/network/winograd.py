"""3x3 convolutions with a quarter of the multiplications, for float32 on processors.

Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, CVPR 2016): a tile of 6x6 inputs is
transformed, multiplied with the transformed filter place by place, and transformed back to
4x4 outputs. Interpolating at 0, +-sqrt(1/2), +-sqrt(2) and infinity, instead of the usual
small integers, keeps the rounding error as small as that of the direct convolution. The
transforms are matrix products, so their entries need not be simple.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor, nn

__all__ = ["WinogradConv2d"]

_TILE = 4
_SPAN = 6
_POINTS = (0.0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2.0), -math.sqrt(2.0))
# Tiles in one block: enough to be worth reading the filters, few enough for the cache.
_BLOCK = 432


@functools.cache
def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Return the transforms of filter (6, 3), input (36, 36) and output (16, 36), float64."""

    def powers(count: int) -> Tensor:
        rows = [[point**power for power in range(count)] for point in _POINTS]
        # Infinity picks the leading coefficient.
        rows.append([0.0] * (count - 1) + [1.0])
        return torch.tensor(rows, dtype=torch.float64)

    inputs = torch.linalg.inv(powers(_SPAN)).T
    outputs = powers(_TILE).T
    return powers(3), torch.kron(inputs, inputs), torch.kron(outputs, outputs)


class WinogradConv2d(nn.Module):
    """A 3x3 convolution with stride 1 and padding 1, for inference in float32.

    Args:
        weight: Filter, shape (C_out, C_in, 3, 3).
        bias: Shape (C_out,); None for none.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        filters, inputs, outputs = _transforms()
        out_channels, channels = weight.shape[:2]
        transformed = weight.new_empty(_SPAN, _SPAN, channels, out_channels)
        # Part by part, since all of it in float64 would be large.
        for start in range(0, out_channels, 64):
            part = slice(start, start + 64)
            exact = weight[part].double()
            transformed[..., part] = torch.einsum("ia,ocab,jb->ijco", filters, exact, filters).to(
                weight.dtype
            )
        self.register_buffer("filters", transformed.flatten(0, 1))  # (36, C_in, C_out)
        self.register_buffer("inputs", inputs.to(weight.dtype))
        self.register_buffer("outputs", outputs.to(weight.dtype))
        self.register_buffer("bias", bias)
        self.filters: Tensor
        self.inputs: Tensor
        self.outputs: Tensor
        self.bias: Tensor | None

    def forward(self, x: Tensor, *, rectify: bool = False) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H, W), both in channels-last layout.

        Args:
            x: The input.
            rectify: Whether to put a rectifier before the convolution.
        """
        num_images, _, height, width = x.shape
        rows, columns = -(-height // _TILE), -(-width // _TILE)
        padded = _pad(x, rows * _TILE + 2, columns * _TILE + 2, rectify=rectify)
        channels, out_channels = self.filters.shape[1:]
        y = padded.new_empty((num_images, rows * _TILE, columns * _TILE, out_channels))
        # A block is some rows of one image, or some whole images.
        step = _even_step(rows, max(1, _BLOCK // columns))
        images = max(1, _BLOCK // (rows * columns)) if step == rows else 1
        images = _even_step(num_images, images)
        workspace = _Workspace(padded, images * step * columns, channels, out_channels)
        for first in range(0, num_images, images):
            source, target = padded[first : first + images], y[first : first + images]
            for row in range(0, rows, step):
                self._block(source, target, row, min(step, rows - row), columns, workspace)
        return y[:, :height, :width].permute(0, 3, 1, 2)

    def _block(
        self,
        source: Tensor,
        target: Tensor,
        row: int,
        num_rows: int,
        columns: int,
        workspace: _Workspace,
    ) -> None:
        """Convolve some rows of tiles of some images."""
        channels, out_channels = self.filters.shape[1:]
        image, line = source.stride()[:2]
        tiles = source.as_strided(
            (len(source), num_rows, columns, _SPAN, _SPAN, channels),
            (image, _TILE * line, _TILE * channels, line, channels, 1),
            source.storage_offset() + row * _TILE * line,
        )
        num_tiles = len(source) * num_rows * columns
        gathered, spread, product, result = workspace.take(num_tiles)
        gathered.view(tiles.shape).copy_(tiles)
        # Tile by tile, so that each small product stays in the cache.
        torch.bmm(self.inputs.expand(num_tiles, -1, -1), gathered, out=spread)
        torch.bmm(spread.transpose(0, 1), self.filters, out=product)
        torch.bmm(self.outputs.expand(num_tiles, -1, -1), product.transpose(0, 1), out=result)
        ours = result.view(len(source), num_rows, columns, _TILE, _TILE, out_channels)
        ours = ours.transpose(2, 3)
        place = target[:, row * _TILE : (row + num_rows) * _TILE].view(ours.shape)
        if self.bias is None:
            place.copy_(ours)
        else:
            torch.add(ours, self.bias, out=place)


def _even_step(count: int, largest: int) -> int:
    """Return the step with which a count falls into the fewest parts of about one size."""
    return -(-count // -(-count // largest))


def _pad(x: Tensor, height: int, width: int, *, rectify: bool) -> Tensor:
    """Return x (N, C, h, w) as (N, height, width, C), one to the lower right, zeros around."""
    images, channels, rows, columns = x.shape
    padded = x.new_empty((images, height, width, channels))
    inside = padded[:, 1 : rows + 1, 1 : columns + 1]
    if rectify:
        torch.clamp_min(x.permute(0, 2, 3, 1), 0, out=inside)
    else:
        inside.copy_(x.permute(0, 2, 3, 1))
    padded[:, 0] = 0
    padded[:, rows + 1 :] = 0
    padded[:, :, 0] = 0
    padded[:, :, columns + 1 :] = 0
    return padded


class _Workspace:
    """Room for the blocks of one convolution, used by one after another."""

    def __init__(self, like: Tensor, num_tiles: int, channels: int, out_channels: int) -> None:
        larger = max(channels, out_channels)
        self._channels, self._out_channels = channels, out_channels
        # A product takes the place of what was gathered, a result that of what was spread.
        self._first = like.new_empty(_SPAN**2 * num_tiles * larger)
        self._second = like.new_empty(_SPAN**2 * num_tiles * larger)

    def take(self, num_tiles: int) -> tuple[Tensor, ...]:
        """Return room for tiles gathered, spread, multiplied (places first) and brought back."""
        shapes = (
            (num_tiles, _SPAN**2, self._channels),
            (num_tiles, _SPAN**2, self._channels),
            (_SPAN**2, num_tiles, self._out_channels),
            (num_tiles, _TILE**2, self._out_channels),
        )
        homes = (self._first, self._second, self._first, self._second)
        return tuple(
            home[: math.prod(shape)].view(shape) for home, shape in zip(homes, shapes, strict=True)
        )
