"""``make_clip`` and the ``SyntheticClip`` that it returns."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
from annotated_types import Ge, Gt, Interval

from videoseg.errors import ObjectNotFoundError, VideosegError
from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import BoolArray, Frame, MaskTrack, Rle, Size
from videoseg_synthetic.facts import ObjectFacts, object_facts
from videoseg_synthetic.measure import Measurements, measure
from videoseg_synthetic.plan import Camera, SceneWishes, plan_scene, scene_is_fair
from videoseg_synthetic.questions import Difficulty, all_questions
from videoseg_synthetic.reference import SyntheticQuery, reference_query
from videoseg_synthetic.renderer import SceneRenderer
from videoseg_synthetic.stories import Script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from videoseg.video import Video

__all__ = ["ClipSize", "SyntheticClip", "make_clip"]

_Side: TypeAlias = Annotated[int, Ge(64)]

ClipSize: TypeAlias = tuple[_Side, _Side]
"""(height, width) of a clip, each at least 64."""

_MOST_OBJECTS = 12

_ATTEMPTS = 60
"""Scenes planned for a seed until one is accepted; the second half is judged leniently."""

# An object must show at least this part of itself on one frame in so many (chosen by hand).
_SHOWN_WELL = 0.6
_SHOWN_ON_ONE_IN = 8
_SHOWN_ON_ONE_IN_LENIENT = 12

_STORIES_FOR: dict[Difficulty, tuple[Script, ...]] = {
    "appearance": ("crossing", "arrivals", "hidden", "still_life", "passing", "flock"),
    "motion": ("crossing", "flock", "passing"),
    "time": ("arrivals", "hidden"),
    "relations": ("still_life", "passing"),
    "several_steps": ("flock", "arrivals", "crossing"),
    "absent": ("crossing", "arrivals", "hidden", "still_life", "passing", "flock"),
}


class SyntheticClip:
    """A rendered clip with exact masks, queries and reference reasoning.

    Masks and queries exist from the start; frames are drawn when they are first used.

    Args:
        renderer: Draws the frames.
        seen: Measurements of what is visible in them.
        queries: The queries.
        seed: The seed the clip was made with.
    """

    def __init__(
        self,
        renderer: SceneRenderer,
        seen: Measurements,
        *,
        queries: tuple[SyntheticQuery, ...],
        seed: int,
    ) -> None:
        self._renderer = renderer
        self._seen = seen
        self._queries = queries
        self._seed = seed

    def __repr__(self) -> str:
        height, width = self.size
        return (
            f"SyntheticClip(seed={self.seed}, {self.num_frames} frames of {width}x{height}, "
            f"{len(self.objects)} objects, {len(self.queries)} queries)"
        )

    @property
    def seed(self) -> int:
        """The seed the clip was made with."""
        return self._seed

    @property
    def name(self) -> str:
        """A short name, unique for the seed."""
        return f"synthetic-{self._seed}"

    @property
    def size(self) -> Size:
        """(height, width) of every frame."""
        return self._seen.scene.size

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self._seen.scene.fps

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return self._seen.num_frames

    @property
    def queries(self) -> tuple[SyntheticQuery, ...]:
        """The queries; those of the requested difficulty come first."""
        return self._queries

    @property
    def labels(self) -> Frame:
        """Object id of each pixel, shape (T, H, W); 0 is ground, 255 a foreground bar."""
        return self._seen.labels

    @cached_property
    def frames(self) -> Frame:
        """All frames, RGB uint8, shape (T, H, W, 3)."""
        frames = np.empty((self.num_frames, *self.size, 3), dtype=np.uint8)
        for index in range(self.num_frames):
            frames[index] = self._renderer.render(index)
        return frames

    @cached_property
    def video(self) -> Video:
        """The frames as a video for the stages."""
        from videoseg.video import Video

        return Video.from_frames(self.frames, fps=self.fps, name=self.name)

    @cached_property
    def objects(self) -> tuple[ObjectFacts, ...]:
        """Facts about each object, by id."""
        return tuple(object_facts(self._seen, k) for k in range(len(self._seen.objects)))

    @cached_property
    def tracks(self) -> tuple[MaskTrack, ...]:
        """The exact visible mask of each object on each frame, by id."""
        return tuple(
            MaskTrack(
                item.object_id,
                self.size,
                tuple(
                    Rle.encode(self.labels[frame] == item.object_id)
                    if self._seen.areas[index, frame]
                    else None
                    for frame in range(self.num_frames)
                ),
                label=f"{item.color} {item.shape}",
            )
            for index, item in enumerate(self._seen.objects)
        )

    @cached_property
    def cuts(self) -> tuple[int, ...]:
        """Frame indices at which a new shot begins."""
        changes = np.flatnonzero(np.diff(self._seen.scene.shots)) + 1
        return tuple(int(frame) for frame in changes)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The ids of the objects."""
        return tuple(item.object_id for item in self._seen.objects)

    def render(self, index: int, *, noise_index: int | None = None) -> Frame:
        """Draw one frame, shape (H, W, 3), without caching it.

        Args:
            index: From 0 to ``num_frames - 1``.
            noise_index: Which draw of the sensor noise; by default that of the frame.
        """
        return self._renderer.render(index, noise_index=noise_index)

    def iter_frames(self) -> Iterator[Frame]:
        """Yield the frames one by one without caching them."""
        for index in range(self.num_frames):
            yield self._renderer.render(index)

    def masks(self, object_id: int) -> BoolArray:
        """Return the visible masks of one object, shape (T, H, W).

        Raises:
            ObjectNotFoundError: If there is no such object.
        """
        self._require(object_id)
        return np.asarray(self.labels == object_id)

    def amodal_mask(self, object_id: int, frame: int) -> BoolArray:
        """Return an object's mask inside the picture including its hidden parts, shape (H, W).

        Raises:
            ObjectNotFoundError: If there is no such object.
        """
        self._require(object_id)
        return self._renderer.amodal_mask(frame, object_id)

    def answer_masks(self, query: SyntheticQuery) -> BoolArray:
        """Return the union of the masks of a query's objects, shape (T, H, W)."""
        return np.asarray(np.isin(self.labels, query.object_ids))

    def queries_of(self, difficulty: Difficulty) -> tuple[SyntheticQuery, ...]:
        """Return the queries of one difficulty."""
        return tuple(query for query in self.queries if query.difficulty == difficulty)

    def _require(self, object_id: int) -> None:
        if object_id not in self.object_ids:
            raise ObjectNotFoundError(
                f"there is no object {object_id}; the objects are {list(self.object_ids)}"
            )


@checked_options("make_clip")
def make_clip(
    *,
    seed: Annotated[int, Ge(0)] = 0,
    num_frames: PositiveInt = 48,
    size: ClipSize = (240, 320),
    fps: Annotated[float, Gt(0)] = 12.0,
    num_objects: Annotated[int, Interval(ge=1, le=_MOST_OBJECTS)] | None = None,
    difficulty: Difficulty | None = None,
    script: Script | None = None,
    camera: Camera | None = None,
    noise: float | None = None,
    brightness_drift: float | None = None,
    posts: bool | None = None,
    cut: bool = False,
    static: bool = False,
    shadows: bool = True,
) -> SyntheticClip:
    """Make a clip. The same arguments give the same bytes.

    Args:
        seed: Any whole number from 0; all randomness derives from it. The benchmark
            ``synthetic`` reserves the seeds from 1,000,000 to 3,999,999.
        num_frames: Length, at least 1.
        size: (height, width), each at least 64.
        fps: Frames per second.
        num_objects: From 1 to 12; by default 3 to 5.
        difficulty: The clip has at least one query of this difficulty, and lists these first.
        script: The kind of story; by default one that suits the difficulty.
        camera: ``still``, ``pan`` or ``shake``; by default any of them.
        noise: Standard deviation of the sensor noise in gray levels; by default 1.5 to 4.
        brightness_drift: Maximum relative change of brightness; by default 0 or 0.06.
        posts: Whether there are static bars in the foreground; by default if the story needs one.
        cut: Whether a second shot begins about half-way.
        static: Nothing moves; only the noise changes.
        shadows: Whether objects cast soft shadows.

    Raises:
        ConfigError: If an argument is out of range; all problems are listed.
        VideosegError: If no scene with these arguments has a query of the difficulty.

    Example:
        >>> clip = make_clip(seed=3, num_frames=12, size=(96, 128))
        >>> clip.frames.shape
        (12, 96, 128, 3)
    """
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng((seed, attempt))
        stories = _STORIES_FOR[difficulty or "appearance"]
        wishes = SceneWishes(
            size,
            num_frames,
            fps,
            script or stories[int(rng.integers(len(stories)))],
            num_objects=num_objects,
            camera=camera,
            noise=noise,
            brightness_drift=brightness_drift,
            posts=posts,
            cut=cut,
            static=static,
            shadows=shadows,
        )
        renderer = SceneRenderer(plan_scene(rng, wishes, seed=seed))
        lenient = attempt >= _ATTEMPTS // 2
        if not lenient and not scene_is_fair(renderer.scene, renderer.mean_ground):
            continue
        seen = measure(renderer)
        if not _all_are_seen(seen, lenient=lenient):
            continue
        proposals = all_questions(seen, rng)
        if difficulty is not None:
            proposals.sort(key=lambda proposal: proposal.difficulty != difficulty)
            if not proposals or proposals[0].difficulty != difficulty:
                continue
        queries = tuple(reference_query(seen, proposal) for proposal in proposals)
        return SyntheticClip(renderer, seen, queries=queries, seed=seed)
    raise VideosegError(
        f"no scene of {num_frames} frames with these arguments has a query of difficulty "
        f"{difficulty!r}; use more frames or more objects, or leave out other arguments"
    )


def _all_are_seen(seen: Measurements, *, lenient: bool) -> bool:
    """Return whether each object is well visible for long enough to ask about it."""
    if not seen.seen.any(axis=1).all():
        return False
    best = seen.fractions >= _SHOWN_WELL
    one_in = _SHOWN_ON_ONE_IN_LENIENT if lenient else _SHOWN_ON_ONE_IN
    needed = max(1, seen.num_frames // one_in)
    return bool((best.sum(axis=1) >= needed).all())
