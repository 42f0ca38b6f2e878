"""What has to be computed after something changed, and no more.

A correction changes its object from its frame on, up to the next frame that a person corrected.
A person's correction outweighs the answer to a query, whose own masks do not end a stretch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from videoseg.errors import ConfigError
from videoseg.stages import Direction
from videoseg.types import Prompt, Rle
from videoseg_studio.editing.state import Correction, EditObject, EditState, History

__all__ = ["Pass", "plan_passes"]


@dataclass(frozen=True, slots=True)
class Pass:
    """One run of the propagator.

    Args:
        direction: Where it runs.
        prompts: Where it begins, other objects included, since objects compete for pixels.
        kept: By object the frames whose masks are kept; those of others stay as they are.
        absent: By object the frames on which it is said not to be visible, without a run.
    """

    direction: Direction
    prompts: tuple[Prompt, ...] = ()
    kept: dict[int, range] = field(default_factory=dict)
    absent: dict[int, range] = field(default_factory=dict)

    @property
    def bound(self) -> int:
        """Forward the frame to stop before, backward the last frame to visit."""
        if self.direction == "forward":
            return max(frames.stop for frames in self.kept.values())
        return min(frames.start for frames in self.kept.values())

    @property
    def num_frames(self) -> int:
        """How many frames the propagator visits."""
        if not self.prompts:
            return 0
        frames = [prompt.frame for prompt in self.prompts]
        if self.direction == "forward":
            return max(0, self.bound - min(frames))
        return max(0, max(frames) - self.bound + 1)


def plan_passes(
    history: History,
    shown: Callable[[int, int], Rle | None],
    num_frames: int,
    *,
    objects: Sequence[int] = (),
    directions: Sequence[Direction] = ("forward", "backward"),
    frame: int | None = None,
    reach: int | None = None,
    limit: int | None = None,
    forward_only: bool = False,
) -> tuple[list[Pass], list[int]]:
    """Return the runs that bring masks up to date with the corrections.

    Args:
        history: The project.
        shown: Returns the mask of an object on a frame, if it is known.
        num_frames: Number of frames of the video.
        objects: The objects; by default those with a correction that has not been propagated.
        directions: Where to propagate.
        frame: Only from the correction of this frame; by default from all that are pending.
        reach: How many frames beside a correction are computed at most; None for no limit.
        limit: How many objects the propagator takes in one run; None for any number.
        forward_only: Whether objects of the answer are not there before their first prompt.

    Returns:
        The runs, and the numbers of the corrections that they begin from.

    Raises:
        ConfigError: If there is nothing to propagate.
    """
    state = history.state
    wanted = [
        (one, correction)
        for one, correction in state.corrections()
        if (not objects or one.object_id in objects)
        and (correction.frame == frame if frame is not None else history.is_pending(correction))
    ]
    if not wanted:
        raise ConfigError(
            f"no object has a mask of yours on frame {frame}; correct one there first"
            if frame is not None
            else "everything is propagated already; correct a mask first"
        )
    answered = [pair for pair in wanted if pair[1].origin == "answer"]
    by_frame: dict[int, list[tuple[EditObject, Correction]]] = {}
    for pair in wanted:
        if pair[1].origin == "user":
            by_frame.setdefault(pair[1].frame, []).append(pair)
    passes: list[Pass] = []
    for direction in directions:
        if answered and not (direction == "backward" and forward_only):
            passes += _answer_passes(answered, num_frames, direction, limit)
        for at in sorted(by_frame, reverse=direction == "backward"):
            first = 0 if reach is None else max(0, at - reach)
            stop = num_frames if reach is None else min(num_frames, at + reach + 1)
            passes += _user_passes(
                state, by_frame[at], shown, range(first, stop), direction, limit
            )
    starts = sorted({correction.seq for _, correction in wanted})
    return passes, starts


def _answer_passes(
    pairs: Sequence[tuple[EditObject, Correction]],
    num_frames: int,
    direction: Direction,
    limit: int | None,
) -> list[Pass]:
    """Return the runs of an answer, as a pipeline makes them: all objects together."""
    first: dict[int, int] = {}
    for one, correction in pairs:
        known = first.get(one.object_id, correction.frame)
        first[one.object_id] = min(known, correction.frame)
    passes = []
    ids = sorted(first)
    each = limit or len(ids)
    for begin in range(0, len(ids), each):
        members = ids[begin : begin + each]
        kept = {
            object_id: range(first[object_id], num_frames)
            if direction == "forward"
            else range(first[object_id])
            for object_id in members
        }
        kept = {object_id: frames for object_id, frames in kept.items() if frames}
        prompts = tuple(
            Prompt(one.object_id, correction.frame, mask=correction.mask)
            for one, correction in pairs
            if one.object_id in members and correction.mask.area
        )
        if kept and prompts:
            passes.append(Pass(direction, prompts, kept))
    return passes


def _user_passes(
    state: EditState,
    pairs: Sequence[tuple[EditObject, Correction]],
    shown: Callable[[int, int], Rle | None],
    within: range,
    direction: Direction,
    limit: int | None,
) -> list[Pass]:
    """Return the runs from the corrections of one frame."""
    at = pairs[0][1].frame
    kept: dict[int, range] = {}
    absent: dict[int, range] = {}
    prompts: list[Prompt] = []
    for one, correction in pairs:
        frames = _stretch(one, at, within, direction)
        if not frames:
            continue
        if correction.mask.area:
            kept[one.object_id] = frames
            prompts.append(Prompt(one.object_id, at, mask=correction.mask))
        else:
            absent[one.object_id] = frames
    passes = [Pass(direction, absent=absent)] if absent else []
    others = [
        Prompt(object_id, at, mask=mask)
        for object_id in state.objects
        if object_id not in {one.object_id for one, _ in pairs}
        and (mask := shown(object_id, at)) is not None
        and mask.area
    ]
    each = limit or max(1, len(prompts) + len(others))
    for begin in range(0, len(prompts), each):
        some = prompts[begin : begin + each]
        ids = {prompt.object_id for prompt in some}
        competing = others[: each - len(some)]
        passes.append(
            Pass(direction, (*some, *competing), {key: kept[key] for key in kept if key in ids})
        )
    return passes


def _stretch(one: EditObject, at: int, within: range, direction: Direction) -> range:
    """Return the frames beside a correction, up to the next one that the user made."""
    others = [frame for frame in one.frames("user") if frame != at and frame in within]
    if direction == "forward":
        return range(at + 1, min([frame for frame in others if frame > at], default=within.stop))
    return range(max([frame for frame in others if frame < at], default=within.start - 1) + 1, at)
