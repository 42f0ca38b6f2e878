"""What an answer has found: a keyframe, and for answers in text the objects on it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from videoseg_r1 import Answer, ObjectAnswer, parse_answer
from videoseg_r1.coordinates import Placement, find_placement, has_y_first, warn_of_numbers

from videoseg import Episode, Look, Prompt, Window
from videoseg.errors import GroundingParseError
from videoseg.text import shorten
from videoseg.types import ChatReply, FrameSelection, ImagePart
from videoseg_o3.parsing import Turn

__all__ = [
    "Finding",
    "default_keyframe",
    "find_keyframe",
    "find_objects",
    "keep_inside",
    "last_look_keyframe",
]

_VTG = re.compile(r"<VTG>.*?(?:</VTG>|\Z)[\s,]*", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """What an answer has found.

    Args:
        keyframe: The frame to locate the objects on; None if nothing in the video matches.
        prompts: The objects on that frame; None if they are still to be located.
        warnings: What is doubtful.
        details: Facts that the trace keeps.
    """

    keyframe: int | None
    prompts: tuple[Prompt, ...] | None = None
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def last_look_keyframe(episode: Episode) -> int | None:
    """Return the keyframe of the last look; None if there is no look, or it names none."""
    last = episode.moves[-1] if episode.moves else None
    return last.keyframe if isinstance(last, Look) else None


def default_keyframe(selection: FrameSelection) -> int:
    """Return the keyframe of a selection; if it has none, the middle one of its larger frames.

    If it has no larger frames either, the middle one of all.
    """
    if selection.keyframe is not None:
        return selection.keyframe
    frames = selection.of_role("detail") or selection.indices
    return frames[len(frames) // 2]


def keep_inside(episode: Episode, keyframe: int, warnings: list[str]) -> int:
    """Return a keyframe, or the nearest frame of the part of the video that was looked at."""
    windows = [selection.window for selection in episode.selections]
    part = Window(min(w.start for w in windows), max(w.stop for w in windows))
    if keyframe not in part:
        warnings.append(
            f"frame {keyframe} lies outside the frames {part.start} to {part.stop - 1}, which "
            "the model was shown frames of; the nearest of these is taken"
        )
    return part.nearest(keyframe)


def find_keyframe(
    reply: ChatReply, turn: Turn, episode: Episode, *, may_be_nothing: bool
) -> Finding:
    """Return the frame that an answer names for the objects to be located on.

    Args:
        reply: The reply.
        turn: What it says.
        episode: The episode before this move.
        may_be_nothing: Whether an answer without frames must say that nothing matches.

    Raises:
        GroundingParseError: If it names no frames and does not say that nothing matches.
    """
    if turn.keyframe is not None:
        return Finding(turn.keyframe)
    if may_be_nothing and turn.window is None:
        if _says_nothing(turn.block):
            return Finding(None, ())
        raise GroundingParseError(
            "the model's answer names no frames, and does not say that nothing in the video "
            f"matches: {shorten(turn.block)}",
            raw_text=reply.text,
        )
    looked = last_look_keyframe(episode)
    keyframe = default_keyframe(episode.selection) if looked is None else looked
    if turn.window is not None and keyframe not in turn.window:
        keyframe = turn.window.start + len(turn.window) // 2
    return Finding(keyframe, warnings=(_warn_of_no_keyframe(keyframe),))


def find_objects(
    reply: ChatReply,
    turn: Turn,
    episode: Episode,
    *,
    images: Sequence[ImagePart],
    coordinates: str,
) -> Finding:
    """Return the objects of an answer in text, on its keyframe.

    A model can only place objects in frames that it has seen: if it names another frame, the
    nearest one that it has seen is taken, with a warning.

    Args:
        reply: The reply.
        turn: What it says.
        episode: The episode before this move.
        images: The images of the conversation, in order.
        coordinates: The name of a coordinate space, or ``auto`` for that of the reply.

    Raises:
        GroundingParseError: If the answer names no place and does not say that nothing matches,
            or if every place lies outside the frame.
        ConfigError: If the coordinate space is not known.
    """
    answer = _read_answer(reply, turn, coordinates)
    if not answer.objects:
        return Finding(None, (), answer.warnings)
    warnings = [*answer.warnings]
    keyframe = _choose_seen_frame(turn, episode, warnings)
    placement = find_placement(
        reply,
        coordinates,
        source=episode.video.size,
        image=_find_image(images, keyframe),
        told=_find_named_space(answer),
    )
    prompts: list[Prompt] = []
    for found in answer.objects:
        prompt = _make_prompt(found, len(prompts) + 1, keyframe, placement.of(found.space))
        if prompt is None:
            warnings.append("an object of the answer lies outside the frame and is ignored")
        else:
            prompts.append(prompt)
    doubts = warn_of_numbers(answer.objects, placement)
    if not prompts:
        height, width = episode.video.size
        raise GroundingParseError(
            f"every object of the answer lies outside the frame of {width}x{height}; the model's "
            f"coordinates are perhaps not {placement.space}: try another 'coordinates'"
            + "".join(f"; {doubt}" for doubt in doubts),
            raw_text=reply.text,
        )
    return Finding(
        keyframe, tuple(prompts), tuple(dict.fromkeys([*warnings, *doubts])), placement.to_dict()
    )


def _read_answer(reply: ChatReply, turn: Turn, coordinates: str) -> Answer:
    try:
        # The range and the keyframe may stand in a block of their own.
        return parse_answer(_VTG.sub("", turn.block), y_first=has_y_first(reply, coordinates))
    except GroundingParseError as error:
        raise GroundingParseError(str(error), raw_text=reply.text) from error


def _says_nothing(block: str) -> bool:
    try:
        return not parse_answer(_VTG.sub("", block)).objects
    except GroundingParseError:
        return False


def _choose_seen_frame(turn: Turn, episode: Episode, warnings: list[str]) -> int:
    """Return the keyframe of an answer, or the nearest frame that was shown."""
    looked = last_look_keyframe(episode)
    keyframe = turn.keyframe
    if keyframe is None:
        keyframe = default_keyframe(episode.selection) if looked is None else looked
        warnings.append(_warn_of_no_keyframe(keyframe))
    seen = sorted({index for selection in episode.selections for index in selection.indices})
    nearest = min(seen, key=lambda frame: abs(frame - keyframe))
    if nearest != keyframe:
        warnings.append(
            f"the answer places objects in frame {keyframe}, which the model has not seen; they "
            f"are placed in frame {nearest}, the nearest that it has seen"
        )
    return nearest


def _warn_of_no_keyframe(keyframe: int) -> str:
    return f"the model's answer names no keyframe; frame {keyframe} is taken"


def _find_image(images: Sequence[ImagePart], frame: int) -> int:
    """Return the position of the image of a frame; of several, the largest, then the last."""
    positions = [position for position, image in enumerate(images) if image.frame == frame]
    return max(positions, key=lambda position: (images[position].max_pixels or 0, position))


def _find_named_space(answer: Answer) -> str | None:
    """Return the coordinate space that an answer names for all its objects, if it does."""
    spaces = {found.space for found in answer.objects}
    return next(iter(spaces - {"pixels"}), None) if len(spaces) == 1 else None


def _make_prompt(
    found: ObjectAnswer, object_id: int, frame: int, placement: Placement
) -> Prompt | None:
    """Return the prompt of an object; None if it lies outside the frame."""
    box = placement.box(found.box) if found.box is not None else None
    points = [p for p in map(placement.point, found.points) if p is not None]
    if box is not None and not points:
        points = [box.center]
    if not points:
        return None
    negatives = [p for p in map(placement.point, found.negative_points) if p is not None]
    return Prompt(
        object_id,
        frame,
        box=box,
        points=tuple(points),
        negative_points=tuple(negatives),
        label=found.label,
    )
