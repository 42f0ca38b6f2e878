"""The language model learns to answer with ``[SEG]``, and the projector what it stands for.

The language model begins as the shipped one, which knows how to look and to name. SAM 2 and the
vision encoder are left as they are. Each ``[SEG]`` is decoded on the frame that its turn chooses
and on others of the clip. Its prompt is also drawn to the one that the ``Prompter`` makes of the
object's color: from the masks alone, prompts leave what the mask decoder understands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from videoseg_o3 import SegModel, record_states, token_logits

from videoseg import ConfigError
from videoseg.text import show_path
from videoseg_tiny.batches import CoordinateTokens, make_batch
from videoseg_tiny.checkpoints import Progress, load_progress, save_progress
from videoseg_tiny.demonstrations import Demonstration
from videoseg_tiny.seg_clips import SegClip
from videoseg_tiny.segmentation import (
    Prompter,
    describe_color,
    make_rate,
    mask_loss,
    picture_input,
    prompting,
    true_masks,
)

__all__ = ["SegImitationSettings", "SegSample", "train_seg_imitation"]

SegSample = tuple[SegClip, Demonstration]

_KEEP_EVERY = 50
_NUM_OTHERS = 1
"""Frames besides the chosen one on which each ``[SEG]`` is decoded."""


@dataclass(frozen=True, slots=True)
class SegImitationSettings:
    """Settings of the stage.

    Args:
        steps: How many steps.
        batch: How many episodes each.
        learning_rate: Of the language model, at its highest.
        projector_rate: Of the projector, likewise.
        mask_weight: Weight of the losses of masks.
        guidance: Weight of the distance from the prompter's prompts.
        seed: Seed of the order of demonstrations.
        evaluate_every: Steps between reports.
    """

    steps: int = 600
    batch: int = 8
    learning_rate: float = 7e-4
    projector_rate: float = 2e-3
    mask_weight: float = 0.3
    guidance: float = 2.0
    seed: int = 0
    evaluate_every: int = 100


def train_seg_imitation(
    model: SegModel,
    prompter: Prompter,
    samples: Sequence[SegSample],
    held_out: Sequence[SegSample],
    settings: SegImitationSettings,
    folder: Path,
    *,
    stop: int | None = None,
    log: Callable[[dict[str, Any]], None],
) -> None:
    """Train on demonstrations; goes on from ``folder`` if it was interrupted.

    Args:
        model: Language model and projector are trained in place.
        prompter: Trained with the model's SAM 2.
        samples: Clips with demonstrations on them.
        held_out: The same, to report about.
        settings: The settings.
        folder: Where the state of training is kept.
        stop: Stop after so many steps; the schedule is that of all.
        log: Called with a mapping of numbers now and then.

    Raises:
        ConfigError: If ``folder`` has the state of a later step than the last one that is asked
            for; the model is changed then.
    """
    language = [*model.vlm.model.language_model.parameters(), *model.vlm.lm_head.parameters()]
    projector = [*model.projector.parameters()]
    groups: list[dict[str, Any]] = [
        {"params": language},
        {"params": projector, "lr": settings.projector_rate},
    ]
    optimizer = torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=0.02,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, make_rate(settings.steps))
    state = Progress(folder / "seg-imitation.pt", (model,), optimizer, schedule)
    start = load_progress(state)
    tokens = CoordinateTokens(model.processor.tokenizer)
    begin = time.process_time()
    sums: dict[str, list[float]] = {}
    last = settings.steps if stop is None else min(stop, settings.steps)
    if start > last:
        raise ConfigError(
            f"{show_path(state.path)} has been trained for {start} steps already, which is more "
            f"than the {last} that are asked for; choose another folder, or at least {start} steps"
        )
    for step in range(start, last):
        rng = np.random.default_rng([settings.seed, step])
        drawn = [samples[int(at)] for at in rng.integers(len(samples), size=settings.batch)]
        losses = _compute(model, prompter, tokens, drawn, rng)
        loss = losses["answer"] + settings.mask_weight * losses["mask"]
        loss = loss + settings.guidance * losses["guide"]
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_([*language, *projector], 1.0)
        optimizer.step()
        schedule.step()
        for name, value in losses.items():
            sums.setdefault(name, []).append(float(value.detach()))
        done = step + 1
        if done % _KEEP_EVERY == 0 or done == last:
            save_progress(state, done)
        if done % settings.evaluate_every == 0 or done == last:
            means = {name: float(np.nanmean(values)) for name, values in sums.items()}
            sums.clear()
            seconds = time.process_time() - begin
            facts = _grade(model, prompter, tokens, held_out)
            log({"stage": "seg-imitation", "step": done, "seconds": seconds, **means, **facts})


def _grade(
    model: SegModel, prompter: Prompter, tokens: CoordinateTokens, samples: Sequence[SegSample]
) -> dict[str, float]:
    with torch.no_grad():
        facts = _compute(model, prompter, tokens, samples, np.random.default_rng(1))
    return {f"held_out_{name}": float(value) for name, value in facts.items()}


def _compute(
    model: SegModel,
    prompter: Prompter,
    tokens: CoordinateTokens,
    samples: Sequence[SegSample],
    rng: np.random.Generator,
) -> dict[str, Tensor]:
    """Return losses, and besides the IoU on chosen frames and on others."""
    vlm = model.vlm
    batch = make_batch(vlm, tokens, [(clip.facts, one) for clip, one in samples])
    with record_states(vlm) as recorded:
        vlm.model.language_model(
            inputs_embeds=batch.embeds, position_ids=batch.positions, use_cache=False
        )
    [states] = recorded
    own = batch.own[:, 1:]
    logits = token_logits(vlm, states[:, :-1][own])
    wanted = batch.tokens[:, 1:][own]
    answer = nn.functional.cross_entropy(logits, wanted)
    rows, places = torch.nonzero(batch.own & (batch.tokens == model.seg_token), as_tuple=True)
    if not len(rows):
        zero = answer.detach() * torch.nan
        return {"answer": answer, "mask": answer * 0.0, "guide": answer * 0.0, "iou": zero}
    vectors = model.project(states[rows, places])
    facts, owners, pictures, labels, numbers = [], [], [], [], []
    for index, row in enumerate(rows.tolist()):
        clip, one = samples[row]
        [object_], keyframe = one.objects, one.images[-1].frame
        facts.append(describe_color(clip, object_))
        others = rng.integers(len(clip.pictures), size=_NUM_OTHERS).tolist()
        for frame in (keyframe, *others):
            owners.append(index)
            pictures.append(clip.pictures[frame])
            labels.append(clip.labels[frame])
            numbers.append(object_ + 1)
    with torch.no_grad():
        features = model.encode_images(picture_input(pictures))
        guide = prompter(torch.tensor(facts))
    sam2: Any = model.sam2
    with prompting(sam2, vectors[owners]):
        candidates, _, quality, *_ = sam2._forward_sam_heads(
            features.coarse, None, None, list(features.fine), multimask_output=True
        )
    loss, iou = mask_loss(candidates, true_masks(labels, numbers))
    chosen = iou.gather(1, quality.argmax(1, keepdim=True))[:, 0].detach()
    is_keyframe = torch.arange(len(owners)) % (1 + _NUM_OTHERS) == 0
    return {
        "answer": answer,
        "mask": loss.mean(),
        "guide": nn.functional.mse_loss(vectors, guide) / guide.pow(2).mean(),
        "iou": chosen[is_keyframe].mean(),
        "iou_others": chosen[~is_keyframe].mean(),
        "token_right": (logits.argmax(-1) == wanted).float().mean().detach(),
    }
