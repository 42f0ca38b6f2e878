"""Questions about drawn clips for the experiments in miniature, and the scores of pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from videoseg_synthetic import SyntheticClip, SyntheticQuery, make_clip
from videoseg_tiny.clips import clip_options
from videoseg_train import TrainingSample

import videoseg as vs
from videoseg.metrics import boundary_f, region_j
from videoseg.types import Rle

__all__ = ["OTHER_KINDS", "REWARDED_KINDS", "draw_questions", "score_result", "union_masks"]

REWARDED_KINDS = ("color", "place-left", "place-right", "place-top", "place-bottom", "no-color")
"""The kinds of query that are trained on by reinforcement, and..."""

OTHER_KINDS = ("largest", "smallest")
"""... those that are not; the cold start has seen both."""

SHOWS = 0.1
LEAST_SHOWN, MOST_SHOWN = 0.15, 0.75
"""An object that hides shows, by a tenth of its largest area, on such a share of the frames."""


def draw_questions(
    first_seed: int,
    count: int,
    kinds: Sequence[str],
    *,
    hides: bool = False,
    most_a_clip: int = 2,
) -> list[TrainingSample]:
    """Return questions about clips that are drawn for them, of all kinds alike.

    Args:
        first_seed: Of the clips; the others follow.
        count: How many questions.
        kinds: Their kinds.
        hides: Only questions about objects that show on some of the frames alone.
        most_a_clip: Most questions about one clip.
    """
    found: list[TrainingSample] = []
    counts = dict.fromkeys(kinds, 0)
    seed = first_seed
    while len(found) < count:
        clip = make_clip(**clip_options(seed))
        asked = [
            query
            for query in clip.queries
            if query.kind in counts and (not hides or _hides(clip, query))
        ]
        for _ in range(most_a_clip):
            if asked and len(found) < count:
                query = min(asked, key=lambda query: counts[query.kind])
                asked.remove(query)
                counts[query.kind] += 1
                found.append(_sample(clip, seed, query))
        seed += 1
    return found


def _hides(clip: SyntheticClip, query: SyntheticQuery) -> bool:
    areas = clip.answer_masks(query).sum((1, 2))
    if not areas.max():
        return False
    share = float((areas > SHOWS * areas.max()).mean())
    return LEAST_SHOWN <= share <= MOST_SHOWN


def _sample(clip: SyntheticClip, seed: int, query: SyntheticQuery) -> TrainingSample:
    asked = set(query.object_ids)
    return TrainingSample(
        f"clip {seed}, {query.text}",
        clip.video,
        query.text,
        partial(_tracks, clip, asked),
        {"kind": query.kind, "seed": seed},
        partial(_tracks, clip, set(clip.object_ids) - asked),
    )


def _tracks(clip: SyntheticClip, objects: set[int]) -> dict[int, vs.MaskTrack]:
    return {
        number: vs.MaskTrack(
            number,
            clip.size,
            tuple(
                Rle.encode(labels == number) if (labels == number).any() else None
                for labels in clip.labels
            ),
        )
        for number in sorted(objects)
    }


def union_masks(tracks: Any, size: tuple[int, int], length: int) -> np.ndarray:
    """Return the union of tracks, shape (T, H, W)."""
    masks = np.zeros((length, *size), bool)
    for track in tracks:
        for frame, rle in enumerate(track.masks):
            if rle is not None:
                masks[frame] |= rle.decode()
    return masks


def score_result(result: vs.Segmentation, sample: TrainingSample) -> float:
    """Return the mean J&F over the frames of a video."""
    video = sample.video
    predicted = union_masks(result.tracks, video.size, len(video))
    truth = union_masks(sample.tracks().values(), video.size, len(video))
    return float((region_j(predicted, truth).mean() + boundary_f(predicted, truth).mean()) / 2)
