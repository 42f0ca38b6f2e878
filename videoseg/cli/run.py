"""``videoseg run``: ask a video a question."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from videoseg.cli.framework import PATH, VideosegCommand
from videoseg.cli.options import FORMATS, parts_option, pipeline_options
from videoseg.cli.terminal import (
    json_option,
    open_console,
    print_files,
    print_row,
    working,
    write_json,
)
from videoseg.errors import OutputError
from videoseg.text import format_count, printable

if TYPE_CHECKING:
    from rich.console import Console

    from videoseg.cli.checkpoint import Checkpoint
    from videoseg.pipeline import Pipeline
    from videoseg.results import ExportFormat, Segmentation
    from videoseg.types import Grounding, MaskTrack, Trace, TraceTurn, Window
    from videoseg.video import Video

__all__ = ["reasons_of", "run"]

_GUESSED, _ABSENT = 3, 4
"""Exit statuses under ``--strict``; 1 and 2 are those of errors, see ``videoseg.cli.program``."""

_FILES = (
    ("report.html", "the reasoning beside the frames"),
    ("overlay.mp4", "the video with masks drawn"),
    ("masks", "one PNG per object and frame"),
    ("result.json", "the result, for videoseg.Segmentation.load"),
)


def _read_query(context: click.Context, _parameter: click.Parameter, value: str) -> str:
    video = context.params["video"]
    # Path.exists raises an error for a long query instead of returning False.
    if not os.path.exists(video) and os.path.exists(value):  # noqa: PTH110
        raise click.UsageError(
            f"there is no file {video!r}, but there is {value!r}: the VIDEO comes first, then the "
            "QUERY"
        )
    return value


@click.command(
    "run",
    cls=VideosegCommand,
    examples="""
    videoseg run dog.mp4 "the dog that jumps"
    videoseg run frames/ "the red cup" -o out/cup --only masks
    videoseg run dog.mp4 "the dog" --sampler uniform -O sampler.num_frames=16
    videoseg run dog.mp4 "the dog" --json --quiet | jq .status
    """,
)
@click.argument("video")
@click.argument("query", callback=_read_query)
@click.option("-o", "--output", type=PATH, help="Output folder. Default: videoseg-out/<name>.")
@pipeline_options
@click.option("--reader", default="auto", show_default=True, metavar="NAME", help="Video reader.")
@click.option("--seed", type=int, help="Random seed. Default: 0.")
@click.option("--overwrite", is_flag=True, help="Replace an existing result.")
@click.option(
    "--resume",
    is_flag=True,
    help="Continue an interrupted run; give the same -o.",
)
@click.option(
    "--export",
    "formats",
    multiple=True,
    metavar="FORMAT",
    help=f"Also export: {', '.join(FORMATS)}. Can be repeated.",
)
@parts_option
@click.option(
    "--strict",
    is_flag=True,
    help=f"Exit with status {_GUESSED} if the answer is a guess, {_ABSENT} if the object is not "
    "in the video.",
)
@json_option
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Show no progress and no summary; warnings go to standard error.",
)
def run(
    *,
    video: str,
    query: str,
    output: Path | None,
    pipeline: str,
    options: tuple[str, ...],
    max_turns: int | None,
    reader: str,
    seed: int | None,
    overwrite: bool,
    resume: bool,
    formats: tuple[str, ...],
    parts: tuple[str, ...] | None,
    strict: bool,
    as_json: bool,
    quiet: bool,
    **stages: str | None,
) -> int:
    """Ask VIDEO a question; save masks for every frame and the reasoning.

    VIDEO is a video file, a folder of pictures or one picture. All options are checked
    before the run starts.
    """
    from videoseg.cli.checkpoint import Checkpoint
    from videoseg.cli.options import checked_pipeline, parse_options
    from videoseg.cli.output_folder import check_output_folder, default_output_folder
    from videoseg.pipeline import check_query

    stage_options = parse_options(options)
    query = check_query(query)
    if resume and output is None:
        raise click.UsageError("--resume needs the -o of the interrupted run")
    pipe = checked_pipeline(pipeline, stages=stages, options=stage_options, max_turns=max_turns)

    from videoseg.video import Video

    with Video.open(video, reader=reader) as opened, pipe:
        folder = output or default_output_folder(opened.name)
        check_output_folder(folder, overwrite=overwrite)
        _check_exports(formats, folder, overwrite=overwrite)
        checkpoint = Checkpoint(
            folder, query=query, video=opened, pipeline=pipe.config.to_dict(), seed=seed
        )
        answer = None
        if resume:
            answer = checkpoint.resume()
        else:
            checkpoint.start(overwrite=overwrite)
        with checkpoint:
            result = _run_pipeline(
                pipe, opened, query, checkpoint, answer, quiet=quiet, resume=resume
            )
            checkpoint.result = result
            with working(f"saving to {folder}", quiet=quiet):
                result.save(folder, overwrite=overwrite, parts=parts)
        with working(f"exporting to {folder.parent}", quiet=quiet or not formats):
            exported = _export(result, formats, folder, overwrite=overwrite)
    if as_json:
        write_json(_answer_document(result, folder, exported))
    elif not quiet:
        _print_answer(open_console(), result, folder, exported)
    if as_json or quiet:
        for warning in result.warnings:
            click.echo(printable(f"warning: {warning}"), err=True)
    return {"guessed": _GUESSED, "absent": _ABSENT}.get(result.status, 0) if strict else 0


def _run_pipeline(
    pipe: Pipeline,
    video: Video,
    query: str,
    checkpoint: Checkpoint,
    answer: tuple[Grounding, Trace] | None,
    *,
    quiet: bool,
    resume: bool,
) -> Segmentation:
    """Run a pipeline with a progress bar and checkpoints, or propagate a known answer."""
    from videoseg.progress import ProgressBar

    with ExitStack() as stack:
        observers: list[object] = [checkpoint]
        if not quiet:
            observers.append(stack.enter_context(ProgressBar()))
        if answer is not None:
            grounding, trace = answer
            return pipe.propagate(
                video,
                grounding,
                query=query,
                trace=trace,
                seed=checkpoint.seed,
                observers=observers,
            )
        recorded = stack.enter_context(pipe.recording(checkpoint.exchanges, resume=resume))
        return recorded(video, query, seed=checkpoint.seed, observers=observers)


def _check_exports(formats: Sequence[str], folder: Path, *, overwrite: bool) -> None:
    from videoseg.cli.output_folder import check_path_length
    from videoseg.results import check_format

    for name in formats:
        check_format(name)
        place = _export_folder(folder, name)
        check_path_length(place)
        if os.path.lexists(place) and not overwrite:
            raise OutputError(f"{place} already exists; choose another -o or pass --overwrite")


def _export(
    result: Segmentation, formats: Sequence[str], folder: Path, *, overwrite: bool
) -> dict[str, Path]:
    from videoseg.results import export

    return {
        name: export(
            result,
            _export_folder(folder, name),
            format=cast("ExportFormat", name),
            overwrite=overwrite,
        )
        for name in formats
    }


def _export_folder(folder: Path, name: str) -> Path:
    return folder.with_name(f"{folder.name}-{name}")


# -- what is printed ------------------------------------------------------------------------------

_COLORS = {"answered": "green", "guessed": "yellow", "absent": "red"}


def _answer_document(
    result: Segmentation, folder: Path, exported: Mapping[str, Path]
) -> dict[str, Any]:
    """Return a summary of a result as JSON; ``result.json`` has everything."""
    from videoseg.types import to_dict

    window = _answer_window(result)
    return {
        "query": result.query,
        "found": result.found,
        "status": result.status,
        "judged": list(result.judged),
        "unjudged": list(result.unjudged),
        "video": to_dict(result.video),
        "keyframe": result.grounding.keyframe,
        "window": None if window is None else [window.start, window.stop],
        "confidence": result.grounding.confidence,
        "objects": [_object(result, track) for track in result.tracks],
        "reasoning": reasons_of(result),
        "turns": [_turn(turn) for turn in result.trace.turns],
        "warnings": list(result.warnings),
        "seconds": round(result.timings.get("total", 0.0), 3),
        "seed": result.seed,
        "folder": str(folder),
        "files": [str(path) for path, _ in _files(folder)],
        "exported": {name: str(path) for name, path in exported.items()},
    }


def _print_answer(
    console: Console, result: Segmentation, folder: Path, exported: Mapping[str, Path]
) -> None:
    """Print what was found, where and why, and the files written."""
    height, width = result.video.size
    frames = format_count(result.video.num_frames, "frame")
    clip = f"{result.video.name}: {frames} of {width}x{height}"
    console.print(_headline(result), style=f"bold {_COLORS[result.status]}", end="")
    console.print(f" in {clip}")
    for track in result.tracks:
        _print_object(console, _object(result, track), result.video.num_frames)
    grounding = result.grounding
    if grounding.keyframe is not None:
        seconds = result.video.time_of(grounding.keyframe)
        _print_fact(console, "keyframe", f"frame {grounding.keyframe}, at {seconds:.2f} s")
    if (window := _answer_window(result)) is not None:
        _print_fact(console, "window", f"frames {window.start} to {window.stop - 1}")
    for label, words in (("judged", result.judged), ("not judged", result.unjudged)):
        if words:
            _print_fact(console, label, ", ".join(f'"{word}"' for word in words))
    if reasons := reasons_of(result):
        _print_fact(console, "because", "\n".join(reasons))
    for warning in result.warnings:
        _print_fact(console, "warning", warning, style="yellow")
    _print_fact(console, "time", f"{result.timings.get('total', 0.0):.1f} seconds")
    exports = [(path, f"exported as {name}") for name, path in exported.items()]
    print_files(console, [*_files(folder), *exports])


def _headline(result: Segmentation) -> str:
    from videoseg.types.episode import summarize_answer

    count = len(result.tracks)
    if count:
        how = "guessed" if result.status == "guessed" else "found"
        return f"{format_count(count, 'object')} {how}"
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
