"""Object hypotheses from moving and outlined tracks, their masks and their depth order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videoseg.types import BoolArray, FloatArray
from videoseg_attributes.regions.association import OutlinedTrack
from videoseg_attributes.regions.frames import SurveyFrame
from videoseg_attributes.regions.tracker import MovingTrack
from videoseg_attributes.vision.optical_flow import FloatImage

__all__ = [
    "ObjectHypothesis",
    "combine_tracks",
    "cut_out",
    "depth_order",
    "disjoint_masks",
    "total_support",
]

# Set by hand while looking at drawn clips, the DAVIS clips of discovery_davis.py and those of
# attributes_mevis_mini.py (both in tests/benchmarks); not measured separately.
_EXPLAINED = 0.7  # of a mover, covered by several outlined tracks: it is these, seen together
_EXPLAINED_BY_ONE = 0.75  # by one: less, and that is the bright side of something larger
_EXPLAINED_BY_SHARP = 0.45  # by tracks with a sharp outline: the rest is their shadow
_SHARP_OUTLINE = 0.94  # of an outline that is clear
_DEEPEST, _SAME_TINT = -24.0, 7.0  # Lab: a shadow against the ground beside it
_NO_LIGHTER = 4.0  # flow bleeds: where a shadow thins out, the ground itself seems to move
_EVENLY = 0.75  # of the pixels: an object has colors of its own
_MOSTLY = 0.6  # of the frames
_NOTABLE = 0.15  # of a mover: the least that one of several outlined tracks covers
_PIECE = 0.5  # of an outlined track inside a mover: then it is a piece of it
_ALL_OF_IT = 0.6  # of a mover: if one outlined track covers more, the mover is that one
_MAIN_MOVER = 0.5  # of the best mover's support, for a whole
_CLEAR_OUTLINE = 0.85  # of an outline that is clear
_STEADY, _STEADY_IF_SHARP = 0.4, 0.2  # of the frames
_STILL_SALIENCY = 0.3  # of the saliency of what moves
_LEAST_SALIENCY = 0.02  # in [0, 1]; below, a hypothesis is dropped
_SIZE_POWER = 0.25  # large objects stand out more, but much less than in proportion
_OUTLINED_PROBABILITY = 0.6  # below what a tracker is sure of
_NOTABLE_SIZE = 0.02  # of the frame: larger ones stand out no more
_LEAST_SPEED = 0.02  # motion times size of the fastest; below, nothing moves (``_measure_motion``)
_HIDDEN = 0.9  # of its usual area: below, part of an object is hidden
_CLEARER = 0.08  # by which the other one must show more of itself
_LEAST_EVIDENCE = 0.25  # hidden fractions, summed over the frames


@dataclass(frozen=True, eq=False, slots=True)
class ObjectHypothesis:
    """Something that may be an object, by its motion or its outline.

    Args:
        probability: For each surveyed frame (h, w) in [0, 1]; None where not visible.
        saliency: In [0, 1].
        clarity: How sure its outline is on each surveyed frame, in [0, 1].
    """

    probability: tuple[FloatImage | None, ...]
    saliency: float
    clarity: tuple[float, ...]


def combine_tracks(
    movers: Sequence[MovingTrack], outlined: Sequence[OutlinedTrack], frames: Sequence[SurveyFrame]
) -> tuple[list[ObjectHypothesis], list[ObjectHypothesis]]:
    """Combine moving and outlined tracks into hypotheses, the most salient first.

    Both see the same objects. Several outlined objects that move at one place look like one
    mover; a jacket and a face look like two outlined objects although one person moves. A mover
    that consists of clearly outlined objects is dropped; otherwise the outlined tracks inside it
    are its pieces, and these are dropped.

    Returns:
        The hypotheses; and, apart from them, the main movers that were dropped for several
        outlined objects. A jacket and trousers in clear colors look like two, although one dancer
        moves: which it is the survey cannot tell, but a query for what moves means all of it.
    """
    clear = [
        chain
        for chain in outlined
        if chain.outlined > _CLEAR_OUTLINE and len(chain.parts) > _STEADY * len(frames)
    ]
    kept_movers = _keep_movers(movers, outlined, clear, frames)
    kept_chains = [
        chain
        for chain in outlined
        if max((_contained_fraction(chain, track) for track in kept_movers), default=0.0) < _PIECE
    ]
    strengths = [_measure_motion(chain, frames) for chain in kept_chains]
    fastest = max(strengths, default=0.0)
    objects = [_from_mover(track, movers, outlined, frames) for track in kept_movers]
    objects += [
        _from_outlined(chain, frames, strength, fastest, bool(kept_movers))
        for chain, strength in zip(kept_chains, strengths, strict=True)
    ]
    objects = [hypothesis for hypothesis in objects if hypothesis.saliency > _LEAST_SALIENCY]
    objects.sort(key=lambda hypothesis: -hypothesis.saliency)
    dropped = [track for track in movers if track not in kept_movers]
    return objects, _find_wholes(dropped, movers, outlined, frames)


def _keep_movers(
    movers: Sequence[MovingTrack],
    outlined: Sequence[OutlinedTrack],
    clear: Sequence[OutlinedTrack],
    frames: Sequence[SurveyFrame],
) -> list[MovingTrack]:
    """Return the movers that neither outlined objects nor a shadow explain."""
    moving = [chain for chain in clear if _measure_motion(chain, frames) > 0]
    kept_movers = []
    for track in movers:
        # A track that lies mostly elsewhere (a wall behind, an object of its color) is no piece.
        pieces = [chain for chain in clear if _contained_fraction(chain, track) > _PIECE]
        covered = _covered_fraction(track, pieces)
        if covered > (_EXPLAINED if _covered_by_several(track, pieces) else _EXPLAINED_BY_ONE):
            continue
        # An object with a sharp outline of its own, and the shadow that moves with it.
        sharp = _pieces_of(track, outlined, frames, outline=_SHARP_OUTLINE)
        if _covered_fraction(track, sharp) > _EXPLAINED_BY_SHARP:
            continue
        if _is_shadow(track, moving, frames):
            continue
        kept_movers.append(track)
    return kept_movers


def _pieces_of(
    track: MovingTrack,
    outlined: Sequence[OutlinedTrack],
    frames: Sequence[SurveyFrame],
    *,
    outline: float,
) -> list[OutlinedTrack]:
    """Return what lies in a mover, is steadily there, and is outlined more clearly than this."""
    return [
        chain
        for chain in outlined
        if chain.outlined > outline
        and len(chain.parts) > _STEADY_IF_SHARP * len(frames)
        and _contained_fraction_where_met(chain, track) > _PIECE
    ]


def _find_wholes(
    dropped: Sequence[MovingTrack],
    movers: Sequence[MovingTrack],
    outlined: Sequence[OutlinedTrack],
    frames: Sequence[SurveyFrame],
) -> list[ObjectHypothesis]:
    best = max((total_support(track) for track in movers), default=0.0)
    wholes = []
    for track in dropped:
        if best <= 0 or total_support(track) < _MAIN_MOVER * best:
            continue
        pieces = _pieces_of(track, outlined, frames, outline=_CLEAR_OUTLINE)
        largest = max((_covered_fraction(track, [piece]) for piece in pieces), default=0.0)
        if _covered_by_several(track, pieces) and largest < _ALL_OF_IT:
            wholes.append(_from_mover(track, movers, outlined, frames))
    return wholes


def cut_out(hypothesis: ObjectHypothesis) -> list[BoolArray | None]:
    """Return the masks of one hypothesis alone; see ``disjoint_masks`` for several."""
    return [
        None if probability is None or not (probability > 0.5).any() else probability > 0.5
        for probability in hypothesis.probability
    ]


def disjoint_masks(
    objects: Sequence[ObjectHypothesis], frames: Sequence[SurveyFrame]
) -> list[list[BoolArray | None]]:
    """Return the masks of each hypothesis, disjoint: the most probable one takes a pixel."""
    masks: list[list[BoolArray | None]] = [[] for _ in objects]
    for position in range(len(frames)):
        here = [hypothesis.probability[position] for hypothesis in objects]
        known = [probability for probability in here if probability is not None]
        strongest = np.max(known, axis=0) if known else None
        taken = np.zeros(frames[position].size, dtype=bool)
        for index, probability in enumerate(here):
            if probability is None or strongest is None:
                masks[index].append(None)
                continue
            own: BoolArray = (probability > 0.5) & (probability >= strongest) & ~taken
            taken |= own
            masks[index].append(own if own.any() else None)
    return masks


def total_support(track: MovingTrack) -> float:
    """Return how much a track stands out by its motion, over all frames."""
    return float(np.sum(track.support)) / max(1, len(track.support))


def _covered_by_several(track: MovingTrack, pieces: Sequence[OutlinedTrack]) -> bool:
    return sum(_covered_fraction(track, [piece]) > _NOTABLE for piece in pieces) > 1


def _is_shadow(
    track: MovingTrack, chains: Sequence[OutlinedTrack], frames: Sequence[SurveyFrame]
) -> bool:
    """Return whether a mover is a shadow, or the ground, beside an outlined moving object."""
    import cv2

    shaded = beside = 0
    largest = max((chain.usual_area() for chain in chains), default=0.0)
    for position, frame in enumerate(frames):
        mask = track.mask(position)
        if mask is None:
            continue
        objects = np.zeros(mask.shape, dtype=bool)
        for chain in chains:
            if position in chain.parts:
                objects |= chain.parts[position].mask
        near = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
        beside += bool((near & objects).any())
        shadow, ground = mask & ~objects, near & ~mask & ~objects
        if not shadow.any() or not ground.any() or shadow.sum() > largest:
            continue
        change = frame.lab[shadow] - np.median(frame.lab[ground], axis=0)
        darker = (change[:, 0] > _DEEPEST) & (change[:, 0] < _NO_LIGHTER)
        same_tint = np.hypot(change[:, 1], change[:, 2]) < _SAME_TINT
        shaded += bool(np.mean(darker & same_tint) > _EVENLY)
    return min(shaded, beside) > _MOSTLY * max(1, track.num_visible)


def _covered_fraction(track: MovingTrack, chains: Sequence[OutlinedTrack]) -> float:
    """Return the fraction of a mover's pixels that belong to outlined objects."""
    covered = total = 0.0
    for position in range(len(track.probability)):
        mask = track.mask(position)
        if mask is None:
            continue
        union = np.zeros(mask.shape, dtype=bool)
        for chain in chains:
            if position in chain.parts:
                union |= chain.parts[position].mask
        covered += float(np.count_nonzero(mask & union))
        total += float(np.count_nonzero(mask))
    return covered / total if total else 0.0


def _contained_fraction(chain: OutlinedTrack, track: MovingTrack) -> float:
    """Return the fraction of an outlined object's pixels that lie in a mover."""
    shared = total = 0.0
    for position, part in chain.parts.items():
        mask = track.mask(position)
        total += part.area
        if mask is not None:
            shared += float(np.count_nonzero(part.mask & mask))
    return shared / total if total else 0.0


def _contained_fraction_where_met(chain: OutlinedTrack, track: MovingTrack) -> float:
    """Return the same over the frames on which both overlap: a tracker may switch objects."""
    shares = []
    for position, part in chain.parts.items():
        mask = track.mask(position)
        shared = 0.0 if mask is None else float(np.count_nonzero(part.mask & mask))
        if shared > 0:
            shares.append(shared / part.area)
    return float(np.median(shares)) if len(shares) > 1 else 0.0


def _measure_motion(chain: OutlinedTrack, frames: Sequence[SurveyFrame]) -> float:
    """Return an outlined object's residual motion above the noise, times its size."""
    moved = [
        max(0.0, float(np.median(frames[position].strength[part.mask])) - frames[position].noise)
        for position, part in chain.parts.items()
    ]
    size = (chain.usual_area() / frames[0].gray.size) ** _SIZE_POWER
    return float(np.sum(moved) / len(frames) * size)


def _from_mover(
    track: MovingTrack,
    movers: Sequence[MovingTrack],
    outlined: Sequence[OutlinedTrack],
    frames: Sequence[SurveyFrame],
) -> ObjectHypothesis:
    best = max(total_support(other) for other in movers)
    saliency = total_support(track) / best if best > 0 else 0.0
    # If it hardly moves, it stands out as much as the outlined track of the same object.
    for chain in outlined:
        if (
            _contained_fraction(chain, track) > _PIECE
            and _covered_fraction(track, [chain]) > _PIECE
        ):
            saliency = max(saliency, _from_outlined(chain, frames, 0.0, 0.0, True).saliency)
    clearest = max(track.support) or 1.0
    return ObjectHypothesis(
        tuple(track.probability), min(1.0, saliency), tuple(s / clearest for s in track.support)
    )


def _from_outlined(
    chain: OutlinedTrack,
    frames: Sequence[SurveyFrame],
    strength: float,
    fastest: float,
    beside_movers: bool,
) -> ObjectHypothesis:
    probability: list[FloatImage | None] = [None] * len(frames)
    clarity = [0.0] * len(frames)
    usual = chain.usual_area()
    for position, part in chain.parts.items():
        # Below a tracker's certainty: what moves inside a region of one color is another object.
        probability[position] = np.float32(_OUTLINED_PROBABILITY) * part.mask
        clarity[position] = part.outlined * min(1.0, part.area / usual)
    there = len(chain.parts) / len(frames)
    size = min(1.0, (usual / (_NOTABLE_SIZE * frames[0].gray.size)) ** _SIZE_POWER)
    standing = there * chain.outlined * size
    moving = strength / fastest if fastest > _LEAST_SPEED else 0.0
    if beside_movers:
        saliency = _STILL_SALIENCY * (0.5 * standing + 0.5 * standing * moving)
    else:
        saliency = _STILL_SALIENCY * standing + (1 - _STILL_SALIENCY) * moving
    return ObjectHypothesis(tuple(probability), float(min(1.0, saliency)), tuple(clarity))


def depth_order(masks: Sequence[Sequence[BoolArray | None]]) -> tuple[tuple[int, int], ...]:
    """Return pairs (front, behind) of objects of which one was seen to occlude the other.

    Where two objects touch, the one that shows less of its usual area is behind.

    Args:
        masks: For each object its mask on each frame, shape (h, w); None where not visible.
    """
    areas = [
        np.array([0.0 if mask is None else float(np.count_nonzero(mask)) for mask in track])
        for track in masks
    ]
    shown = [_visible_fraction(track, area) for track, area in zip(masks, areas, strict=True)]
    pairs: list[tuple[int, int]] = []
    for first in range(len(masks)):
        for second in range(first + 1, len(masks)):
            evidence = _evidence(masks[first], masks[second], shown[first], shown[second])
            if evidence > _LEAST_EVIDENCE:
                pairs.append((first, second))
            elif evidence < -_LEAST_EVIDENCE:
                pairs.append((second, first))
    return tuple(pairs)


def _visible_fraction(track: Sequence[BoolArray | None], areas: FloatArray) -> FloatArray:
    """Return how much of an object is visible on each frame, of its usual area at that time."""
    seen = areas[areas > 0]
    if len(seen) == 0:
        return np.zeros(len(areas))
    # An approaching object grows: compare with the largest areas of the frames around.
    reach = max(2, len(areas) // 3)
    usual = np.array(
        [
            np.percentile(around[around > 0], 85) if (around > 0).any() else np.median(seen)
            for around in (areas[max(0, p - reach) : p + reach + 1] for p in range(len(areas)))
        ]
    )
    shown: FloatArray = np.minimum(areas / usual, 1.0)
    for position, mask in enumerate(track):
        # At the border the frame cuts an object, not another object.
        if mask is not None and (
            mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
        ):
            shown[position] = 1.0
    return shown


def _evidence(
    first: Sequence[BoolArray | None],
    second: Sequence[BoolArray | None],
    first_shown: FloatArray,
    second_shown: FloatArray,
) -> float:
    """Return the evidence that the first is in front (> 0) or behind (< 0)."""
    evidence = 0.0
    for position, (one, other) in enumerate(zip(first, second, strict=True)):
        shares = first_shown[position], second_shown[position]
        if one is None and other is None:
            continue
        if one is None or other is None:
            # Hidden since the last frame, on which both touched: fully occluded.
            if position == 0 or first[position - 1] is None or second[position - 1] is None:
                continue
            if _touch(first[position - 1], second[position - 1]):
                evidence += 0.5 if other is None else -0.5
            continue
        if not _touch(one, other):
            continue
        difference = shares[0] - shares[1]
        if abs(difference) > _CLEARER and min(shares) < _HIDDEN:
            evidence += float(difference)
    return evidence


def _touch(one: BoolArray | None, other: BoolArray | None) -> bool:
    import cv2

    if one is None or other is None:
        return False
    near = cv2.dilate(one.astype(np.uint8), np.ones((7, 7), np.uint8))
    return int(np.count_nonzero(near.astype(bool) & other)) >= 3
