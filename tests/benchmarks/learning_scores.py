"""Scores of policies on held-out questions, kept in files, and their intervals."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from learning_questions import score_result
from learning_starts import new_teacher
from videoseg_tiny import TinyChat
from videoseg_tiny.clips import NUM_FRAMES, draw_clip
from videoseg_tiny.footage import Footage
from videoseg_tiny.scoring import build_pipeline
from videoseg_tiny.vocabulary import new_tokenizer
from videoseg_train import TrainingSample

import videoseg as vs
from videoseg.types import Prompt

__all__ = [
    "PROMPTS",
    "Cells",
    "Interval",
    "compare",
    "estimate",
    "score_policy",
    "score_prompts",
    "score_teacher",
]

Row = dict[str, Any]
Cells = Mapping[int, Sequence[Row]]
"""The rows of each seed, about the same questions in the same order."""

NUM_DRAWS = 2000
"""Of the bootstrap."""


def score_policy(
    file: Path,
    model: Path | None,
    configuration: dict[str, Any],
    samples: Sequence[TrainingSample],
) -> list[Row]:
    """Return J&F, tokens and turns of a policy's answers; asked once, then read from the file.

    Args:
        file: Where they are kept.
        model: Folder of the model; None for the pipeline's own.
        configuration: The pipeline.
        samples: The questions.
    """

    def ask() -> list[Row]:
        chat = None if model is None else TinyChat(model=str(model))
        pipeline = build_pipeline(configuration, chat=chat)
        return [_row(pipeline(sample.video, sample.query), sample) for sample in samples]

    return _keep(file, ask)


def score_teacher(
    file: Path, configuration: dict[str, Any], samples: Sequence[TrainingSample]
) -> list[Row]:
    """Return the same of the imperfect teacher's own answers."""

    def ask() -> list[Row]:
        teacher = new_teacher(np.random.default_rng(0))
        pipeline = build_pipeline(configuration, chat=teacher)
        rows = []
        for sample in samples:
            clip = draw_clip(sample.details["seed"])
            [question] = [one for one in clip.questions if one.text == sample.query]
            teacher.begin(clip, Footage(clip.size, NUM_FRAMES, NUM_FRAMES, 12.0), question)
            rows.append(_row(pipeline(sample.video, sample.query), sample))
        return rows

    return _keep(file, ask)


def _row(result: vs.Segmentation, sample: TrainingSample) -> Row:
    thoughts = [turn.thought for turn in result.trace.turns]
    tokenizer = new_tokenizer()
    keyframe = result.grounding.keyframe
    return {
        "id": sample.id,
        "kind": sample.details["kind"],
        "clip": sample.details["seed"],
        "jf": score_result(result, sample),
        "tokens": sum(thought.num_tokens or 0 for thought in thoughts),
        "thinking": sum(len(tokenizer(thought.text).input_ids) for thought in thoughts),
        "turns": len(thoughts),
        "shows": None if keyframe is None else bool(sample.visible()[keyframe]),
        "thoughts": [thought.text for thought in thoughts],
    }


# -- prompts -------------------------------------------------------------------------------------


def _only(*names: str) -> Callable[[Prompt], Prompt]:
    def change(prompt: Prompt) -> Prompt:
        return replace(
            prompt,
            box=prompt.box if "box" in names else None,
            points=prompt.points if "point" in names else (),
            negative_points=prompt.negative_points if "negative" in names else (),
        )

    return change


PROMPTS: Mapping[str, Callable[[Prompt], Prompt]] = {
    "box": _only("box"),
    "point": _only("point"),
    "box + point": _only("box", "point"),
    "box + point + negative": _only("box", "point", "negative"),
}


def score_prompts(
    file: Path,
    model: Path,
    configuration: dict[str, Any],
    samples: Sequence[TrainingSample],
) -> dict[str, list[Row]]:
    """Return J&F of the same answers with prompts left out, by what is left."""

    def ask() -> list[Row]:
        pipeline = build_pipeline(configuration, chat=TinyChat(model=str(model)))
        rows = []
        for sample in samples:
            grounding = pipeline.ground(sample.video, sample.query).grounding
            for name, change in PROMPTS.items():
                prompts = tuple(change(prompt) for prompt in grounding.prompts)
                changed = replace(grounding, prompts=prompts)
                result = pipeline.propagate(sample.video, changed, query=sample.query)
                rows.append({**_row(result, sample), "prompts": name})
        return rows

    rows = _keep(file, ask)
    return {name: [row for row in rows if row["prompts"] == name] for name in PROMPTS}


def _keep(file: Path, make: Callable[[], list[Row]]) -> list[Row]:
    if not file.is_file():
        rows = make()
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".part")
        temporary.write_text(json.dumps(rows), encoding="utf-8")
        temporary.replace(file)
    found: list[Row] = json.loads(file.read_text(encoding="utf-8"))
    return found


# -- intervals -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and where 95 % of the bootstrap's means lie.

    Args:
        mean: The mean over seeds and questions.
        low: The lower end.
        high: The upper end.
    """

    mean: float
    low: float
    high: float

    def text(self, scale: float = 100, digits: int = 1, *, sign: bool = False) -> str:
        """Return it as ``61.2 (58.0 to 64.1)``."""
        form = f"{'+' if sign else ''}.{digits}f"
        mean, low, high = (format(scale * at, form) for at in (self.mean, self.low, self.high))
        return f"{mean} ({low} to {high})"


def estimate(cells: Cells, name: str = "jf") -> Interval:
    """Return the mean of a measure."""
    return _interval({seed: [row[name] for row in rows] for seed, rows in cells.items()}, cells)


def compare(first: Cells, second: Cells, name: str = "jf") -> Interval:
    """Return by how much the second is above the first, question by question and seed by seed."""
    differences = {
        seed: [b[name] - a[name] for a, b in zip(first[seed], second[seed], strict=True)]
        for seed in first
    }
    return _interval(differences, first)


def _interval(values: Mapping[int, Sequence[float]], cells: Cells) -> Interval:
    """Return mean and interval; seeds are drawn, and clips, whose questions go along."""
    table = np.array([values[seed] for seed in values], float)
    clips = np.array([row["clip"] for row in next(iter(cells.values()))])
    _, groups = np.unique(clips, return_inverse=True)
    rng = np.random.default_rng(0)
    means = np.empty(NUM_DRAWS)
    for draw in range(NUM_DRAWS):
        weights = np.bincount(
            rng.integers(groups.max() + 1, size=groups.max() + 1), minlength=groups.max() + 1
        )[groups]
        seeds = rng.integers(len(table), size=len(table))
        means[draw] = np.average(table[seeds].mean(0), weights=weights)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(table.mean()), float(low), float(high))
