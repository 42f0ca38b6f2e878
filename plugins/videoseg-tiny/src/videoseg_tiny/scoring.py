"""Scores of the shipped pipelines on drawn clips: J&F and questions a minute.

``python -m videoseg_tiny.scoring`` prints the numbers of the README.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
import numpy as np
from videoseg_synthetic import make_clip

import videoseg as vs
from videoseg.metrics import boundary_f, region_j
from videoseg_tiny.chat import TinyChat
from videoseg_tiny.clips import HELD_OUT_SEEDS, KNOWN_KINDS, clip_options
from videoseg_tiny.plugin import videoseg_o3_tiny, videoseg_o3_tiny_seg, videoseg_r1_tiny

__all__ = ["build_pipeline", "score_pipeline", "summarize"]


def build_pipeline(configuration: dict[str, Any], *, chat: Any = None) -> vs.Pipeline:
    """Return a pipeline of this package, with another chat model if one is given."""
    stages = {
        name: vs.use(part["name"], **part["options"]) if isinstance(part, dict) else part
        for name, part in configuration.items()
    }
    return vs.Pipeline(**{**stages, **({} if chat is None else {"chat": chat})})


def score_pipeline(
    pipeline: Callable[[vs.Video, str], vs.Segmentation],
    seeds: range,
    *,
    options: dict[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Ask a pipeline all queries of the known kinds about clips that are drawn for it.

    Args:
        pipeline: The pipeline.
        seeds: Of the clips.
        options: Arguments of ``make_clip``; by default those of the training clips.

    Yields:
        For each query its ``seed``, ``query``, ``kind``, ``jf``, ``seconds``, ``keyframe``,
        ``num_turns`` and ``warnings``.
    """
    for seed in seeds:
        clip = make_clip(**(clip_options(seed) if options is None else {**options, "seed": seed}))
        video = clip.video
        for query in clip.queries:
            if query.kind not in KNOWN_KINDS:
                continue
            begin = time.perf_counter()
            result = pipeline(video, query.text)
            seconds = time.perf_counter() - begin
            truth = clip.answer_masks(query)
            predicted = np.zeros_like(truth)
            for track in result.tracks:
                for frame, rle in enumerate(track.masks):
                    if rle is not None:
                        predicted[frame] |= rle.decode()
            both = (region_j(predicted, truth).mean() + boundary_f(predicted, truth).mean()) / 2
            yield {
                "seed": seed,
                "query": query.text,
                "kind": query.kind,
                "jf": float(both),
                "seconds": seconds,
                "keyframe": result.grounding.keyframe,
                "num_turns": len(result.trace.turns),
                "warnings": list(result.warnings),
            }


def summarize(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return mean J&F over all queries and by kind, and questions a minute."""
    kinds: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        kinds[row["kind"].split("-")[0]].append(row["jf"])
    seconds = sum(row["seconds"] for row in rows)
    return {
        "questions": len(rows),
        "jf": float(np.mean([row["jf"] for row in rows])),
        "questions_per_minute": 60 * len(rows) / max(1e-9, seconds),
        **{f"jf {kind}": float(np.mean(values)) for kind, values in sorted(kinds.items())},
    }


@click.command()
@click.option("--clips", default=40, show_default=True, help="How many clips are drawn.")
@click.option("--first-seed", default=HELD_OUT_SEEDS, show_default=True)
@click.option("--model", help="A folder with another model, for the first two pipelines.")
@click.option("--seg-model", help="The same with a [SEG] model, for the third.")
@click.option(
    "--pipeline",
    "names",
    multiple=True,
    type=click.Choice(["r1", "o3", "o3-seg"]),
    default=["r1", "o3", "o3-seg"],
    show_default=True,
)
@click.option("--large", is_flag=True, help="Clips of 48 frames of 240 x 320 pixels.")
@click.option("--threads", default=1, show_default=True, help="Threads of torch.")
def main(
    clips: int,
    first_seed: int,
    model: str | None,
    seg_model: str | None,
    names: Sequence[str],
    large: bool,
    threads: int,
) -> None:
    """Score the pipelines on drawn clips."""
    import torch

    torch.set_num_threads(threads)
    configurations = {
        "r1": videoseg_r1_tiny(),
        "o3": videoseg_o3_tiny(),
        "o3-seg": videoseg_o3_tiny_seg(seg_model),
    }
    for name in names:
        chat = None if name == "o3-seg" else TinyChat(model=model)
        pipeline = build_pipeline(configurations[name], chat=chat)
        seeds = range(first_seed, first_seed + clips)
        rows = list(score_pipeline(pipeline, seeds, options={} if large else None))
        line = {"pipeline": configurations[name]["name"], **summarize(rows)}
        click.echo(json.dumps(line))


if __name__ == "__main__":
    main()
