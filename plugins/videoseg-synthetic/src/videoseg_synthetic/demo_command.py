"""``videoseg demo``: a few questions about a synthetic clip, scored against its true masks."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from videoseg.cli import (
    PATH,
    VideosegCommand,
    check_output_folder,
    default_output_folder,
    explain_answer,
    json_option,
    open_console,
    print_row,
    reasons_of,
    working,
    write_json,
)
from videoseg.errors import MissingDependencyError
from videoseg.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from videoseg.results import Segmentation
    from videoseg.types import TraceTurn
    from videoseg_synthetic import SyntheticClip, SyntheticQuery

__all__ = ["demo"]


@dataclass(frozen=True, slots=True)
class _Question:
    """A question about the clip.

    Args:
        name: What it is called; the name of its folder, too.
        kind: The kind of query in the clip (``SyntheticQuery.kind``).
        purpose: What it takes to answer it.
    """

    name: str
    kind: str
    purpose: str


_QUESTIONS = (
    _Question("easy", "color", "what it looks like"),
    _Question("harder", "moves-right", "what it does over time"),
    _Question("hard", "in-front", "who is in front of whom"),
)

_KNOWN_QUESTIONS = (
    _Question("color", "color", "what it looks like"),
    _Question("largest", "largest", "how large it is beside the others"),
    _Question("place", "place-top", "where it is in the picture"),
    _Question("absent", "no-color", "whether it is there at all"),
)
"""Questions that the tiny model of ``--strategy`` has learned to answer."""

_STRATEGIES = {"r1": "VideoSeg-R1", "o3": "VideoSEG-O3"}
_STRATEGY_PLUGINS = (
    "videoseg-attributes",
    "videoseg-vlm",
    "videoseg-r1",
    "videoseg-o3",
    "videoseg-tiny",
)
_STRATEGY_MODULES = ("torch", "torchvision", "transformers", "accelerate")
"""What ``videoseg-vlm`` installs, and what the model runs on."""

_LARGER = {"r1": "videoseg-r1", "o3": "videoseg-o3-text"}
"""A pipeline of each strategy with a model that knows photographs."""

_STRATEGY_SEED = 18


@click.command(
    "demo",
    cls=VideosegCommand,
    examples="""
    videoseg demo
    videoseg demo --strategy o3
    videoseg demo -o here/demo --overwrite
    """,
)
@click.option(
    "--strategy",
    type=click.Choice(list(_STRATEGIES)),
    help="Let a tiny language model answer, which knows drawn clips only, with the strategy of "
    "VideoSeg-R1 or VideoSEG-O3.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="Output folder. Default: videoseg-out/demo, with --strategy videoseg-out/demo-STRATEGY.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier demo.")
@json_option
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Show no progress and no summary; warnings go to standard error.",
)
def demo(
    *, strategy: str | None, output: Path | None, overwrite: bool, as_json: bool, quiet: bool
) -> None:
    """Render a clip of a few seconds, ask questions about it and save the answers.

    Needs no weights, no downloads and no GPU. The clip's true masks are known, so each
    answer is scored. --strategy needs the plug-in videoseg-tiny, which brings its weights.
    """
    if strategy is not None:
        _check_strategy(strategy)
    from videoseg.pipeline import Pipeline
    from videoseg.progress import ProgressBar
    from videoseg.video import Video, write_video

    folder = output or default_output_folder(f"demo-{strategy}" if strategy else "demo")
    questions = _KNOWN_QUESTIONS if strategy else _QUESTIONS
    for question in questions:
        check_output_folder(folder / question.name, overwrite=overwrite)
    clip = _draw_clip(strategy)
    path = folder / "clip.mp4"
    with working("rendering a clip", quiet=quiet):
        write_video(path, clip.iter_frames(), fps=clip.fps)
    console = open_console()
    is_printed = not (as_json or quiet)
    if is_printed and strategy is not None:
        console.print(f"\n{_describe_strategy(strategy)}", soft_wrap=True)
    answers: list[dict[str, Any]] = []
    name = f"videoseg-{strategy}-tiny" if strategy else "attributes"
    with Pipeline.from_name(name) as pipe, Video.open(path) as video:
        for question in questions:
            query = _query(clip, question.kind)
            place = folder / question.name
            if is_printed:
                console.print(f'\n{question.name}: "{query.text}"', style="bold", soft_wrap=True)
                print_row(console, "asks", question.purpose, width=10)
            with ExitStack() as stack:
                observers = [] if quiet else [stack.enter_context(ProgressBar())]
                result = pipe(video, query.text, observers=observers, progress=False)
            with working(f"saving to {place}", quiet=quiet):
                result.save(place, overwrite=overwrite)
            answers.append(_answer(clip, query, result, level=question.name, place=place))
            if is_printed:
                _print_answer(console, answers[-1], shows_looks=strategy is not None)
            else:
                for warning in result.warnings:
                    click.echo(printable(f"{question.name}: warning: {warning}"), err=True)
    if as_json:
        write_json(
            {"folder": str(folder), "clip": str(path), "pipeline": name, "answers": answers}
        )
    elif is_printed:
        _print_end(console, answers, strategy)


def _check_strategy(strategy: str) -> None:
    """Refuse a strategy whose packages are not installed, with the command that installs them."""
    modules = {name.replace("-", "_"): name for name in _STRATEGY_PLUGINS}
    modules.update(dict.fromkeys(_STRATEGY_MODULES, ""))
    missing = [name or module for module, name in modules.items() if find_spec(module) is None]
    if missing:
        folders = " ".join(f"-e plugins/{name}" for name in _STRATEGY_PLUGINS)
        verb = "is" if len(missing) == 1 else "are"
        raise MissingDependencyError(
            f"videoseg demo --strategy {strategy} needs {', '.join(missing)}, which {verb} not "
            f"installed; in a checkout of the repository: pip install {folders}"
        )


def _draw_clip(strategy: str | None) -> SyntheticClip:
    from videoseg_synthetic import demo_clip, make_clip

    # Small, so that the answers take seconds.
    if strategy is None:
        return demo_clip(size=(270, 480), num_frames=60)
    return make_clip(seed=_STRATEGY_SEED, size=(192, 256), num_frames=48)


def _describe_strategy(strategy: str) -> str:
    return (
        f"{_STRATEGIES[strategy]} with the language model of videoseg-tiny, which has 1.5 million "
        "parameters.\nIt knows drawn clips like this one only, and a few kinds of query; on "
        "other videos its answers are noise."
    )


def _query(clip: SyntheticClip, kind: str) -> SyntheticQuery:
    """Return the shortest query of a kind, which reads most like what people ask."""
    return min(
        (query for query in clip.queries if query.kind == kind), key=lambda query: len(query.text)
    )


def _answer(
    clip: SyntheticClip, query: SyntheticQuery, result: Segmentation, *, level: str, place: Path
) -> dict[str, Any]:
    import numpy as np

    from videoseg.metrics import boundary_f, region_j

    found = np.stack([result.mask(frame) for frame in range(result.video.num_frames)])
    truth = clip.answer_masks(query)
    region = float(region_j(found, truth).mean())
    boundary = float(boundary_f(found, truth).mean())
    return {
        "level": level,
        "query": query.text,
        "found": result.found,
        "status": result.status,
        "is_in_clip": bool(query.object_ids),
        "keyframe": result.grounding.keyframe,
        "looks": [_describe_look(turn) for turn in result.trace.turns],
        "overlap_with_truth": round(region, 3),
        "j_and_f": round((region + boundary) / 2, 3),
        "because": explain_answer(result),
        "reasoning": reasons_of(result),
        "warnings": list(result.warnings),
        "seconds": round(result.timings.get("total", 0.0), 2),
        "report": str(place / "report.html"),
        "overlay": str(place / "overlay.mp4"),
    }


def _describe_look(turn: TraceTurn) -> str:
    """Return what a turn saw, and what it did then."""
    frames = sorted(turn.selection.indices)
    seen = f"frame{'s' * (len(frames) > 1)} {', '.join(map(str, frames))}"
    if turn.action == "look":
        wanted = turn.look_keyframe
        return f"saw {seen}; asked for {'more' if wanted is None else f'frame {wanted}'}"
    return f"saw {seen}; answered"


def _print_answer(console: Console, answer: dict[str, Any], *, shows_looks: bool) -> None:
    if shows_looks:
        print_row(console, "looks", "\n".join(answer["looks"]), width=10)
    print_row(console, "because", "\n".join(answer["because"]), width=10)
    for warning in answer["warnings"]:
        print_row(console, "warning", warning, width=10, style="yellow")
    score = _describe_score(answer) + f", J&F {answer['j_and_f']:.2f}"
    print_row(console, "result", f"{score}, {answer['seconds']:.1f} seconds", width=10)


def _describe_score(answer: dict[str, Any]) -> str:
    """Return how an answer compares with the truth; a guess is never called a true answer."""
    overlap = f"{answer['overlap_with_truth']:.0%} overlap with the true masks"
    in_clip = answer["is_in_clip"]
    match answer["status"]:
        case "absent":
            return f"not in this video, which is {'false' if in_clip else 'true'}"
        case "guessed":
            if answer["found"]:
                return f"a guess, {overlap}"
            truth = "the object is there" if in_clip else "there is no such object"
            return f"nothing that fits was seen, a guess; {truth}"
        case _:
            return overlap


def _print_end(console: Console, answers: list[dict[str, Any]], strategy: str | None) -> None:
    console.print()
    console.print("Open these in a browser:", style="bold")
    for answer in answers:
        console.print(f"  {answer['report']}", soft_wrap=True)
    if strategy is None:
        console.print("\nThen ask about a video of your own:", style="bold")
        console.print('  videoseg run VIDEO "the red one that moves"', soft_wrap=True)
    else:
        mean = sum(answer["j_and_f"] for answer in answers) / len(answers)
        console.print(f"\nMean J&F of the {len(answers)} answers: {mean:.2f}")
        console.print("For a video of your own, the strategy needs a larger model:", style="bold")
        console.print(
            f'  videoseg run VIDEO "the red one that moves" --pipeline {_LARGER[strategy]}',
            soft_wrap=True,
        )
