"""Surveys built from exact masks, to measure the grounder apart from the survey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from videoseg_attributes.regions.survey import Candidate, Survey

from videoseg.types import BoolArray, FloatArray, Rle, VideoSource, Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from videoseg_synthetic import SyntheticClip

__all__ = ["oracle_of_clip", "oracle_survey"]


def oracle_survey(
    labels: BoolArray,
    *,
    camera: FloatArray | None = None,
    fps: float,
    depth_order: tuple[tuple[int, int], ...] = (),
    ids: tuple[int, ...],
    positions: dict[int, FloatArray] | None = None,
) -> Callable[..., Survey]:
    """Return a survey function that knows every mask.

    Args:
        labels: Object id of each pixel, shape (T, H, W).
        camera: The camera's position on each frame in pixels, shape (T, 2); at rest if None.
        fps: Frames per second.
        depth_order: Pairs (front, behind) of object ids.
        ids: The object ids; candidate k is ``ids[k]``.
        positions: For each id its centre over the ground on each frame in pixels, shape
            (T, 2); by default that of what shows of it.
    """
    height, width = labels.shape[1:]
    diagonal = float(np.hypot(height, width))
    camera = np.zeros((len(labels), 2)) if camera is None else camera

    def survey(
        video: VideoSource,
        *,
        window: Window,
        num_frames: int = 24,
        max_candidates: int = 8,
        seed: int = 0,
    ) -> Survey:
        count = min(num_frames, len(window))
        frames = tuple(
            sorted({int(i) for i in np.linspace(window.start, window.stop - 1, count).round()})
        )
        candidates = []
        for number, object_id in enumerate(ids):
            masks = [labels[frame] == object_id for frame in frames]
            velocities: list[tuple[float, float] | None] = []
            for frame in frames:
                after = min(frame + 1, len(labels) - 1)
                before = max(0, after - 2)
                if positions is not None:
                    step = positions[object_id][after] - positions[object_id][before]
                else:
                    one = _center(labels[before] == object_id)
                    two = _center(labels[after] == object_id)
                    if one is None or two is None:
                        velocities.append(None)
                        continue
                    step = (two + camera[after]) - (one + camera[before])
                if before == after:
                    velocities.append(None)
                    continue
                vx, vy = step / (after - before) * fps / diagonal
                velocities.append((float(vx), float(vy)))
            visible = [bool(mask.any()) for mask in masks]
            candidates.append(
                Candidate(
                    number,
                    tuple(Rle.encode(mask) if mask.any() else None for mask in masks),
                    1.0 - 0.05 * number,
                    tuple(
                        v if seen else None for v, seen in zip(velocities, visible, strict=True)
                    ),
                    tuple(
                        float(np.hypot(*v)) if v is not None and seen else None
                        for v, seen in zip(velocities, visible, strict=True)
                    ),
                    tuple(bool(_touches(mask)) for mask in masks),
                )
            )
        order = tuple((ids.index(a), ids.index(b)) for a, b in depth_order)
        size = (height, width)
        return Survey(window, frames, size, size, tuple(candidates), (), order)

    return survey


def oracle_of_clip(clip: SyntheticClip) -> Callable[..., Survey]:
    """Return the survey function of a synthetic clip."""
    seen = clip._seen
    pairs = set()
    covered = seen.covered.sum(axis=0)
    for front in range(1, covered.shape[0]):
        for behind in range(1, covered.shape[1]):
            if covered[front, behind] > 0.1 * seen.full_areas[behind - 1]:
                pairs.add((front, behind))
    return oracle_survey(
        clip.labels,
        camera=seen.scene.camera,
        fps=clip.fps,
        depth_order=tuple(pairs),
        ids=tuple(item.object_id for item in clip.objects),
        positions={item.object_id: item.positions for item in seen.scene.objects},
    )


def _center(mask: BoolArray) -> FloatArray | None:
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()]) if len(rows) else None


def _touches(mask: BoolArray) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
