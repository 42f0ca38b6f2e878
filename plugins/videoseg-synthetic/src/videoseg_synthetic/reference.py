"""The reference answer to a question: where to look, what to say, which prompts to give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from videoseg.types.arrays import BoolArray, Size
from videoseg.types.episode import Trace, TraceTurn
from videoseg.types.geometry import Box, Point, Window
from videoseg.types.grounding import Grounding, Look, Move, Prompt, Thought
from videoseg.types.selection import FrameSelection
from videoseg_synthetic.measure import Measurements
from videoseg_synthetic.questions.proposal import Difficulty, Proposal, join, name, span

__all__ = ["SyntheticQuery", "inner_points", "reference_query"]

_OVERVIEW_FRAMES = 8
_DETAIL_FRAMES = 6


@dataclass(frozen=True, slots=True)
class SyntheticQuery:
    """A query on a synthetic clip, with its answer and a reference way to it.

    Args:
        text: The query.
        difficulty: What it takes to answer it.
        kind: The sort of question, such as ``color`` or ``moves-left``.
        object_ids: The objects meant, sorted; none if nothing in the video fits.
        keyframes: Frames good for localisation, best first; none if there is no answer.
        window: Where the evidence lies.
        selections: The frames shown in each turn of the reference reasoning.
        moves: The reference moves: perhaps a look, then the grounding.
        trace: The reference reasoning, turn by turn.
        grounding: The reference answer: for each object a box, inner points and points that
            are not on it.
    """

    text: str
    difficulty: Difficulty
    kind: str
    object_ids: tuple[int, ...]
    keyframes: tuple[int, ...]
    window: Window
    selections: tuple[FrameSelection, ...]
    moves: tuple[Move, ...]
    trace: Trace
    grounding: Grounding

    @property
    def keyframe(self) -> int | None:
        """The best frame for localisation; None if there is no answer."""
        return self.keyframes[0] if self.keyframes else None


def reference_query(seen: Measurements, proposal: Proposal) -> SyntheticQuery:
    """Work out the whole reference answer to a proposed question."""
    whole = Window(0, seen.num_frames)
    frames = _keyframes(seen, proposal)
    keyframe = frames[0] if frames else None
    prompts = _prompts(seen, proposal, keyframe) if keyframe is not None else ()
    overview = FrameSelection.of(
        _uniform(whole, _OVERVIEW_FRAMES),
        window=whole,
        reason="An overview of the whole video.",
    )
    linguistic = f'"{proposal.text}": {proposal.linguistic}'
    answer = Thought(
        temporal=proposal.temporal,
        spatial=_where(seen, prompts) if prompts else _roll_call(seen),
        linguistic=linguistic,
    )
    selections, moves = [overview], list[Move]()
    if proposal.difficulty not in ("appearance", "absent") and keyframe is not None:
        window = Window(
            min(proposal.window.start, keyframe), max(proposal.window.stop, keyframe + 1)
        )
        first = _whole_text(_first_thought(proposal, window, keyframe))
        moves.append(Look(window, keyframe, first))
        selections.append(
            FrameSelection.of(
                _uniform(window, _DETAIL_FRAMES),
                window=window,
                keyframe=keyframe,
                reason=f"A closer look at {span(window)}.",
            )
        )
    grounding = Grounding(keyframe, prompts, thought=_whole_text(answer), confidence=1.0)
    moves.append(grounding)
    turns = tuple(
        TraceTurn(
            selection,
            "look" if isinstance(move, Look) else "answer",
            move.thought,
            look_window=move.window if isinstance(move, Look) else None,
            look_keyframe=move.keyframe if isinstance(move, Look) else None,
        )
        for selection, move in zip(selections, moves, strict=True)
    )
    return SyntheticQuery(
        text=proposal.text,
        difficulty=proposal.difficulty,
        kind=proposal.kind,
        object_ids=tuple(sorted(seen.objects[k].object_id for k in proposal.answer)),
        keyframes=frames,
        window=proposal.window,
        selections=tuple(selections),
        moves=tuple(moves),
        trace=Trace(turns),
        grounding=grounding,
    )


def inner_points(mask: BoolArray, *, count: int = 2) -> tuple[Point, ...]:
    """Return points well inside a mask: far from its border and from one another.

    Args:
        mask: Shape (H, W), not empty.
        count: How many at most.

    Returns:
        Pixel centres, the innermost first.
    """
    import cv2

    filled_rows, filled_columns = (
        np.flatnonzero(mask.any(axis=1)),
        np.flatnonzero(mask.any(axis=0)),
    )
    top, left = int(filled_rows[0]), int(filled_columns[0])
    part = mask[top : int(filled_rows[-1]) + 1, left : int(filled_columns[-1]) + 1]
    # A border of zeros: the edge of the picture is a border like any other.
    depth = cv2.distanceTransform(np.pad(part.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    deepest = float(depth.max())
    rows = np.arange(depth.shape[0])[:, None]
    columns = np.arange(depth.shape[1])[None, :]
    points: list[Point] = []
    for _ in range(count):
        row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
        if depth[row, column] < max(1.0, 0.3 * deepest):
            break
        points.append(Point(float(left + column) + 0.5, float(top + row) + 0.5))
        away = (rows - row) ** 2 + (columns - column) ** 2
        depth = np.where(away < deepest**2, 0, depth)
    return tuple(points)


def _keyframes(seen: Measurements, proposal: Proposal) -> tuple[int, ...]:
    """Return frames that show all the objects meant, best first."""
    if not proposal.answer:
        return ()
    targets = list(proposal.answer)
    window = np.arange(seen.num_frames)
    inside = (window >= proposal.window.start) & (window < proposal.window.stop)
    together = np.asarray(seen.seen[targets].all(axis=0))
    candidates = np.asarray(inside & together)
    if not candidates.any():
        candidates = np.asarray(together)
    if not candidates.any():
        # They are never seen together; the others get prompts on frames of their own.
        candidates = np.asarray(seen.seen[targets[0]])
    middle = (proposal.window.start + proposal.window.stop - 1) / 2
    shown = np.minimum(seen.fractions[targets].min(axis=0), 1.0)
    near = 1 - np.abs(window - middle) / max(1, seen.num_frames)
    score = np.where(candidates, shown + 0.05 * near, -1.0)
    best: list[int] = []
    for frame in np.argsort(-score, kind="stable"):
        if score[frame] < 0 or len(best) == 3:
            break
        if all(abs(int(frame) - other) >= max(1, len(proposal.window) // 6) for other in best):
            best.append(int(frame))
    return tuple(best)


def _prompts(seen: Measurements, proposal: Proposal, keyframe: int) -> tuple[Prompt, ...]:
    prompts = []
    for index in sorted(proposal.answer):
        frame = keyframe
        if not seen.seen[index, frame]:
            frame = int(np.argmax(seen.fractions[index]))
        item = seen.objects[index]
        labels = seen.labels[frame]
        x1, y1, x2, y2 = (float(value) for value in seen.boxes[index, frame])
        prompts.append(
            Prompt(
                item.object_id,
                frame,
                box=Box(x1, y1, x2, y2),
                points=inner_points(labels == item.object_id),
                negative_points=_negative_points(seen, index, frame),
                label=f"{item.color} {item.shape}",
                score=1.0,
            )
        )
    return tuple(prompts)


def _negative_points(seen: Measurements, index: int, frame: int) -> tuple[Point, ...]:
    """Return a point on each of the two nearest other objects, or on the ground beside it."""
    labels = seen.labels[frame]
    here = seen.centroids[index, frame]
    others = [k for k in np.flatnonzero(seen.seen[:, frame]) if k != index]
    others.sort(key=lambda k: float(np.hypot(*(seen.centroids[k, frame] - here))))
    points: list[Point] = []
    for other in others[:2]:
        points += inner_points(labels == seen.objects[other].object_id, count=1)
    if not points:
        points += inner_points(labels != seen.objects[index].object_id, count=1)
    return tuple(points)


def _first_thought(proposal: Proposal, window: Window, keyframe: int) -> Thought:
    reasons = {
        "motion": "It takes several frames to tell how things move",
        "time": "What counts is when things come, go or are hidden",
        "relations": "It depends on where things are at the same moment",
        "several_steps": "The question has several parts that must be checked one after another",
    }
    return Thought(
        temporal=f"The overview suggests that what matters happens in {span(window)}.",
        spatial=f"Frame {keyframe} should show what is meant clearly enough to localise it.",
        linguistic=f'"{proposal.text}": {reasons[proposal.difficulty]}, so look closer first.',
    )


def _where(seen: Measurements, prompts: tuple[Prompt, ...]) -> str:
    sentences = []
    for prompt in prompts:
        box = prompt.box
        if box is None:
            continue
        index = prompt.object_id - 1
        sentences.append(
            f"In frame {prompt.frame} {name(seen, index)} spans x {box.x1:.0f} to {box.x2:.0f} "
            f"and y {box.y1:.0f} to {box.y2:.0f}, {_region(box, seen.scene.size)}."
        )
    return " ".join(sentences)


def _roll_call(seen: Measurements) -> str:
    return f"The video shows {join([name(seen, k) for k in range(len(seen.objects))])}."


def _region(box: Box, size: Size) -> str:
    height, width = size
    center = box.center
    column = ("on the left", "in the middle", "on the right")[min(2, int(3 * center.x / width))]
    row = ("at the top", "", "at the bottom")[min(2, int(3 * center.y / height))]
    return f"{row} {column}".strip()


def _uniform(window: Window, count: int) -> tuple[int, ...]:
    positions = np.linspace(window.start, window.stop - 1, min(count, len(window)))
    return tuple(sorted({round(float(position)) for position in positions}))


def _whole_text(thought: Thought) -> Thought:
    text = " ".join((thought.temporal, thought.spatial, thought.linguistic))
    return Thought(
        text=text,
        temporal=thought.temporal,
        spatial=thought.spatial,
        linguistic=thought.linguistic,
    )
