"""``videoseg demo``: three questions about a synthetic clip, scored against its true masks."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from videoseg.cli import (
    PATH,
    VideosegCommand,
    check_output_folder,
    default_output_folder,
    json_option,
    open_console,
    print_row,
    reasons_of,
    working,
    write_json,
)

if TYPE_CHECKING:
    from rich.console import Console

    from videoseg.results import Segmentation
    from videoseg_synthetic import SyntheticClip, SyntheticQuery

__all__ = ["demo"]

_LEVELS = (
    ("easy", "color", "what it looks like"),
    ("harder", "moves-right", "what it does over time"),
    ("hard", "in-front", "who is in front of whom"),
)
"""(level, kind of question in the clip, what it takes to answer it)."""


@click.command(
    "demo",
    cls=VideosegCommand,
    examples="""
    videoseg demo
    videoseg demo -o here/demo --overwrite
    """,
)
@click.option("-o", "--output", type=PATH, help="Output folder. Default: videoseg-out/demo.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier demo.")
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
def demo(*, output: Path | None, overwrite: bool, as_json: bool, quiet: bool) -> None:
    """Render a clip of four seconds, ask three questions about it and save the answers.

    Needs no weights, no downloads and no GPU. The clip's true masks are known, so each
    answer is scored.
    """
    from videoseg.pipeline import Pipeline
    from videoseg.progress import ProgressBar
    from videoseg.video import Video, write_video
    from videoseg_synthetic import demo_clip

    folder = output or default_output_folder("demo")
    queries = [level for level, _, _ in _LEVELS]
    for level in queries:
        check_output_folder(folder / level, overwrite=overwrite)
    # Small, so that the answers take seconds.
    clip = demo_clip(size=(270, 480), num_frames=60)
    path = folder / "clip.mp4"
    with working("rendering a clip", quiet=quiet):
        write_video(path, clip.iter_frames(), fps=clip.fps)
    console = open_console()
    is_printed = not (as_json or quiet)
    answers: list[dict[str, Any]] = []
    with Pipeline.from_name("attributes") as pipe, Video.open(path) as video:
        for level, kind, purpose in _LEVELS:
            query = _query(clip, kind)
            place = folder / level
            if is_printed:
                console.print(f'\n{level}: "{query.text}"', style="bold", soft_wrap=True)
                print_row(console, "asks", purpose, width=10)
            with ExitStack() as stack:
                observers = [] if quiet else [stack.enter_context(ProgressBar())]
                result = pipe(video, query.text, observers=observers)
            with working(f"saving to {place}", quiet=quiet):
                result.save(place, overwrite=overwrite)
            answers.append(_answer(clip, query, result, level=level, place=place))
            if is_printed:
                _print_answer(console, answers[-1])
    if as_json:
        write_json({"folder": str(folder), "clip": str(path), "answers": answers})
    elif is_printed:
        console.print()
        console.print("Open these in a browser:", style="bold")
        for answer in answers:
            console.print(f"  {answer['report']}", soft_wrap=True)
        console.print("\nThen ask about a video of your own:", style="bold")
        console.print('  videoseg run VIDEO "the red one that moves"', soft_wrap=True)


def _query(clip: SyntheticClip, kind: str) -> SyntheticQuery:
    """Return the shortest query of a kind, which reads most like what people ask."""
    return min(
        (query for query in clip.queries if query.kind == kind), key=lambda query: len(query.text)
    )


def _answer(
    clip: SyntheticClip, query: SyntheticQuery, result: Segmentation, *, level: str, place: Path
) -> dict[str, Any]:
    import numpy as np

    from videoseg.metrics import region_j

    found = np.stack([result.mask(frame) for frame in range(result.video.num_frames)])
    score = float(region_j(found, clip.answer_masks(query)).mean())
    return {
        "level": level,
        "query": query.text,
        "found": result.found,
        "keyframe": result.grounding.keyframe,
        "overlap_with_truth": round(score, 3),
        "reasoning": reasons_of(result),
        "warnings": list(result.warnings),
        "seconds": round(result.timings.get("total", 0.0), 2),
        "report": str(place / "report.html"),
        "overlay": str(place / "overlay.mp4"),
    }


def _print_answer(console: Console, answer: dict[str, Any]) -> None:
    print_row(console, "because", "\n".join(answer["reasoning"]), width=10)
    for warning in answer["warnings"]:
        print_row(console, "warning", warning, width=10, style="yellow")
    score = f"{answer['overlap_with_truth']:.0%} overlap with the true masks"
    print_row(console, "result", f"{score}, {answer['seconds']:.1f} seconds", width=10)
