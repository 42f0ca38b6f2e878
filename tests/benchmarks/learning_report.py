"""What is shown of the experiments in miniature: tables, what they cost, curves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

__all__ = ["Table", "describe_cost", "draw_curves", "to_markdown"]

Table: TypeAlias = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Head and rows."""


def to_markdown(table: Table) -> str:
    """Return a table as Markdown."""
    head, rows = table
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def describe_cost(folder: Path, seeds: Sequence[int]) -> Table:
    """Return what the runs of reinforcement learning took."""
    rows = []
    for name in ("grpo", "grpo-penalty", "grpo-looking"):
        files = [folder / f"seed-{seed}" / name / "timings.jsonl" for seed in seeds]
        lines = [
            json.loads(line)
            for file in files
            if file.is_file()
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        steps = [line for line in lines if "rollout" in line["seconds"]]
        if not steps:
            continue
        phases = {
            phase: sum(one["seconds"].get(phase, 0.0) for one in steps) / len(steps)
            for phase in ("rollout", "reward", "update")
        }
        rows.append(
            [
                name,
                *(f"{value:.1f}" for value in phases.values()),
                f"{sum(one['tokens'] for one in steps) / (sum(phases.values()) * len(steps)):.0f}",
                f"{max(one['memory_bytes'] for one in steps) / 2**20:.0f}",
                f"{sum(phases.values()) * len(steps) / 60 / len(seeds):.0f}",
            ]
        )
    head = ["run", "rollout, s a step", "reward", "update", "tokens a second", "MiB", "minutes"]
    return head, rows


def draw_curves(folder: Path, seeds: Sequence[int], file: Path) -> None:
    """Draw how the runs went on the questions that were watched meanwhile."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    runs = {
        "grpo": "one turn",
        "grpo-penalty": "one turn, length penalty",
        "grpo-looking": "several turns, objects that hide",
    }
    measures = {"keyframe_iou": "IoU of the box", "answer_tokens": "tokens of an episode"}
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for color, (name, label) in zip(("#0072b2", "#d55e00", "#009e73"), runs.items(), strict=True):
        for seed in seeds:
            path = folder / f"seed-{seed}" / name / "metrics.jsonl"
            if not path.is_file():
                continue
            lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
            points = [line for line in lines if line["kind"] == "evaluation"]
            for axis, (measure, title) in zip(axes, measures.items(), strict=True):
                axis.plot(
                    [point["step"] for point in points],
                    [point["metrics"].get(measure, 0.0) for point in points],
                    color=color,
                    label=label if seed == seeds[0] else None,
                    marker=".",
                )
                axis.set(xlabel="step of GRPO", title=title)
    axes[0].set_ylim(0, 1)
    axes[1].set_ylim(bottom=0)
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(file, dpi=110)
