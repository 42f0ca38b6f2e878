"""SAM 2 alone, at a tiny size, learns to segment what a prompt says.

The prompt is a vector, as the projector of a ``[SEG]`` model makes it. Here it comes from a
``Prompter``, which is told color, shape and box of the object: what a language model can be
expected to know. Frames are segmented by themselves and with the memory of earlier ones, so that
the propagator ``o3`` works with what is learned.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from videoseg_o3.model.sam2 import O3_SETTINGS, normalize_frame
from videoseg_sam2 import build_network, config_path

from videoseg_tiny.checkpoints import Progress, load_progress, save_progress
from videoseg_tiny.clips import FRAME_SIDE, NUM_FRAMES
from videoseg_tiny.seg_clips import IMAGE_SIDE, SegClip
from videoseg_tiny.vocabulary import COLORS, SHAPES

__all__ = [
    "NETWORK",
    "Prompter",
    "SegmentationSettings",
    "describe_color",
    "make_rate",
    "mask_loss",
    "new_sam2",
    "picture_input",
    "prompting",
    "train_segmentation",
    "true_masks",
]

NETWORK = "mini-2.0"
"""The network of videoseg-sam2."""

_LOSS_SIDE = 48
"""Side of the masks that losses compare: finer than the network's logits, which are enlarged."""
_REACH = 6
"""Frames from the first to the last that are segmented together."""
_KEEP_EVERY = 50
_WARM_UP = 100
"""Most steps in which the learning rate rises."""
_CROSS_ENTROPY_WEIGHT = 4.0
"""Objects cover a few percent of the frame, which keeps the mean over pixels small."""
_NOISE = 3.0
"""Standard deviation of the sides of boxes that a prompter is told, in pixels of 96: as far off
as the boxes that the language model reads from its image tokens."""


@dataclass(frozen=True, slots=True)
class SegmentationSettings:
    """Settings of the stage.

    Args:
        steps: How many steps.
        batch: How many clips each; of each, one frame.
        remembering: Share of the steps, the last ones, in which three frames of a third of the
            clips are segmented with the memory of those before.
        learning_rate: At its highest.
        seed: Seed of the weights and of the order of clips.
    """

    steps: int = 3000
    batch: int = 24
    remembering: float = 0.2
    learning_rate: float = 2e-3
    seed: int = 0


class Prompter(nn.Module):
    """Makes prompts of facts about an object; a stand-in for the language model.

    Args:
        width: Width of SAM 2's prompts.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.color = nn.Embedding(len(COLORS) + 1, 48)
        self.shape = nn.Embedding(len(SHAPES) + 1, 24)
        self.mix = nn.Sequential(
            nn.Linear(48 + 24 + 4 * 12 + 1, 128), nn.GELU(), nn.Linear(128, width)
        )

    def forward(self, facts: Tensor) -> Tensor:
        """Return prompts, shape (n, 1, width).

        Args:
            facts: Of n objects: indices of color and shape, 0 for unknown; box in shares of the
                frame, -1 for unknown. Shape (n, 6), dtype float32.
        """
        box = facts[:, 2:]
        known = (box[:, :1] >= 0).float()
        rates = torch.pi * 2.0 ** torch.arange(6)
        waves = (box[..., None] * rates).flatten(1)
        waves = torch.cat([waves.sin(), waves.cos()], 1) * known
        parts = [self.color(facts[:, 0].long()), self.shape(facts[:, 1].long()), waves, known]
        made: Tensor = self.mix(torch.cat(parts, 1))
        return made[:, None]


def make_rate(steps: int) -> Callable[[int], float]:
    """Return the learning rate by step, as a share of the highest.

    It rises in the first steps and falls in the last 40 percent.
    """

    def rate(step: int) -> float:
        rising = min(1.0, (step + 1) / min(_WARM_UP, max(1, steps // 4)))
        return rising * min(1.0, max(0.01, (steps - step) / (0.4 * steps)))

    return rate


def new_sam2(*, seed: int = 0) -> Any:
    """Return a ``SAM2Base`` of the tiny size with random weights, dtype float32.

    Args:
        seed: Seed of the positions; the other weights are the same each time.
    """
    sam2 = build_network(config_path(NETWORK), O3_SETTINGS)
    trunk = sam2.image_encoder.trunk
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        # The package begins with zeros, from which positions are slow to come.
        trunk.pos_embed.normal_(std=0.3)
        trunk.pos_embed_window.normal_(std=0.1)
    return sam2.eval()


def picture_input(pictures: Sequence[np.ndarray]) -> Tensor:
    """Return pictures as SAM 2 takes them, shape (n, 3, 96, 96), dtype float32."""
    return torch.cat([normalize_frame(picture, IMAGE_SIDE) for picture in pictures])


def true_masks(labels: Sequence[np.ndarray], numbers: Sequence[int]) -> Tensor:
    """Return which share of each cell an object covers, shape (n, 48, 48), dtype float32.

    Args:
        labels: Of n frames, each of shape (96, 96).
        numbers: The label of the object on each.
    """
    masks = np.stack([one == number for one, number in zip(labels, numbers, strict=True)])
    return nn.functional.avg_pool2d(torch.from_numpy(masks).float(), IMAGE_SIDE // _LOSS_SIDE)


def mask_loss(logits: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of each mask and its IoU with the truth.

    Args:
        logits: k candidates for each of n masks, shape (n, k, 24, 24).
        truth: From ``true_masks``, shape (n, 48, 48).

    Returns:
        Cross-entropy and Dice loss together, shape (n, k); IoU, shape (n, k), 1 where both are
        empty.
    """
    enlarged = nn.functional.interpolate(
        logits, size=truth.shape[-2:], mode="bilinear", align_corners=False
    )
    wanted = truth[:, None].expand_as(enlarged)
    cross = nn.functional.binary_cross_entropy_with_logits(enlarged, wanted, reduction="none")
    chances = enlarged.sigmoid()
    shared = (chances * wanted).sum((2, 3))
    # The 1 lets an empty mask of an absent object be right.
    dice = 1 - (2 * shared + 1) / (chances.sum((2, 3)) + wanted.sum((2, 3)) + 1)
    with torch.no_grad():
        found, there = enlarged > 0, wanted > 0.5
        union = (found | there).sum((2, 3))
        iou = torch.where(union > 0, (found & there).sum((2, 3)) / union.clamp(min=1), 1.0)
    return _CROSS_ENTROPY_WEIGHT * cross.mean((2, 3)) + dice, iou


@contextmanager
def prompting(sam2: Any, vectors: Tensor) -> Iterator[None]:
    """Let vectors, shape (n, k, C), join the prompts of n objects wherever they are encoded."""

    def add(_module: Any, _inputs: Any, output: Any) -> Any:
        sparse, dense = output
        return torch.cat([sparse, vectors], 1), dense

    hook = sam2.sam_prompt_encoder.register_forward_hook(add)
    try:
        yield
    finally:
        hook.remove()


# -- training ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Batch:
    """T frames of each of n clips; those of one time stand together.

    Args:
        images: Shape (T n, 3, 96, 96).
        truth: Shape (T n, 48, 48).
        facts: Of each object, shape (n, 6).
        times: The numbers of the frames, from the one on which boxes are known.
    """

    images: Tensor
    truth: Tensor
    facts: Tensor
    times: Sequence[int]


def train_segmentation(
    sam2: Any,
    prompter: Prompter,
    clips: Sequence[SegClip],
    held_out: Sequence[SegClip],
    settings: SegmentationSettings,
    folder: Path,
    *,
    log: Callable[[dict[str, Any]], None],
) -> None:
    """Train SAM 2 and the prompter; goes on from ``folder`` if it was interrupted.

    Args:
        sam2: From ``new_sam2``; trained in place.
        prompter: Trained in place.
        clips: What to train on.
        held_out: What to report about.
        settings: The settings.
        folder: Where the state of training is kept.
        log: Called with a mapping of numbers now and then.
    """
    parameters = [*sam2.parameters(), *prompter.parameters()]
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, make_rate(settings.steps))
    state = Progress(folder / "segmentation.pt", (sam2, prompter), optimizer, schedule)
    start = load_progress(state)
    begin = time.process_time()
    losses: list[float] = []
    for step in range(start, settings.steps):
        rng = np.random.default_rng([settings.seed, step])
        if step < settings.steps * (1 - settings.remembering):
            moment = int(rng.integers(1, _REACH + 1)) if rng.random() < 0.5 else 0
            batch = _draw_batch(clips, settings.batch, rng, [moment])
        else:
            batch = _draw_batch(clips, settings.batch // 3, rng, _draw_times(rng))
        loss, _ = _compute(sam2, prompter, batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        done = step + 1
        if done % _KEEP_EVERY == 0 or done == settings.steps:
            save_progress(state, done)
        if done % 100 == 0 or done == settings.steps:
            with torch.no_grad():
                probe = _draw_batch(held_out, 40, np.random.default_rng(1), [0, 2, 5])
                _, facts = _compute(sam2, prompter, probe)
            facts |= {"loss": float(np.mean(losses)), "seconds": time.process_time() - begin}
            losses.clear()
            log({"stage": "segmentation", "step": done, **facts})


def _compute(sam2: Any, prompter: Prompter, batch: _Batch) -> tuple[Tensor, dict[str, float]]:
    count = len(batch.facts)
    vectors = prompter(batch.facts)
    encoded = sam2.forward_image(batch.images)
    _, maps, positions, sizes = sam2._prepare_backbone_features(encoded)
    squares = [m.permute(1, 2, 0).unflatten(2, s) for m, s in zip(maps, sizes, strict=True)]
    alone = squares[-1] + sam2.no_mem_embed.view(1, -1, 1, 1)
    with prompting(sam2, vectors.repeat(len(batch.times), 1, 1)):
        heads = [sam2._forward_sam_heads(alone, None, None, squares[:-1], multimask_output=True)]
    truths = [batch.truth]
    memories: dict[str, dict[int, Any]] = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    output = [part[:count] for part in heads[0]]
    for number, moment in enumerate(batch.times if len(batch.times) > 1 else ()):
        some = slice(number * count, (number + 1) * count)
        here = [one[:, some] for one in maps]
        if number:
            there = [one[:, some] for one in positions]
            features = sam2._prepare_memory_conditioned_features(
                frame_idx=moment,
                is_init_cond_frame=False,
                current_vision_feats=here[-1:],
                current_vision_pos_embeds=there[-1:],
                feat_sizes=sizes[-1:],
                output_dict=memories,
                num_frames=NUM_FRAMES,
            )
            fine = [square[some] for square in squares[:-1]]
            with prompting(sam2, vectors):
                output = sam2._forward_sam_heads(features, None, None, fine, multimask_output=True)
            heads.append(output)
            truths.append(batch.truth[some])
        *_, mask, pointer, score = output
        remembered, places = sam2._encode_new_memory(here, sizes, mask, score, True)
        kind = "non_cond_frame_outputs" if number else "cond_frame_outputs"
        memories[kind][moment] = {
            "maskmem_features": remembered,
            "maskmem_pos_enc": places,
            "obj_ptr": pointer,
        }
    return _grade(heads, truths)


def _grade(heads: Sequence[Any], truths: Sequence[Tensor]) -> tuple[Tensor, dict[str, float]]:
    truth = torch.cat(list(truths))
    logits, quality = torch.cat([one[0] for one in heads]), torch.cat([one[2] for one in heads])
    score = torch.cat([one[-1] for one in heads])
    loss, iou = mask_loss(logits, truth)
    rated = nn.functional.mse_loss(quality, iou)
    is_there = (truth.amax((1, 2)) > 0).float()[:, None]
    shown = nn.functional.binary_cross_entropy_with_logits(score, is_there)
    total = loss.mean() + rated + 0.1 * shown
    with torch.no_grad():
        chosen = iou.gather(1, quality.argmax(1, keepdim=True))[:, 0]
        visible = is_there[:, 0] > 0
        remembered = torch.arange(len(truth)) >= len(truths[0])
    return total, {
        "iou_alone": float(chosen[~remembered & visible].mean()),
        "iou_remembered": float(chosen[remembered & visible].mean()),
        "absent_right": float(chosen[~visible].mean()),
    }


def _draw_times(rng: np.random.Generator) -> list[int]:
    return [0, *sorted(rng.choice(np.arange(1, _REACH + 1), 2, replace=False).tolist())]


def _draw_batch(
    clips: Sequence[SegClip], count: int, rng: np.random.Generator, times: Sequence[int]
) -> _Batch:
    pictures: list[list[np.ndarray]] = [[] for _ in times]
    labels: list[list[np.ndarray]] = [[] for _ in times]
    facts, numbers = [], []
    last = times[-1]
    for _ in range(count):
        clip = clips[int(rng.integers(len(clips)))]
        object_, first = _draw_object(clip, rng)
        is_forward = first + last < len(clip.pictures) and (first < last or rng.random() < 0.5)
        for place, moment in enumerate(times):
            frame = first + moment if is_forward else first - moment
            pictures[place].append(clip.pictures[frame])
            labels[place].append(clip.labels[frame])
        facts.append(_draw_facts(clip, object_, first, rng))
        numbers.append(object_ + 1)
    return _Batch(
        picture_input([one for part in pictures for one in part]),
        true_masks([one for part in labels for one in part], numbers * len(times)),
        torch.tensor(facts),
        times,
    )


def _draw_object(clip: SegClip, rng: np.random.Generator) -> tuple[int, int]:
    """Return an object and a frame, on which it mostly shows well."""
    shown = clip.facts.shown
    while True:
        object_, frame = int(rng.integers(len(shown))), int(rng.integers(shown.shape[1]))
        if shown[object_, frame] > 0.3 or rng.random() < 0.1:
            return object_, frame


def _draw_facts(clip: SegClip, object_: int, frame: int, rng: np.random.Generator) -> list[float]:
    """Return some of what is known of an object, enough to tell it from the others."""
    facts = clip.facts
    is_alone = facts.colors.count(facts.colors[object_]) == 1
    # The color always: it is what the language model is surest of, and what stays over time.
    knows_box, knows_shape = rng.random() < (0.5 if is_alone else 0.9), rng.random() < 0.5
    box = [-1.0] * 4
    if knows_box:
        noise = rng.normal(0, _NOISE, 4)
        box = ((facts.boxes[object_, frame] + noise) / FRAME_SIDE).clip(0, 1).tolist()
    return [
        float(COLORS.index(facts.colors[object_]) + 1),
        float(SHAPES.index(facts.shapes[object_]) + 1 if knows_shape else 0),
        *box,
    ]


def describe_color(clip: SegClip, object_: int) -> list[float]:
    """Return what a prompter is told of an object of which the color alone is known."""
    return [float(COLORS.index(clip.facts.colors[object_]) + 1), 0.0, *[-1.0] * 4]
