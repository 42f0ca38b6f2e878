"""Text about answers, videos and frames, shared by the report and the notebook view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videoseg.masks import Color, object_color, readable_text_color
from videoseg.results.overlay import object_name
from videoseg.results.segmentation import Segmentation
from videoseg.text import format_count, format_list, format_seconds, shorten_text
from videoseg.types import FrameSelection, MaskTrack, Thought, TraceTurn, VideoFacts
from videoseg.types.episode import summarize_answer

__all__ = [
    "collect_warnings",
    "describe_answer",
    "describe_judgement",
    "describe_move",
    "describe_object",
    "describe_part",
    "describe_selection",
    "describe_thought",
    "describe_untraced_thought",
    "describe_video",
    "find_visible_frames",
    "find_visible_ranges",
    "format_frame",
    "format_frames",
    "format_roles",
    "has_times",
    "split_paragraphs",
]

_MAX_NAME = 40
_MAX_THOUGHT = 6000


def describe_answer(segmentation: Segmentation) -> str:
    """Return the answer in one sentence."""
    tracks = segmentation.tracks
    if not tracks:
        if segmentation.status == "absent" and segmentation.part is not None:
            return "Not in the part that was looked at, as far as was seen."
        text = summarize_answer(segmentation.grounding, 0)
        if segmentation.status == "absent":
            text += ", as far as was seen"
        return f"{text[:1].upper()}{text[1:]}."
    total = len(segmentation.frames)
    seen = find_visible_frames(segmentation)
    count = format_count(len(tracks), "object")
    sentence = f"A guess: {count}" if segmentation.status == "guessed" else f"{count} found"
    if segmentation.video.num_frames == 1:
        return f"{sentence}."
    where = "every frame" if len(seen) == total else f"{len(seen)} of {total} frames"
    if segmentation.part is not None:
        where += " that was looked at" if len(seen) == total else " that were looked at"
    return f"{sentence}, visible in {where}."


def describe_part(segmentation: Segmentation) -> str:
    """Return what was looked at of the video, and how large; empty if that is all of it."""
    part, facts = segmentation.part, segmentation.video
    if part is None:
        return ""
    frames = part.frames
    parts = [f"Looked at: {format_frames(facts, frames[0], frames[-1] + 1)}"]
    if frames.step > 1 and len(frames) > 1:
        parts.append(f"one of every {frames.step}")
    if tuple(part.size) != tuple(facts.size):
        parts.append(f"at {part.size[1]} × {part.size[0]}")  # noqa: RUF001
    return ", ".join(parts)


def describe_judgement(segmentation: Segmentation) -> str:
    """Return which words of the query were judged and which were not, if the grounder tells."""
    facts = [("Judged", segmentation.judged), ("Not judged", segmentation.unjudged)]
    quoted = [(name, [f"“{shorten_text(one, 80)}”" for one in words]) for name, words in facts]
    return " · ".join(f"{name}: {format_list(words, 12)}" for name, words in quoted if words)


def collect_warnings(segmentation: Segmentation, *, on_black: bool) -> list[str]:
    """Return the warnings of the run, of the grounding and of the pictures, each once."""
    warnings = list(dict.fromkeys([*segmentation.warnings, *segmentation.grounding.warnings]))
    if on_black:
        warnings.append("The video is not available, so the masks are drawn on black.")
    return warnings


def describe_video(facts: VideoFacts) -> str:
    """Return a video's name, size, length and rate in one line."""
    parts = [facts.name, f"{facts.size[1]} × {facts.size[0]}"]  # noqa: RUF001
    if facts.num_frames == 1:
        return " · ".join([*parts, "one frame"])
    parts.append(f"{facts.num_frames} frames")
    if has_times(facts):
        parts += [
            f"{facts.fps:.4g}\u00a0frames/s",
            format_seconds(facts.duration).replace(" ", "\u00a0"),
        ]
    return " · ".join(parts)


def describe_object(
    object_id: int, label: str, colors: Mapping[int, Color] | None = None
) -> dict[str, Any]:
    """Return an object as the ``chip`` macro takes it: ``number``, ``name`` and colors.

    Args:
        object_id: The object.
        label: What it is called; empty for ``object 3``.
        colors: Colors by object id; for others the usual one.
    """
    color = (colors or {}).get(object_id) or object_color(object_id)
    return {
        "number": object_id if label.strip() else None,
        "name": shorten_text(object_name(object_id, label), _MAX_NAME),
        "color": f"rgb{color}",
        "ink": f"rgb{readable_text_color(color)}",
    }


def describe_selection(facts: VideoFacts, selection: FrameSelection) -> str:
    """Return what was shown: ``5 frames and the suggested keyframe 12 out of frames 10–19``."""
    if facts.num_frames == 1:
        return "the picture"
    window = format_frames(facts, selection.window.start, selection.window.stop)
    if len(selection.window) >= facts.num_frames:
        window = "the whole video"
    roles = {role: selection.of_role(role) for role in ("context", "detail")}
    several = len({group.role for group in selection.groups}) > 1
    parts = [
        format_count(len(frames), f"{role} frame" if several else "frame")
        for role, frames in roles.items()
        if frames
    ]
    if selection.keyframe is not None:
        parts.append(f"the suggested keyframe {selection.keyframe}")
    return f"{' and '.join(parts)} out of {window}"


def format_roles(selection: FrameSelection) -> str:
    """Return how many frames of each role were shown: ``5 context, 1 keyframe``."""
    roles = dict.fromkeys(group.role for group in selection.groups)
    return ", ".join(f"{len(selection.of_role(role))} {role}" for role in roles)


def describe_move(segmentation: Segmentation, turn: TraceTurn) -> str:
    """Return what a turn did: what it asked for, or what it answered and on which frames."""
    answered = turn.action == "answer"
    window = turn.answer_window if answered else turn.look_window
    keyframe = turn.answer_keyframe if answered else turn.look_keyframe
    facts = segmentation.video
    frames = [] if window is None else [format_frames(facts, window.start, window.stop)]
    if keyframe is not None and facts.num_frames > 1:
        frames.append(f"keyframe {keyframe}")
    if not answered:
        return f"asked for {', '.join(frames)}" if frames else "asked to look again"
    count = len(segmentation.grounding.object_ids)
    guessed = segmentation.status == "guessed"
    if count:
        what = f"{'guessed' if guessed else 'answered with'} {format_count(count, 'object')}"
    else:
        what = "saw nothing that fits" if guessed else "answered “not here”"
    return ", ".join([what, *frames])


def describe_thought(thought: Thought) -> dict[str, Any]:
    """Return reasoning as the ``thought`` macro takes it: ``parts`` and the ``whole`` text."""
    parts = [(name.capitalize(), text.strip()) for name, text in thought.parts.items()]
    whole = thought.text.strip()
    if whole in {text for _, text in parts}:
        whole = ""
    return {
        "parts": [
            {"name": name, "block": split_paragraphs(text, _MAX_THOUGHT)} for name, text in parts
        ],
        "whole": split_paragraphs(whole, _MAX_THOUGHT) if whole else None,
    }


def describe_untraced_thought(segmentation: Segmentation) -> dict[str, Any] | None:
    """Return the grounding's reasoning if no turns were recorded, else None."""
    content = describe_thought(segmentation.grounding.thought)
    if segmentation.trace.turns or not (content["parts"] or content["whole"]):
        return None
    return content


def split_paragraphs(text: str, limit: int) -> dict[str, Any]:
    """Return a text as the ``paragraphs`` macro takes it.

    Args:
        text: The text; an empty line separates paragraphs.
        limit: The most characters to show.

    Returns:
        ``paragraphs``, and ``left``, the number of characters not shown.
    """
    text = text.strip()
    shown = shorten_text(text, limit)
    return {
        "paragraphs": [part for part in shown.split("\n\n") if part.strip()],
        "left": len(text) - len(shown),
    }


def has_times(facts: VideoFacts) -> bool:
    """Return whether frames have plausible times; a damaged header may claim any rate."""
    return 1e-3 <= facts.fps <= 1e5


def format_frame(facts: VideoFacts, frame: int) -> str:
    """Return ``frame 12, 0.48 s``, without the time if the video has none.

    A number and its unit are joined by a no-break space.
    """
    if facts.num_frames == 1 or not has_times(facts):
        return f"frame {frame}"
    seconds = facts.time_of(frame)
    if seconds < 60:
        return f"frame {frame}, {seconds:.2f}\u00a0s"
    return f"frame {frame}, {int(seconds) // 60}:{seconds % 60:04.1f}\u00a0min"


def format_frames(facts: VideoFacts, start: int, stop: int) -> str:
    """Return ``frames 10–19 (0.4–0.8 s)`` for the half-open range [start, stop)."""
    if stop - start == 1:
        return format_frame(facts, start)
    text = f"frames {start}–{stop - 1}"  # noqa: RUF001
    if not has_times(facts):
        return text
    return f"{text} ({facts.time_of(start):.1f}–{facts.time_of(stop - 1):.1f}\u00a0s)"  # noqa: RUF001


def find_visible_frames(segmentation: Segmentation) -> list[int]:
    """Return the frames in which any object is visible, sorted."""
    return sorted({frame for track in segmentation.tracks for frame in track.visible_frames})


def find_visible_ranges(track: MaskTrack) -> list[tuple[int, int]]:
    """Return the half-open frame ranges in which an object is visible."""
    ranges: list[tuple[int, int]] = []
    for frame in track.visible_frames:
        if ranges and ranges[-1][1] == frame:
            ranges[-1] = (ranges[-1][0], frame + 1)
        else:
            ranges.append((frame, frame + 1))
    return ranges
