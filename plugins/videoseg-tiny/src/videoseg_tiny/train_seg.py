"""The training of the shipped ``[SEG]`` model, in stages that can be interrupted.

``python -m videoseg_tiny.train_seg FOLDER`` draws clips, trains a tiny SAM 2 on them from nothing,
lets a teacher answer the questions of grounder ``o3`` with ``[SEG]``, trains the shipped language
model to answer so, and writes the model to ``FOLDER/model``. Called again with the same folder it
goes on where it was.

Stopped early (``--steps``, in a folder that has not been trained further), it leaves room for
reinforcement: see ``seg_reinforcement``.
"""

from __future__ import annotations

import json
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import numpy as np

from videoseg.files import make_folder
from videoseg_tiny.clips import TRAINING_SEEDS, VALIDATION_SEEDS
from videoseg_tiny.seg_clips import SegClip, prepare_seg_clips
from videoseg_tiny.seg_demonstrations import make_seg_demonstrations
from videoseg_tiny.seg_imitation import SegImitationSettings, SegSample, train_seg_imitation
from videoseg_tiny.seg_model import export_seg_model, new_tiny_seg_model
from videoseg_tiny.segmentation import (
    Prompter,
    SegmentationSettings,
    new_sam2,
    train_segmentation,
)

__all__ = ["main", "train_seg"]

_HELD_OUT = 40
"""Demonstrations that reports are about."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--clips", default=1200, show_default=True, help="How many clips are drawn.")
@click.option("--validation-clips", default=80, show_default=True, help="The same, for reports.")
@click.option("--segmentation-steps", default=SegmentationSettings().steps, show_default=True)
@click.option("--imitation-steps", default=SegImitationSettings().steps, show_default=True)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Stop imitation after so many of its steps, for a start with room for reinforcement.",
)
@click.option("--language-model", help="Folder of the language model; by default the shipped one.")
@click.option("--seed", default=0, show_default=True, help="Of weights and order.")
@click.option("--threads", default=1, show_default=True, help="Threads of torch.")
def main(
    folder: Path,
    clips: int,
    validation_clips: int,
    segmentation_steps: int,
    imitation_steps: int,
    steps: int | None,
    language_model: str | None,
    seed: int,
    threads: int,
) -> None:
    """Train the tiny [SEG] model, and write it to FOLDER/model."""
    import torch

    torch.set_num_threads(threads)
    make_folder(folder)
    train_seg(
        folder,
        prepare_seg_clips(folder / "training", TRAINING_SEEDS, clips),
        prepare_seg_clips(folder / "validation", VALIDATION_SEEDS, validation_clips),
        language_model=language_model,
        segmentation=SegmentationSettings(steps=segmentation_steps, seed=seed),
        imitation=SegImitationSettings(steps=imitation_steps, seed=seed),
        stop=steps,
        seed=seed,
    )


def train_seg(
    folder: Path,
    clips: list[SegClip],
    held_out: list[SegClip],
    *,
    language_model: str | None = None,
    segmentation: SegmentationSettings | None = None,
    imitation: SegImitationSettings | None = None,
    stop: int | None = None,
    seed: int = 0,
) -> Any:
    """Train a model in both stages, write it to ``folder / "model"``, and return it.

    Args:
        folder: Where the state of training, ``metrics.jsonl`` and the model are kept.
        clips: What to train on.
        held_out: What to report about.
        language_model: Folder of the language model to begin with; by default the shipped one.
        segmentation: Settings of the first stage.
        imitation: Settings of the second stage.
        stop: Stop the second stage after so many steps.
        seed: Seed of the weights.

    Returns:
        The ``SegModel``.

    Raises:
        ConfigError: If the second stage has been trained further in this folder already.
    """
    import torch

    begin = time.perf_counter()

    def log(facts: dict[str, Any]) -> None:
        line = {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in {**facts, "wall": time.perf_counter() - begin}.items()
        }
        with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        click.echo(json.dumps(line))

    state = folder / "state"
    make_folder(state)
    sam2 = new_sam2(seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        prompter = Prompter(sam2.hidden_dim)
    train_segmentation(
        sam2, prompter, clips, held_out, segmentation or SegmentationSettings(), state, log=log
    )
    model = new_tiny_seg_model(
        language_model or str(files("videoseg_tiny") / "model"), sam2, state, seed=seed
    )
    demonstrations = list(make_seg_demonstrations(model.processor, clips, seed=1))
    train_seg_imitation(
        model,
        prompter,
        demonstrations,
        _select(list(make_seg_demonstrations(model.processor, held_out, seed=1))),
        imitation or SegImitationSettings(),
        state,
        stop=stop,
        log=log,
    )
    export_seg_model(model, folder / "model")
    return model


def _select(samples: list[SegSample]) -> list[SegSample]:
    """Return some demonstrations of all clips."""
    order = np.random.default_rng(3).permutation(len(samples))
    return [samples[int(at)] for at in order[:_HELD_OUT]]


if __name__ == "__main__":
    main()
