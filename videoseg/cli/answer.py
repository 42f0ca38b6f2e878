"""The answer that ``videoseg run`` prints, as text or JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from videoseg.results import Segmentation
    from videoseg.types import MaskTrack, Thought

__all__ = ["answer_document", "print_answer", "reasons_of"]

_FILES = (
    ("report.html", "the reasoning beside the frames"),
    ("overlay.mp4", "the video with masks drawn"),
    ("masks", "one PNG per object and frame"),
    ("result.json", "the result, for videoseg.Segmentation.load"),
)


def answer_document(
    result: Segmentation, folder: Path, exported: Mapping[str, Path]
) -> dict[str, Any]:
    """Return a summary of a result as JSON; ``result.json`` has everything."""
    from videoseg.types import to_dict

    window = result.trace.turns[-1].selection.window if result.trace.turns else None
    return {
        "query": result.query,
        "found": result.found,
        "video": to_dict(result.video),
        "keyframe": result.grounding.keyframe,
        "window": None if window is None else [window.start, window.stop],
        "confidence": result.grounding.confidence,
        "objects": [_object(result, track) for track in result.tracks],
        "reasoning": reasons_of(result),
        "warnings": list(result.warnings),
        "seconds": round(result.timings.get("total", 0.0), 3),
        "seed": result.seed,
        "folder": str(folder),
        "files": [str(path) for path, _ in _files(folder)],
        "exported": {name: str(path) for name, path in exported.items()},
    }


def print_answer(
    console: Console, result: Segmentation, folder: Path, exported: Mapping[str, Path]
) -> None:
    """Print what was found, where and why, and the files written."""
    height, width = result.video.size
    clip = f"{result.video.name}: {result.video.num_frames} frames of {width}x{height}"
    count = len(result.tracks)
    head = f"{count} object{'s' * (count != 1)} found" if count else "not in this video"
    console.print(head, style="bold green" if count else "bold yellow", end="")
    console.print(f" in {clip}")
    for track in result.tracks:
        _print_object(console, _object(result, track), result.video.num_frames)
    grounding = result.grounding
    if grounding.keyframe is not None:
        _print_fact(console, "keyframe", _frame_text(result, grounding.keyframe))
    if result.trace.turns:
        window = result.trace.turns[-1].selection.window
        _print_fact(console, "window", f"frames {window.start} to {window.stop - 1}")
    if reasons := reasons_of(result):
        _print_fact(console, "because", "\n".join(reasons))
    for warning in result.warnings:
        _print_fact(console, "warning", warning, style="yellow")
    _print_fact(console, "time", f"{result.timings.get('total', 0.0):.1f} seconds")
    console.print()
    files = [*_files(folder), *((path, f"exported as {name}") for name, path in exported.items())]
    longest = max((len(str(path)) for path, _ in files), default=0)
    for path, purpose in files:
        # Keep paths on one line so they can be copied.
        console.print(f"{path!s:<{longest}}  {purpose}", soft_wrap=True)


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
    from videoseg.cli.terminal import print_row

    print_row(console, label, text, width=10, style=style, label_style="bold")


def _frame_text(result: Segmentation, frame: int) -> str:
    return f"frame {frame}, at {result.video.time_of(frame):.2f} s"


def reasons_of(result: Segmentation) -> list[str]:
    """Return the reasoning of all turns as lines."""
    lines: list[str] = []
    for number, turn in enumerate(result.trace.turns, start=1):
        thoughts = _describe_thought(turn.thought)
        prefix = f"turn {number}: " if len(result.trace.turns) > 1 else ""
        lines += [f"{prefix}{line}" for line in thoughts]
    return lines


def _describe_thought(thought: Thought) -> list[str]:
    parts = (
        ("temporal", thought.temporal),
        ("spatial", thought.spatial),
        ("linguistic", thought.linguistic),
    )
    if any(text for _, text in parts):
        return [f"{name}: {' '.join(text.split())}" for name, text in parts if text]
    return [line.strip() for line in thought.text.splitlines() if line.strip()]
