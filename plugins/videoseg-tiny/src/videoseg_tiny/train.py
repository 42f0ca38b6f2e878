"""The training of the shipped weights, from nothing, in stages that can be interrupted.

``python -m videoseg_tiny.train FOLDER`` draws clips, lets a teacher answer the strategies'
questions about them, trains the vision encoder, then the language model, and writes the model to
``FOLDER/model``. Called again with the same folder it goes on where it was.

Further stages, such as reinforcement learning, start from ``FOLDER/model``: it is a checkpoint of
``transformers``, and ``use("tiny", model="FOLDER/model")`` is its chat model.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from videoseg.files import make_folder
from videoseg_tiny.architecture import new_model, new_processor
from videoseg_tiny.clips import (
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
    ClipFacts,
    draw_clip,
    load_clips,
    save_clips,
)
from videoseg_tiny.demonstrations import (
    load_demonstrations,
    make_demonstrations,
    save_demonstrations,
)
from videoseg_tiny.imitation import ImitationSettings, Sample, train_imitation
from videoseg_tiny.perception import PerceptionSettings, train_perception

__all__ = ["STAGES", "export", "main", "prepare", "select_held_out", "train"]

STAGES = (ImitationSettings("imitation", steps=1600, num_ground=9, num_times=5, num_episodes=5),)
"""The stages of imitation that made the shipped weights."""

_CHUNK = 40
"""Clips in a file."""
_HELD_OUT = {"ground": 90, "answer": 30, "look": 10, "position": 20}
"""Demonstrations that reports are about."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--clips", default=2000, show_default=True, help="How many clips are drawn.")
@click.option("--validation-clips", default=120, show_default=True, help="The same, for reports.")
@click.option("--perception-steps", default=PerceptionSettings().steps, show_default=True)
@click.option("--imitation-steps", default=STAGES[0].steps, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of weights and order.")
@click.option("--threads", default=1, show_default=True, help="Threads of torch.")
def main(
    folder: Path,
    clips: int,
    validation_clips: int,
    perception_steps: int,
    imitation_steps: int,
    seed: int,
    threads: int,
) -> None:
    """Train the tiny model from nothing, and write it to FOLDER/model."""
    import torch

    torch.set_num_threads(threads)
    make_folder(folder)
    processor = new_processor()
    held_out = prepare(processor, folder / "validation", VALIDATION_SEEDS, validation_clips)
    samples = prepare(processor, folder / "training", TRAINING_SEEDS, clips)
    train(
        folder,
        processor,
        samples,
        select_held_out(held_out),
        perception=PerceptionSettings(steps=perception_steps, seed=seed),
        stages=[
            ImitationSettings(
                STAGES[0].name,
                steps=imitation_steps,
                num_ground=STAGES[0].num_ground,
                num_times=STAGES[0].num_times,
                num_episodes=STAGES[0].num_episodes,
                seed=seed,
            )
        ],
        seed=seed,
    )


def prepare(processor: Any, folder: Path, first_seed: int, count: int) -> list[Sample]:
    """Return clips with demonstrations on them; those that the folder has are not made again.

    Args:
        processor: The processor of the model.
        folder: Where they are kept.
        first_seed: The seed of the first clip; the others follow.
        count: How many clips.
    """
    make_folder(folder)
    samples: list[Sample] = []
    for start in range(0, count, _CHUNK):
        seeds = range(first_seed + start, first_seed + min(start + _CHUNK, count))
        clips_file = folder / f"clips-{seeds.start}-{len(seeds)}.npz"
        shown_file = folder / f"demonstrations-{seeds.start}-{len(seeds)}.npz"
        if not clips_file.is_file():
            save_clips(clips_file, [draw_clip(seed) for seed in seeds])
        clips = list(load_clips(clips_file))
        if not shown_file.is_file():
            made = make_demonstrations(processor, clips, seed=1)
            save_demonstrations(shown_file, list(made))
        samples += [(clips[index], one) for index, one in load_demonstrations(shown_file)]
    return samples


def select_held_out(samples: Sequence[Sample]) -> list[Sample]:
    """Return some demonstrations of each task, from all clips."""
    rng = np.random.default_rng(3)
    order = [samples[int(at)] for at in rng.permutation(len(samples))]
    return [
        sample
        for task, count in _HELD_OUT.items()
        for sample in [one for one in order if one[1].task == task][:count]
    ]


def train(
    folder: Path,
    processor: Any,
    samples: Sequence[Sample],
    held_out: Sequence[Sample],
    *,
    perception: PerceptionSettings,
    stages: Sequence[ImitationSettings],
    seed: int = 0,
) -> Any:
    """Train a model in all stages, write it to ``folder / "model"``, and return it.

    Args:
        folder: Where the state of training, ``metrics.jsonl`` and the model are kept.
        processor: The processor of the model.
        samples: Clips with demonstrations.
        held_out: The same, for reports.
        perception: Settings of the first stage.
        stages: Settings of the others.
        seed: Seed of the weights.
    """
    tokenizer = processor.tokenizer
    model = new_model(tokenizer, seed=seed)
    begin = time.perf_counter()

    def log(facts: dict[str, Any]) -> None:
        line = {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in {**facts, "wall": time.perf_counter() - begin}.items()
        }
        with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        click.echo(json.dumps(line))

    train_perception(
        model,
        tokenizer,
        _list_clips(samples),
        _list_clips(held_out),
        perception,
        folder / "state",
        log=log,
    )
    for settings in stages:
        train_imitation(model, tokenizer, samples, held_out, settings, folder / "state", log=log)
    export(model, processor, folder / "model")
    return model


def export(model: Any, processor: Any, folder: Path) -> None:
    """Write a model and its processor as a checkpoint in half precision.

    Args:
        model: The model; it is left as it is.
        processor: Its processor.
        folder: Where to.
    """
    import copy

    import torch

    # Numbers of this size lose less in float16 than in bfloat16.
    copy.deepcopy(model).to(torch.float16).save_pretrained(folder)
    processor.save_pretrained(folder)


def _list_clips(samples: Sequence[Sample]) -> list[ClipFacts]:
    return list({clip.seed: clip for clip, _ in samples}.values())


if __name__ == "__main__":
    main()
