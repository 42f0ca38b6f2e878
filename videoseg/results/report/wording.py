"""How frames, times, answers and long texts are put into words in reports and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from videoseg.masks.colors import object_color, readable_text_color
from videoseg.results.overlay import object_name
from videoseg.results.segmentation import Segmentation
from videoseg.text import seconds_text
from videoseg.types.masks import MaskTrack
from videoseg.types.video import VideoFacts

__all__ = [
    "all_warnings",
    "answer_sentence",
    "counted",
    "frame_range",
    "frame_time",
    "has_times",
    "joined",
    "name_chip",
    "shortened",
    "text_block",
    "video_line",
    "visible_runs",
]


def answer_sentence(segmentation: Segmentation) -> str:
    """Return the answer in one sentence, plain text."""
    tracks = segmentation.tracks
    if not tracks:
        return "Not in this video."
    total = segmentation.video.num_frames
    seen: set[int] = set()
    for track in tracks:
        seen.update(track.visible_frames)
    sentence = f"{counted(len(tracks), 'object')} found"
    if total == 1:
        return f"{sentence}."
    where = "every frame" if len(seen) == total else f"{len(seen)} of {total} frames"
    return f"{sentence}, visible in {where}."


def all_warnings(segmentation: Segmentation) -> list[str]:
    """Return the warnings of the run and of the grounding, each once."""
    return list(dict.fromkeys([*segmentation.warnings, *segmentation.grounding.warnings]))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 object`` and ``2 objects``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def has_times(facts: VideoFacts) -> bool:
    """Return whether frames have times worth showing; a damaged header may claim any rate."""
    return 1e-3 <= facts.fps <= 1e5


def frame_time(facts: VideoFacts, frame: int) -> str:
    """Return ``frame 12, 0.48 s``; without the time where a video has none."""
    if facts.num_frames == 1 or not has_times(facts):
        return f"frame {frame}"
    return f"frame {frame}, {_clock(facts.time_of(frame))}"


def frame_range(facts: VideoFacts, start: int, stop: int) -> str:
    """Return ``frames 10–19 (0.4–0.8 s)`` for the half-open range [start, stop)."""
    if stop - start == 1:
        return frame_time(facts, start)
    text = f"frames {start}–{stop - 1}"  # noqa: RUF001
    if not has_times(facts):
        return text
    return f"{text} ({facts.time_of(start):.1f}–{facts.time_of(stop - 1):.1f} s)"  # noqa: RUF001


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2f} s"
    return f"{int(seconds) // 60}:{seconds % 60:04.1f} min"


def joined(parts: Sequence[str], limit: int) -> str:
    """Return the first parts separated by commas, and how many were left out."""
    if len(parts) <= limit:
        return ", ".join(parts)
    return f"{', '.join(parts[:limit])} and {len(parts) - limit} more"


def visible_runs(track: MaskTrack) -> list[tuple[int, int]]:
    """Return the half-open frame ranges in which an object is visible."""
    runs: list[tuple[int, int]] = []
    for frame in track.visible_frames:
        if runs and runs[-1][1] == frame:
            runs[-1] = (runs[-1][0], frame + 1)
        else:
            runs.append((frame, frame + 1))
    return runs


def video_line(facts: VideoFacts) -> str:
    """Return what is known of a video in one line, plain text."""
    parts = [facts.name, f"{facts.size[1]} × {facts.size[0]}"]  # noqa: RUF001
    if facts.num_frames == 1:
        return " · ".join([*parts, "one frame"])
    parts.append(f"{facts.num_frames} frames")
    if has_times(facts):
        parts += [f"{facts.fps:.4g} frames/s", seconds_text(facts.duration)]
    return " · ".join(parts)


def shortened(text: str, limit: int) -> str:
    """Return the text, cut at a word's end if it is longer than ``limit`` characters."""
    if len(text) <= limit:
        return text
    cut = text[:limit].rsplit(None, 1)[0] if " " in text[limit // 2 : limit] else text[:limit]
    return cut.rstrip() + "…"


def text_block(text: str, limit: int) -> str:
    """Return escaped HTML paragraphs of a text; what exceeds the limit is named, not shown."""
    shown = shortened(text.strip(), limit)
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in shown.split("\n\n") if part.strip())
    if len(shown) < len(text.strip()):
        left = len(text.strip()) - len(shown)
        paragraphs += f"<p class='note'>{left} more characters are in result.json.</p>"
    return paragraphs


def name_chip(object_id: int, label: str) -> str:
    """Return an object's name on its color, as HTML."""
    color = object_color(object_id)
    name = shortened(object_name(object_id, label), 40)
    number = f"<b>{object_id}</b> " if label.strip() else ""
    return (
        f"<span class='chip' style='background:rgb{color};"
        f"color:rgb{readable_text_color(color)}'>{number}{escape(name)}</span>"
    )
