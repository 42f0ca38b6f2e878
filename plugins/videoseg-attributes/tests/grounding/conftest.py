"""Drawn scenes whose surveys are exact, so that only the judging is tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from videoseg_attributes.regions.survey import Candidate, Survey

from videoseg.types import Rle, VideoSource, Window
from videoseg.video import Video

SIZE = (72, 96)
COLORS = {
    "red": (208, 34, 40), "green": (38, 152, 62), "blue": (34, 88, 208),
    "yellow": (248, 214, 38), "white": (240, 240, 238), "black": (26, 26, 30),
    "grey": (134, 137, 141),
}  # fmt: skip


@dataclass
class Thing:
    """A square: its color, its side in pixels, and where its centre is at time 0..1."""

    color: str
    side: int
    path: Callable[[float], tuple[float, float] | None]
    stripe: str | None = None


@dataclass
class Scene:
    """Frames, labels (0 ground, then 1...) and a survey that knows the labels."""

    things: Mapping[str, Thing]
    num_frames: int = 40
    depth_order: tuple[tuple[str, str], ...] = ()
    surveys: list[Window] = field(default_factory=list)

    def __post_init__(self) -> None:
        height, width = SIZE
        rng = np.random.default_rng(5)
        ground = rng.integers(120, 150, size=(height, width, 1)) + np.array([0, 12, -12])
        frames, labels = [], []
        self.places: dict[str, list[tuple[float, float] | None]] = {n: [] for n in self.things}
        for index in range(self.num_frames):
            frame, label = ground.astype(np.uint8).copy(), np.zeros(SIZE, np.uint8)
            for number, (name, thing) in enumerate(self.things.items(), start=1):
                place = thing.path(index / max(1, self.num_frames - 1))
                self.places[name].append(place)
                if place is None:
                    continue
                x, y = place[0] * width, place[1] * height
                half = thing.side / 2
                rows = slice(max(0, round(y - half)), max(0, round(y + half)))
                columns = slice(max(0, round(x - half)), max(0, round(x + half)))
                frame[rows, columns] = COLORS[thing.color]
                if thing.stripe is not None:
                    frame[rows, columns][: thing.side // 2] = COLORS[thing.stripe]
                label[rows, columns] = number
            frames.append(frame)
            labels.append(label)
        self.labels = np.stack(labels)
        self.video = Video.from_frames(np.stack(frames), fps=10, name="drawn")

    def survey(
        self,
        video: VideoSource,
        *,
        window: Window,
        num_frames: int = 24,
        max_candidates: int = 8,
        seed: int = 0,
    ) -> Survey:
        self.surveys.append(window)
        count = min(num_frames, len(window))
        places = np.linspace(window.start, window.stop - 1, count).round().astype(int)
        frames = tuple(int(frame) for frame in places)
        names = list(self.things)
        candidates = tuple(
            self._candidate(number, name, frames) for number, name in enumerate(names)
        )
        order = tuple((names.index(a), names.index(b)) for a, b in self.depth_order)
        return Survey(window, frames, SIZE, SIZE, candidates, (), order)

    def _candidate(self, number: int, name: str, frames: tuple[int, ...]) -> Candidate:
        masks, velocities, motion, cut = [], [], [], []
        diagonal = float(np.hypot(*SIZE))
        for frame in frames:
            mask = self.labels[frame] == number + 1
            masks.append(Rle.encode(mask) if mask.any() else None)
            cut.append(bool(mask[[0, -1]].any() or mask[:, [0, -1]].any()))
            now = self.places[name][frame]
            before = self.places[name][max(0, frame - 1)]
            if now is None or before is None or not mask.any():
                velocities.append(None)
                motion.append(None if not mask.any() else 0.0)
                continue
            step = (np.array(now) - before) * (SIZE[1], SIZE[0]) * 10 / diagonal
            velocities.append((float(step[0]), float(step[1])))
            motion.append(float(np.hypot(*step)))
        return Candidate(
            number, tuple(masks), 0.9 - 0.1 * number, tuple(velocities), tuple(motion), tuple(cut)
        )


def still(x: float, y: float) -> Callable[[float], tuple[float, float]]:
    """Stay at one place."""
    return lambda time: (x, y)


def going(
    start: tuple[float, float], end: tuple[float, float], *, since: float = 0.0, until: float = 1.0
) -> Callable[[float], tuple[float, float] | None]:
    """Go from one place to another; not there before ``since`` and after ``until``."""

    def path(time: float) -> tuple[float, float] | None:
        if not since <= time <= until:
            return None
        share = (time - since) / max(1e-9, until - since)
        return tuple(a + share * (b - a) for a, b in zip(start, end, strict=True))

    return path


@pytest.fixture
def street() -> Scene:
    """Return a scene of five things that differ in color, size, place and motion.

    Red goes left at the top and leaves half-way; blue, small, goes right in the middle; green,
    the largest, stands bottom left; yellow comes late on the right; white stands bottom right.
    """
    return Scene(
        {
            "red": Thing("red", 16, going((0.8, 0.15), (0.1, 0.15), until=0.45)),
            "blue": Thing("blue", 10, going((0.1, 0.45), (0.85, 0.45))),
            "green": Thing("green", 22, still(0.2, 0.8)),
            "yellow": Thing("yellow", 14, going((0.9, 0.25), (0.6, 0.25), since=0.6)),
            "white": Thing("white", 12, still(0.85, 0.85)),
        }
    )


@pytest.fixture
def swan() -> Scene:
    """Return a scene with a single thing: black, going right."""
    return Scene({"black": Thing("black", 24, going((0.25, 0.5), (0.75, 0.5)))})


@pytest.fixture
def make_scene() -> type[Scene]:
    """Return the class of drawn scenes."""
    return Scene


@pytest.fixture
def thing() -> type[Thing]:
    """Return the class of drawn things."""
    return Thing
