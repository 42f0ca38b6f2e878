"""Synthetic clips for the ``[SEG]`` model: with exact masks, and frames as SAM 2 sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from videoseg_synthetic import SyntheticClip, make_clip
from videoseg_vlm import fit_size

from videoseg.files import make_folder
from videoseg_tiny.clips import (
    FRAME_SIDE,
    PATCH,
    ClipFacts,
    clip_options,
    describe_clip,
    load_clips,
    save_clips,
)

__all__ = ["IMAGE_SIDE", "SegClip", "draw_seg_clip", "prepare_seg_clips"]

IMAGE_SIDE = 96
"""The side in pixels of the square to which SAM 2 stretches a frame."""

_CHUNK = 40
"""Clips in a file."""


@dataclass(frozen=True, slots=True, eq=False)
class SegClip:
    """A clip of T frames.

    Args:
        facts: The truth about it; its larger frames keep their shape, as the chat model ``o3``
            shows them.
        pictures: The frames as SAM 2 sees them, shape (T, 96, 96, 3), dtype uint8.
        labels: Which object covers each of their pixels, from 1; 0 for none. Shape
            (T, 96, 96), dtype uint8.
    """

    facts: ClipFacts
    pictures: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def draw_seg_clip(seed: int) -> SegClip:
    """Draw a clip and collect the truth about it."""
    clip = make_clip(**clip_options(seed))
    size = fit_size(clip.size, max_pixels=FRAME_SIDE * FRAME_SIDE, factor=PATCH)
    facts = describe_clip(clip, seed, frame_size=size)
    return SegClip(facts, _resize_pictures(clip), _resize_labels(clip))


def prepare_seg_clips(folder: Path, first_seed: int, count: int) -> list[SegClip]:
    """Return clips; those that the folder has are not drawn again.

    Args:
        folder: Where they are kept.
        first_seed: The seed of the first; the others follow.
        count: How many.
    """
    make_folder(folder)
    clips: list[SegClip] = []
    for start in range(0, count, _CHUNK):
        seeds = range(first_seed + start, first_seed + min(start + _CHUNK, count))
        facts_file = folder / f"facts-{seeds.start}-{len(seeds)}.npz"
        masks_file = folder / f"masks-{seeds.start}-{len(seeds)}.npz"
        if not (facts_file.is_file() and masks_file.is_file()):
            drawn = [draw_seg_clip(seed) for seed in seeds]
            _save_masks(masks_file, drawn)
            save_clips(facts_file, [clip.facts for clip in drawn])
        with np.load(masks_file, allow_pickle=False) as arrays:
            clips += [
                SegClip(facts, arrays[f"{index}.pictures"], arrays[f"{index}.labels"])
                for index, facts in enumerate(load_clips(facts_file))
            ]
    return clips


def _save_masks(path: Path, clips: list[SegClip]) -> None:
    arrays: dict[str, Any] = {
        f"{index}.pictures": clip.pictures for index, clip in enumerate(clips)
    }
    arrays |= {f"{index}.labels": clip.labels for index, clip in enumerate(clips)}
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.savez(file, **arrays)
    temporary.replace(path)


def _resize_pictures(clip: SyntheticClip) -> NDArray[np.uint8]:
    """Resize as ``videoseg_o3`` does for SAM 2."""
    from PIL import Image

    side = (IMAGE_SIDE, IMAGE_SIDE)
    return np.stack(
        [
            np.asarray(Image.fromarray(frame).resize(side, Image.Resampling.BICUBIC))
            for frame in clip.frames
        ]
    )


def _resize_labels(clip: SyntheticClip) -> NDArray[np.uint8]:
    height, width = clip.size
    rows = (np.arange(IMAGE_SIDE) * 2 + 1) * height // (2 * IMAGE_SIDE)
    columns = (np.arange(IMAGE_SIDE) * 2 + 1) * width // (2 * IMAGE_SIDE)
    labels = np.zeros((clip.num_frames, IMAGE_SIDE, IMAGE_SIDE), np.uint8)
    for number, object_id in enumerate(clip.object_ids, start=1):
        labels[(clip.labels == object_id)[:, rows][:, :, columns]] = number
    return labels
