"""Compare the propagator ``flow`` with and without ``follow`` on drawn clips of large frames.

Run from the repository root:

    python tests/benchmarks/follow_drawn.py --frames 48 --width 3840

Small things with arms move over a textured scene while the camera pans; each clip is another
case: one thing, two that part, one that passes behind a wall, one that leaves the frame and comes
back, one that grows until it fills the frame. Both propagate the same frames in turn. J is over
all frames but the first, in percent; processor seconds include the work of all threads but not
drawing.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator

import cv2
import numpy as np
from videoseg_attributes.propagation.flow import FlowPropagator

from videoseg.metrics import region_j
from videoseg.types import BoolArray, Frame, Prompt, Rle

CASES = ("one", "two", "wall", "leaves", "grows")


def _texture(height: int, width: int, seed: int, color: tuple[int, int, int]) -> np.ndarray:
    generator = np.random.default_rng(seed)
    coarse, fine = (
        cv2.GaussianBlur(
            cv2.resize(
                generator.standard_normal((height // step + 1, width // step + 1)).astype("f4"),
                (width, height),
                interpolation=cv2.INTER_CUBIC,
            ),
            (0, 0),
            2.0,
        )
        for step in (40, 6)
    )
    colors = np.array(color) + 16 * coarse[..., None] + 14 * fine[..., None]
    return np.asarray(np.clip(colors, 0, 255), dtype=np.uint8)


class DrawnClip:
    """A clip that is drawn frame by frame.

    Args:
        case: One of ``CASES``.
        height: Of a frame.
        width: Of a frame.
        num_frames: How many frames.
    """

    def __init__(self, case: str, height: int, width: int, num_frames: int) -> None:
        self.case, self.size, self.num_frames = case, (height, width), num_frames
        self._pan = max(1, width // 640)
        scene_width = width + self._pan * num_frames
        self._scene = _texture(height, scene_width, 1, (110, 120, 100))
        self._skins = [
            _texture(height, width, 2, (170, 90, 70)),
            _texture(height, width, 3, (80, 90, 160)),
        ]

    def places(self, index: int) -> list[tuple[float, float, float]]:
        """Return (x, y, radius) of each thing, in pixels of the frame."""
        height, width = self.size
        t = index / max(1, self.num_frames - 1)
        radius = height / 36
        if self.case == "grows":
            return [(width * (0.3 + 0.2 * t), height * 0.5, radius * (1 + 9 * t))]
        if self.case == "leaves":
            return [(width * (0.88 + 0.5 * t * (1 - t)), height * 0.4, radius)]
        first = (width * (0.25 + 0.3 * t), height * (0.5 + 0.1 * np.sin(6 * t)), radius)
        if self.case == "two":
            return [first, (width * (0.3 + 0.55 * t), height * (0.55 - 0.3 * t), radius)]
        return [first]

    def masks(self, index: int) -> list[BoolArray]:
        """Return the visible part of each thing, (H, W)."""
        masks: list[BoolArray] = []
        for number, (x, y, radius) in enumerate(self.places(index)):
            angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
            swing = 0.25 * np.sin(index / 4 + number)
            reach = radius * (1 + 0.45 * np.sin(5 * (angles + swing)))
            outline = np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], axis=1)
            drawn = np.zeros(self.size, np.uint8)
            cv2.fillPoly(drawn, [np.rint(outline).astype(np.int32)], 1)
            mask = drawn.astype(bool)
            if self.case == "wall":
                mask[:, self._wall(index)] = False
            masks = [earlier & ~mask for earlier in masks]
            masks.append(mask)
        return masks

    def _wall(self, index: int) -> slice:
        height, width = self.size
        left = round(width * 0.5) - self._pan * index
        return slice(max(0, left), max(0, left + height // 9))

    def frames(self) -> Iterator[Frame]:
        """Draw the frames one by one."""
        for index in range(self.num_frames):
            left = self._pan * index
            frame = self._scene[:, left : left + self.size[1]].copy()
            if self.case == "wall":
                frame[:, self._wall(index)] = (90, 85, 80)
            for mask, skin, (x, y, _) in zip(
                self.masks(index), self._skins, self.places(index), strict=False
            ):
                rows, columns = np.nonzero(mask)
                # The skin moves with the thing.
                frame[rows, columns] = skin[
                    (rows - round(y)) % self.size[0], (columns - round(x)) % self.size[1]
                ]
            yield frame


class _Drawn:
    """A clip as a video source, which knows how long it took to draw."""

    def __init__(self, clip: DrawnClip) -> None:
        self._clip = clip
        self.size, self.num_frames, self.fps, self.name = clip.size, clip.num_frames, 24.0, "drawn"
        self.timestamps = np.arange(clip.num_frames) / self.fps
        self.seconds = 0.0

    def __len__(self) -> int:
        return self.num_frames

    def __getitem__(self, index: int) -> Frame:
        raise NotImplementedError("frames are drawn in order")

    def iter_frames(
        self, start: int = 0, stop: int | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        assert start == 0 and not reverse
        frames = self._clip.frames()
        for index in range(self.num_frames if stop is None else stop):
            began = time.thread_time()
            frame = next(frames)
            self.seconds += time.thread_time() - began
            yield index, frame


def measure(clip: DrawnClip, *, follow: bool) -> tuple[float, float, float]:
    """Propagate a clip; return J, and processor seconds and wall seconds a frame."""
    scores: list[float] = []
    video = _Drawn(clip)
    cpu = wall = 0.0
    with FlowPropagator(follow=follow).open(video) as session:
        for object_id, mask in enumerate(clip.masks(0), start=1):
            session.prompt(Prompt(object_id, 0, mask=Rle.encode(mask)))
        running = session.run()
        while True:
            before, began = time.process_time(), time.perf_counter()
            result = next(running, None)
            cpu += time.process_time() - before
            wall += time.perf_counter() - began
            if result is None:
                break
            if result.frame:
                truth = np.stack(clip.masks(result.frame))
                found = np.stack([result.masks[n + 1] for n in range(len(truth))])
                scores.append(float(region_j(found, truth).mean()))
    return (
        float(np.mean(scores)),
        (cpu - video.seconds) / clip.num_frames,
        wall / clip.num_frames,
    )


def main() -> None:
    """Measure every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--width", type=int, default=3840)
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    options = parser.parse_args()
    height = round(options.width * 9 / 16)
    print("| clip | J | J, follow | CPU ms | CPU ms, follow | ratio of CPU time |")
    print("|---|---|---|---|---|---|")
    for case in options.cases:
        clip = DrawnClip(case, height, options.width, options.frames)
        plain, followed = measure(clip, follow=False), measure(clip, follow=True)
        print(
            f"| {case} | {100 * plain[0]:.1f} | {100 * followed[0]:.1f} | {1000 * plain[1]:.0f} "
            f"| {1000 * followed[1]:.0f} | {followed[1] / plain[1]:.2f} |",
            flush=True,
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{options.frames} frames of {options.width}x{height}; peak {peak:.0f} MiB")


if __name__ == "__main__":
    main()
