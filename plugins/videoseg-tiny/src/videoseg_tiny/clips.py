"""Synthetic clips for training: frames as the model sees them, and the truth about them.

Drawing a clip takes a tenth of a second, so that clips are drawn once and kept in files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from videoseg_synthetic import SyntheticClip, make_clip
from videoseg_vlm import fit_size, resize_image

from videoseg.masks import inner_points
from videoseg.types import Size

__all__ = [
    "FRAME_SIDE",
    "HELD_OUT_SEEDS",
    "KNOWN_KINDS",
    "NUM_FRAMES",
    "PATCH",
    "SMALL_PIXELS",
    "TRAINING_SEEDS",
    "VALIDATION_SEEDS",
    "ClipFacts",
    "Question",
    "clip_options",
    "describe_clip",
    "draw_clip",
    "load_clips",
    "save_clips",
    "small_size",
]

PATCH = 16
FRAME_SIDE = 96
"""The side in pixels of the square to which the frame is stretched that objects are located on."""

SMALL_PIXELS = 48 * 48
"""Upper bound on height x width of the small frames of an overview."""

NUM_FRAMES = 16

KNOWN_KINDS = (
    "color",
    "largest",
    "smallest",
    "place-left",
    "place-right",
    "place-top",
    "place-bottom",
    "no-color",
)
"""The kinds of query (``SyntheticQuery.kind``) that the model is trained on."""

# Apart from one another, and from those that the benchmark "synthetic" reserves.
TRAINING_SEEDS = 10_000_000
VALIDATION_SEEDS = 20_000_000
HELD_OUT_SEEDS = 30_000_000
"""First of the seeds that no training and no choice of settings has used."""

_SIZES = ((96, 128), (96, 96), (96, 96), (90, 160), (96, 96), (96, 96))


@dataclass(frozen=True, slots=True)
class Question:
    """A query and its answer.

    Args:
        text: The query.
        kind: One of ``KNOWN_KINDS``.
        objects: Indices of the objects meant, from 0; empty if nothing fits.
    """

    text: str
    kind: str
    objects: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ClipFacts:
    """A clip of T frames with N objects.

    Args:
        seed: The seed it was drawn with.
        size: (height, width) of its frames.
        frames: The frames stretched to the square, shape (T, 96, 96, 3), dtype uint8.
        small: The frames as an overview shows them, shape (T, h, w, 3), dtype uint8.
        owner: Which object covers most of each patch of ``frames``, shape (T, 6, 6), from 0;
            -1 for none.
        small_owner: The same for ``small``.
        boxes: Of each object on each frame, in pixels of the square, shape (N, T, 4); zero where
            it does not show.
        points: A point inside it, shape (N, T, 2).
        shown: Which share of its largest visible area shows, shape (N, T).
        colors: The name of each object's color.
        shapes: The name of each object's shape.
        questions: Questions about it.
    """

    seed: int
    size: Size
    frames: NDArray[np.uint8]
    small: NDArray[np.uint8]
    owner: NDArray[np.int8]
    small_owner: NDArray[np.int8]
    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    shown: NDArray[np.float32]
    colors: tuple[str, ...]
    shapes: tuple[str, ...]
    questions: tuple[Question, ...]


def clip_options(seed: int) -> dict[str, Any]:
    """Return the arguments of ``make_clip`` for a seed: one clip in three is wide."""
    return {"seed": seed, "num_frames": NUM_FRAMES, "size": _SIZES[seed % len(_SIZES)]}


def small_size(size: Size) -> Size:
    """Return the size at which the chat model shows a frame in an overview."""
    if size[0] * size[1] <= SMALL_PIXELS:
        return size
    return fit_size(size, max_pixels=SMALL_PIXELS, factor=PATCH)


def draw_clip(seed: int) -> ClipFacts:
    """Draw a clip and collect the truth about it."""
    return describe_clip(make_clip(**clip_options(seed)), seed)


def describe_clip(
    clip: SyntheticClip, seed: int, *, frame_size: Size = (FRAME_SIDE, FRAME_SIDE)
) -> ClipFacts:
    """Return the truth about a clip.

    Args:
        clip: The clip.
        seed: The seed it was drawn with.
        frame_size: (height, width) of ``frames``, in place of the square's.
    """
    small = small_size(clip.size)
    labels = clip.labels
    scale = FRAME_SIDE / np.array(clip.size[::-1], np.float64)
    count = len(clip.objects)
    boxes = np.zeros((count, clip.num_frames, 4), np.float32)
    points = np.zeros((count, clip.num_frames, 2), np.float32)
    for index, object_id in enumerate(clip.object_ids):
        for frame in range(clip.num_frames):
            mask = labels[frame] == object_id
            if not mask.any():
                continue
            rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
            corners = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            boxes[index, frame] = corners * np.tile(scale, 2)
            [point] = inner_points(mask, count=1, exact=False)
            points[index, frame] = np.array([point.x, point.y]) * scale
    areas = np.array([(labels == object_id).sum((1, 2)) for object_id in clip.object_ids])
    shown = (areas / areas.max(1, keepdims=True)).astype(np.float32)
    places = {object_id: index for index, object_id in enumerate(clip.object_ids)}
    return ClipFacts(
        seed=seed,
        size=clip.size,
        frames=_resize(clip, frame_size),
        small=_resize(clip, small),
        owner=_find_owners(clip, frame_size),
        small_owner=_find_owners(clip, small),
        boxes=boxes,
        points=points,
        shown=shown,
        colors=tuple(item.color for item in clip.objects),
        shapes=tuple(item.shape for item in clip.objects),
        questions=tuple(
            Question(
                query.text, query.kind, tuple(places[object_id] for object_id in query.object_ids)
            )
            for query in clip.queries
            if query.kind in KNOWN_KINDS
        ),
    )


def _resize(clip: SyntheticClip, size: Size) -> NDArray[np.uint8]:
    return np.stack([np.asarray(resize_image(frame, size)) for frame in clip.frames])


def _find_owners(clip: SyntheticClip, size: Size) -> NDArray[np.int8]:
    """Return which object covers most of each patch; at least a tenth of it."""
    rows, columns = size[0] // PATCH, size[1] // PATCH
    height, width = clip.size
    across, down = width // columns, height // rows
    shares = []
    for object_id in clip.object_ids:
        mask = (clip.labels == object_id)[:, : rows * down, : columns * across]
        shares.append(mask.reshape(-1, rows, down, columns, across).mean((2, 4)))
    stacked = np.stack(shares)
    owner = np.where(stacked.max(0) >= 0.1, stacked.argmax(0), -1)
    return owner.astype(np.int8)


# -- files -----------------------------------------------------------------------------------

_ARRAYS = ("frames", "small", "owner", "small_owner", "boxes", "points", "shown")


def save_clips(path: Path, clips: Sequence[ClipFacts]) -> None:
    """Write clips to one file."""
    arrays: dict[str, Any] = {}
    texts = []
    for index, clip in enumerate(clips):
        arrays |= {f"{index}.{name}": getattr(clip, name) for name in _ARRAYS}
        texts.append(
            {
                "seed": clip.seed,
                "size": clip.size,
                "colors": clip.colors,
                "shapes": clip.shapes,
                "questions": [[q.text, q.kind, q.objects] for q in clip.questions],
            }
        )
    arrays["texts"] = np.array(json.dumps(texts))
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.savez(file, **arrays)
    temporary.replace(path)


def load_clips(path: Path) -> Iterator[ClipFacts]:
    """Yield the clips of a file."""
    with np.load(path, allow_pickle=False) as arrays:
        for index, text in enumerate(json.loads(str(arrays["texts"]))):
            yield ClipFacts(
                seed=text["seed"],
                size=(text["size"][0], text["size"][1]),
                colors=tuple(text["colors"]),
                shapes=tuple(text["shapes"]),
                questions=tuple(
                    Question(words, kind, tuple(objects))
                    for words, kind, objects in text["questions"]
                ),
                **{name: arrays[f"{index}.{name}"] for name in _ARRAYS},
            )
