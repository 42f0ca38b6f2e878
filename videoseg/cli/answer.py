"""What ``videoseg run`` prints: what was found, where and why, and the files written."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg.cli.terminal import print_files, print_row
from videoseg.text import format_count

if TYPE_CHECKING:
    from rich.console import Console

    from videoseg.results import Segmentation
    from videoseg.types import MaskTrack, TraceTurn, Window

__all__ = ["answer_document", "explain_answer", "print_answer", "reasons_of"]

_FILES = (
    ("report.html", "the reasoning beside the frames"),
    ("overlay.mp4", "the video with masks drawn"),
    ("overlay.png", "the picture with masks drawn"),
    ("masks", "one PNG per object and frame"),
    ("result.json", "the result, for videoseg.Segmentation.load"),
)

_COLORS = {"answered": "green", "guessed": "yellow", "absent": "red"}


def answer_document(
    result: Segmentation,
    folder: Path,
    exported: Mapping[str, Path],
    *,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Return a summary of a result as JSON; ``result.json`` has everything.

    Args:
        result: The result.
        folder: Where it was saved.
        exported: What was exported, by format.
        seconds: How long the command took; by default what the result says.
    """
    from videoseg.types import to_dict

    window = _answer_window(result)
    return {
        "query": result.query,
        "found": result.found,
        "status": result.status,
        "judged": list(result.judged),
        "unjudged": list(result.unjudged),
        "video": to_dict(result.video),
        "part": to_dict(result.part),
        "keyframe": result.grounding.keyframe,
        "window": None if window is None else [window.start, window.stop],
        "confidence": result.grounding.confidence,
        "objects": [_object(result, track) for track in result.tracks],
        "reasoning": reasons_of(result),
        "turns": [_turn(turn) for turn in result.trace.turns],
        "warnings": list(result.warnings),
        "seconds": round(_total(result, seconds), 3),
        "seed": result.seed,
        "folder": str(folder),
        "files": [str(path) for path, _ in _files(folder)],
        "exported": {name: str(path) for name, path in exported.items()},
    }


def print_answer(
    console: Console,
    result: Segmentation,
    folder: Path,
    exported: Mapping[str, Path],
    *,
    seconds: float | None = None,
) -> None:
    """Print what was found, where and why, and the files written; see ``answer_document``."""
    height, width = result.video.size
    frames = format_count(result.video.num_frames, "frame")
    clip = f"{result.video.name}: {frames} of {width}x{height}"
    console.print(_headline(result), style=f"bold {_COLORS[result.status]}", end="")
    console.print(f" in {clip}" if result.tracks else f" ({clip})")
    for track in result.tracks:
        _print_object(console, _object(result, track), len(result.frames))
    if (part := result.part) is not None:
        every = f", every {part.every}" if part.every > 1 else ""
        at = f", at {part.size[1]}x{part.size[0]}" if part.size != result.video.size else ""
        text = f"frames {part.frames[0]} to {part.frames[-1]}{every}{at}"
        _print_fact(console, "looked at", text)
    grounding = result.grounding
    if grounding.keyframe is not None:
        shown_at = result.video.time_of(grounding.keyframe)
        _print_fact(console, "keyframe", f"frame {grounding.keyframe}, at {shown_at:.2f} s")
    if (window := _answer_window(result)) is not None:
        _print_fact(console, "window", f"frames {window.start} to {window.stop - 1}")
    for label, words in (("judged", result.judged), ("not judged", result.unjudged)):
        if words:
            _print_fact(console, label, ", ".join(f'"{word}"' for word in words))
    if reasons := explain_answer(result):
        _print_fact(console, "because", "\n".join(reasons))
    for warning in result.warnings:
        _print_fact(console, "warning", warning, style="yellow")
    _print_fact(console, "time", f"{_total(result, seconds):.1f} seconds")
    exports = [(path, f"exported as {name}") for name, path in exported.items()]
    print_files(console, [*_files(folder), *exports])


def _total(result: Segmentation, seconds: float | None) -> float:
    return result.timings.get("total", 0.0) if seconds is None else seconds


def _headline(result: Segmentation) -> str:
    from videoseg.types.episode import summarize_answer

    count = len(result.tracks)
    if count:
        how = "guessed" if result.status == "guessed" else "found"
        return f"{format_count(count, 'object')} {how}"
    if result.status == "absent" and result.part is not None:
        return "not in the part that was looked at"
    return summarize_answer(result.grounding, 0)


def _answer_window(result: Segmentation) -> Window | None:
    """Return the window answered with, else the one that was shown last."""
    turns = result.trace.turns
    if result.grounding.window is not None or not turns:
        return result.grounding.window
    answers = [turn for turn in turns if turn.action == "answer"]
    # Later answers are those that a propagator has asked for.
    return (answers or turns[-1:])[0].selection.window


def _turn(turn: TraceTurn) -> dict[str, Any]:
    """Return what a turn saw, thought and did; windows are half-open."""
    shown, answered = turn.selection, turn.action == "answer"
    window = turn.answer_window if answered else turn.look_window
    return {
        "shown_window": [shown.window.start, shown.window.stop],
        "shown_frames": {group.role: shown.of_role(group.role) for group in shown.groups},
        "thought": turn.thought.parts or {"text": turn.thought.text},
        "action": turn.action,
        "window": None if window is None else [window.start, window.stop],
        "keyframe": turn.answer_keyframe if answered else turn.look_keyframe,
        "stop_reason": turn.stop_reason,
    }


def _files(folder: Path) -> list[tuple[Path, str]]:
    return [(folder / name, text) for name, text in _FILES if (folder / name).exists()]


def _object(result: Segmentation, track: MaskTrack) -> dict[str, Any]:
    prompts = [p for p in result.grounding.prompts if p.object_id == track.object_id]
    prompt = prompts[0] if prompts else None
    visible = track.visible_frames
    areas = [area for area in track.areas if area]
    return {
        "id": track.object_id,
        "label": track.label,
        "frame": prompt.frame if prompt else None,
        "box": [round(v, 1) for v in prompt.box.as_tuple()] if prompt and prompt.box else None,
        "score": prompt.score if prompt else None,
        "visible_frames": len(visible),
        "first_frame": visible[0] if visible else None,
        "last_frame": visible[-1] if visible else None,
        "median_area": int(statistics.median(areas)) if areas else 0,
    }


def _print_object(console: Console, facts: Mapping[str, Any], num_frames: int) -> None:
    parts = [facts["label"]] if facts["label"] else []
    if facts["box"] is not None:
        x1, y1, x2, y2 = (f"{value:g}" for value in facts["box"])
        parts.append(f"box {x1},{y1} to {x2},{y2} on frame {facts['frame']}")
    if facts["score"] is not None:
        parts.append(f"score {facts['score']:.2f}")
    parts.append(f"visible in {facts['visible_frames']} of {num_frames} frames")
    _print_fact(console, f"object {facts['id']}", ", ".join(parts))


def _print_fact(console: Console, label: str, text: str, *, style: str = "") -> None:
    print_row(console, label, text, width=12, style=style, label_style="bold")


def explain_answer(result: Segmentation) -> list[str]:
    """Return why it was answered so, as lines: the candidates, or they and the reasoning."""
    from videoseg.results.candidates import list_candidates

    compared = result.grounding.comparison
    if compared is None:
        return reasons_of(result)
    listed = list_candidates(compared)
    return listed if compared.tells_why else [*listed, *reasons_of(result)]


def reasons_of(result: Segmentation) -> list[str]:
    """Return the reasoning of all turns as lines."""
    lines: list[str] = []
    turns = result.trace.turns
    for number, turn in enumerate(turns, start=1):
        thought = turn.thought
        if parts := thought.parts:
            reasons = [f"{name}: {' '.join(text.split())}" for name, text in parts.items()]
        else:
            reasons = [line.strip() for line in thought.text.splitlines() if line.strip()]
        prefix = f"turn {number}: " if len(turns) > 1 else ""
        lines += [prefix + reason for reason in reasons]
    return lines
