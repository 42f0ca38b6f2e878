"""Things in a video that a query might mean, as a survey of a window found them."""

from __future__ import annotations

from dataclasses import dataclass

from videoseg.types import BoolArray, Rle, Size, Window

__all__ = ["Candidate", "Survey"]


@dataclass(frozen=True, eq=False, slots=True)
class Candidate:
    """One thing that might be meant: where it is on each surveyed frame.

    Args:
        candidate_id: From 0, most salient first.
        masks: One for each frame of the survey, at ``Survey.size``; None where not visible.
        saliency: How much it stands out (motion, contrast, size, position), in [0, 1].
        velocities: Camera-compensated velocity of its centre on each surveyed frame, as
            (x, y) in frame diagonals per second; None where not visible or not measurable.
        motion: Camera-compensated motion inside the mask on each surveyed frame, in frame
            diagonals per second; None where not visible. Unlike the velocity it is also above
            zero for something that moves without going anywhere (a dancer on the spot).
        cut_by_border: For each surveyed frame, whether the mask touches the frame's border.
        clarity: How sure its outline is on each surveyed frame, in [0, 1]; 0 where not
            visible. Empty if the survey does not tell.
    """

    candidate_id: int
    masks: tuple[Rle | None, ...]
    saliency: float
    velocities: tuple[tuple[float, float] | None, ...]
    motion: tuple[float | None, ...]
    cut_by_border: tuple[bool, ...]
    clarity: tuple[float, ...] = ()

    @property
    def visible(self) -> tuple[bool, ...]:
        """Whether it is visible on each surveyed frame."""
        return tuple(mask is not None for mask in self.masks)

    def mask(self, position: int) -> BoolArray | None:
        """Return the mask on the surveyed frame at this position of ``Survey.frames``."""
        rle = self.masks[position]
        return None if rle is None else rle.decode()


@dataclass(frozen=True, eq=False, slots=True)
class Survey:
    """What was found in a window of a video.

    Args:
        window: The window surveyed.
        frames: The surveyed frame indices, ascending.
        size: (height, width) of the candidates' masks (smaller than the source).
        source_size: (height, width) of the source frames.
        candidates: Most salient first; their masks are disjoint on each frame.
        cuts: Frame indices at which a new shot begins.
        depth_order: Pairs (front, behind) of candidate ids for which one was seen to
            occlude the other.
    """

    window: Window
    frames: tuple[int, ...]
    size: Size
    source_size: Size
    candidates: tuple[Candidate, ...]
    cuts: tuple[int, ...] = ()
    depth_order: tuple[tuple[int, int], ...] = ()
