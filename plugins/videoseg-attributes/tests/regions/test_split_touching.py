"""Two things of one color that touch for a while are told apart by their shapes before."""

from __future__ import annotations

import numpy as np
from videoseg_attributes.regions.association import associate_parts
from videoseg_attributes.regions.outlined_parts import OutlinedPart
from videoseg_attributes.regions.split_touching import split_touching

from videoseg.types import BoolArray

SIZE = (80, 160)
NUM_FRAMES = 14
DIAGONAL = float(np.hypot(*SIZE))


def _disc(x: float, y: float, radius: float) -> BoolArray:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.asarray(np.hypot(columns - x, rows - y) <= radius)


def _part(position: int, mask: BoolArray) -> OutlinedPart:
    rows, columns = np.nonzero(mask)
    center = (float(columns.mean()), float(rows.mean()))
    return OutlinedPart(position, mask, np.array([30.0, 5, 5]), 1.0, center, float(mask.sum()))


def _pass_by() -> list[tuple[BoolArray, BoolArray]]:
    """Return a large disc at rest and a small one that rolls along its upper rim."""
    return [(_disc(80, 50, 22), _disc(16 + 10 * t, 21, 13)) for t in range(NUM_FRAMES)]


def _as_seen(pairs: list[tuple[BoolArray, BoolArray]]) -> list[list[OutlinedPart]]:
    """Return the parts of each frame; what touches is one part."""
    seen = []
    for position, (one, other) in enumerate(pairs):
        apart = not (one & other).any()
        masks = [one, other] if apart else [one | other]
        seen.append([_part(position, mask) for mask in masks])
    return seen


def test_touching_things_of_one_color_keep_their_own_masks() -> None:
    pairs = _pass_by()
    parts = _as_seen(pairs)
    merged = [position for position, here in enumerate(parts) if len(here) == 1]
    assert len(merged) >= 3
    chains = associate_parts(parts, [0] * NUM_FRAMES, DIAGONAL)
    split_touching(chains, parts, [0] * NUM_FRAMES)
    for index in (0, 1):
        overlaps = []
        for position in merged:
            truth = pairs[position][index]
            masks = [chain.parts[position].mask for chain in chains if position in chain.parts]
            overlaps.append(max(float((m & truth).sum() / (m | truth).sum()) for m in masks))
        assert min(overlaps) > 0.75


def test_a_thing_that_hides_another_of_its_color_stays_whole() -> None:
    pairs = [
        (_disc(80, 40, 24), _disc(16 + 10 * t, 40, 10) if abs(t - 6.4) > 3.2 else None)
        for t in range(NUM_FRAMES)
    ]
    parts = [
        [_part(t, mask) for mask in (one, other) if mask is not None]
        for t, (one, other) in enumerate(pairs)
    ]
    chains = associate_parts(parts, [0] * NUM_FRAMES, DIAGONAL)
    split_touching(chains, parts, [0] * NUM_FRAMES)
    large = max(chains, key=lambda chain: chain.usual_area())
    assert all(part.area == pairs[0][0].sum() for part in large.parts.values())


def test_a_shape_is_not_carried_across_a_cut() -> None:
    pairs = _pass_by()
    parts = _as_seen(pairs)
    first_merged = next(position for position, here in enumerate(parts) if len(here) == 1)
    last_merged = max(position for position, here in enumerate(parts) if len(here) == 1)
    shots = [0] * first_merged + [1] * (last_merged - first_merged + 1)
    shots += [2] * (NUM_FRAMES - last_merged - 1)
    chains = associate_parts(parts, shots, DIAGONAL)
    before = [dict(chain.parts) for chain in chains]
    split_touching(chains, parts, shots)
    assert [chain.parts for chain in chains] == before
