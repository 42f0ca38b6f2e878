"""Cold starts of the experiments in miniature: tiny policies that imitate an imperfect teacher.

The vision encoder learns from exact labels; the language model only ever sees what the teacher
says. Everything is kept in a folder and made once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from videoseg_tiny import new_processor
from videoseg_tiny.clips import (
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
    draw_clip,
    load_clips,
    save_clips,
)
from videoseg_tiny.demonstrations import (
    load_demonstrations,
    make_demonstrations,
    save_demonstrations,
)
from videoseg_tiny.imitation import ImitationSettings, Sample
from videoseg_tiny.perception import PerceptionSettings
from videoseg_tiny.teacher import Teacher
from videoseg_tiny.train import export, select_held_out, train
from videoseg_train import TeacherFaults

__all__ = ["FAULTS", "MAX_TURNS", "WORDINESS", "make_start"]

FAULTS = TeacherFaults(box_spread=0.1, wrong_object=0.4, random_keyframe=0.6)
"""Loose boxes, a neighbor for the object, a random keyframe; set before the first run."""

WORDINESS = 0.8
"""In which share of its answers the teacher goes through the other objects first."""

MAX_TURNS = 3

NUM_CLIPS = 1520
NUM_VALIDATION_CLIPS = 80
CHUNK = 40
PERCEPTION_STEPS = 500
IMITATION_STEPS = 700
LONGER_STEPS = 500
"""Of imitation beyond the start, about as many CPU seconds as the reinforcement learning."""


def make_start(folder: Path, seed: int) -> dict[str, Path]:
    """Return the folders of the models of a seed; those that the folder has are not made again.

    Args:
        folder: Of all experiments.
        seed: Of the weights and of the order of demonstrations.

    Returns:
        ``seeing``: the vision encoder is trained, the language model is not; ``sft``: cold start;
        ``longer``: more of the same demonstrations.
    """
    home = folder / f"seed-{seed}"
    found = {name: home / name for name in ("seeing", "sft", "longer")}
    if all((path / "model.safetensors").is_file() for path in found.values()):
        return found
    processor = new_processor()
    samples = _prepare(processor, folder / "training", TRAINING_SEEDS, NUM_CLIPS)
    held_out = _prepare(processor, folder / "validation", VALIDATION_SEEDS, NUM_VALIDATION_CLIPS)
    stages = [
        _imitation("sft", IMITATION_STEPS, seed, guidance=1.0),
        _imitation("longer", LONGER_STEPS, seed + 100, guidance=0.0),
    ]
    for name, count in (("seeing", 0), ("sft", 1), ("longer", 2)):
        model = train(
            home,
            processor,
            samples,
            select_held_out(held_out),
            perception=PerceptionSettings(steps=PERCEPTION_STEPS, seed=seed),
            stages=stages[:count],
            seed=seed,
        )
        export(model, processor, found[name])
    return found


def _imitation(name: str, steps: int, seed: int, *, guidance: float) -> ImitationSettings:
    return ImitationSettings(
        name,
        steps=steps,
        num_ground=9,
        num_times=4,
        num_episodes=6,
        guidance=guidance,
        evaluate_every=100,
        seed=seed,
    )


def new_teacher(rng: np.random.Generator) -> Teacher:
    """Return the imperfect teacher."""
    return Teacher(faults=FAULTS, wordiness=WORDINESS, looks_again=True, rng=rng)


def _prepare(processor: Any, folder: Path, first_seed: int, count: int) -> list[Sample]:
    """Return clips and what the imperfect teacher shows on them."""
    folder.mkdir(parents=True, exist_ok=True)
    samples: list[Sample] = []
    for start in range(first_seed, first_seed + count, CHUNK):
        drawn, shown = folder / f"clips-{start}.npz", folder / f"demonstrations-{start}.npz"
        if not drawn.is_file():
            save_clips(drawn, [draw_clip(seed) for seed in range(start, start + CHUNK)])
        clips = list(load_clips(drawn))
        if not shown.is_file():
            made = make_demonstrations(
                processor, clips, seed=1, new_teacher=new_teacher, max_turns=MAX_TURNS
            )
            save_demonstrations(shown, list(made))
        samples += [(clips[index], one) for index, one in load_demonstrations(shown)]
    return samples
