"""Rendered clips with exact masks for the tests beside this file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from videoseg_attributes.propagation.flow import FlowPropagator

from videoseg.types import FrameMasks, Prompt, Rle
from videoseg.video import Video

HEIGHT, WIDTH = 120, 180
Place = tuple[float, float] | None


def textured(height: int, width: int, seed: int, color: Sequence[float]) -> np.ndarray:
    """Return a smooth random texture around a color, (height, width, 3) uint8."""
    generator = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(generator.random((height, width)).astype(np.float32), (0, 0), 1.5)
    noise = (noise - noise.mean()) / noise.std()
    return np.clip(np.array(color) + 18 * noise[..., None], 0, 255).astype(np.uint8)


BACKGROUND = textured(HEIGHT, WIDTH, 1, (90, 110, 80))
RED = textured(HEIGHT, WIDTH, 2, (200, 60, 50))
BLUE = textured(HEIGHT, WIDTH, 3, (50, 80, 200))


def disc(place: Place, radius: int = 16) -> np.ndarray:
    """Return a disc's mask, (HEIGHT, WIDTH) bool; empty where there is no place."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    if place is not None:
        cv2.circle(mask, (round(place[0]), round(place[1])), radius, 1, -1)
    return mask.astype(bool)


def paint(frame: np.ndarray, mask: np.ndarray, skin: np.ndarray, place: Place) -> None:
    """Put a textured thing on a frame; its texture moves with it."""
    if place is None:
        return
    shift = (round(place[1]) - HEIGHT // 2, round(place[0]) - WIDTH // 2)
    frame[mask] = np.roll(skin, shift, axis=(0, 1))[mask]


def moving_disc(
    path: Callable[[int], Place],
    num_frames: int,
    *,
    skin: np.ndarray = RED,
    background: np.ndarray = BACKGROUND,
    in_front: Callable[[np.ndarray], None] | None = None,
    hidden: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Render one disc; returns frames (T, H, W, 3) and the visible masks (T, H, W)."""
    frames, masks = [], []
    for index in range(num_frames):
        frame = background.copy()
        place = path(index)
        mask = disc(place)
        paint(frame, mask, skin, place)
        if in_front is not None:
            in_front(frame)
        masks.append(mask & ~hidden if hidden is not None else mask)
        frames.append(frame)
    return np.stack(frames), np.stack(masks)


def mask_prompt(object_id: int, frame: int, mask: np.ndarray) -> Prompt:
    """Return a prompt that gives a mask."""
    return Prompt(object_id, frame, mask=Rle.encode(mask))


def propagate(
    frames: np.ndarray,
    prompts: Sequence[Prompt],
    *,
    propagator: FlowPropagator | None = None,
    direction: str = "forward",
    stop: int | None = None,
) -> list[FrameMasks]:
    """Run one propagation to its end."""
    with (propagator or FlowPropagator()).open(Video.from_frames(frames)) as session:
        for prompt in prompts:
            session.prompt(prompt)
        return list(session.run(direction, stop=stop))  # type: ignore[arg-type]


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Return intersection over union; 1 if both are empty."""
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 1.0
