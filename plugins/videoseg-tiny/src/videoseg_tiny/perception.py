"""The first stage of training: the vision encoder alone learns to see.

Each image token says the color, the shape and the box of the object that covers its patch, in the
language model's own words: through the embeddings of words and numbers that image tokens later
stand between. Without this stage a language model of this size never learns to look.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from videoseg_tiny.checkpoints import Progress, load_progress, save_progress
from videoseg_tiny.clips import PATCH, ClipFacts
from videoseg_tiny.vocabulary import COLORS, NUMBERS, SHAPES

__all__ = ["PerceptionSettings", "cut_patches", "train_perception"]

_NUM_NUMBERS = 6
"""Of a box and a point."""
_WIDTH = 2.0
"""Standard deviation of the soft target of a number, in pixels of the square."""
_LOGIT_SCALE = 4.0


@dataclass(frozen=True, slots=True)
class PerceptionSettings:
    """Settings of the stage.

    Args:
        steps: How many steps.
        batch: How many frames each, and a third as many small ones.
        learning_rate: At its highest.
        seed: Seed of the order of frames.
    """

    steps: int = 700
    batch: int = 40
    learning_rate: float = 2e-3
    seed: int = 0


def cut_patches(frames: NDArray[np.uint8]) -> Tensor:
    """Return the patches of frames as the processor makes them.

    Args:
        frames: Shape (B, h, w, 3); both sides are multiples of the patch.

    Returns:
        Shape (B * P, 3 * 2 * 16 * 16), dtype float32, in [-1, 1].
    """
    count, height, width, _ = frames.shape
    rows, columns = height // PATCH, width // PATCH
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).float().div_(127.5).sub_(1)
    cut = pixels.view(count, rows, PATCH, columns, PATCH, 3).permute(0, 1, 3, 5, 2, 4)
    cut = cut.reshape(count * rows * columns, 3, 1, PATCH * PATCH).expand(-1, -1, 2, -1)
    return cut.reshape(count * rows * columns, -1)


class _Readout(nn.Module):
    """Reads words and numbers from image tokens.

    Args:
        tokenizer: The tokenizer.
        width: The width of a token.
    """

    def __init__(self, tokenizer: Any, width: int) -> None:
        super().__init__()
        token = tokenizer.convert_tokens_to_ids
        self.colors: Tensor
        self.shapes: Tensor
        self.numbers: Tensor
        self.register_buffer(
            "colors", torch.tensor([token(f" {w}") for w in (*COLORS, "nothing")])
        )
        self.register_buffer("shapes", torch.tensor([token(f" {w}") for w in SHAPES]))
        self.register_buffer("numbers", torch.tensor([token(f" {n}") for n in NUMBERS]))
        self.heads = nn.Linear(width, width * (2 + _NUM_NUMBERS))

    def forward(self, tokens: Tensor, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of colors (n, 12), shapes (n, 8) and numbers (n, 6, 101).

        Args:
            tokens: Image tokens, shape (n, d).
            words: The embeddings of all words, shape (vocabulary, d).
        """
        read = self.heads(tokens).view(len(tokens), 2 + _NUM_NUMBERS, -1) * _LOGIT_SCALE
        colors = read[:, 0] @ words[self.colors].T
        shapes = read[:, 1] @ words[self.shapes].T
        return colors, shapes, read[:, 2:] @ words[self.numbers].T


@dataclass(frozen=True, slots=True)
class _Batch:
    patches: Tensor
    grids: Tensor
    colors: Tensor
    shapes: Tensor
    numbers: Tensor


def train_perception(
    model: Any,
    tokenizer: Any,
    clips: Sequence[ClipFacts],
    held_out: Sequence[ClipFacts],
    settings: PerceptionSettings,
    folder: Path,
    *,
    log: Any,
) -> None:
    """Train the vision encoder and the embeddings; goes on from ``folder`` if it was interrupted.

    Args:
        model: From ``new_model``; trained in place.
        tokenizer: Its tokenizer.
        clips: What to train on.
        held_out: What to report about.
        settings: The settings.
        folder: Where the state of training is kept.
        log: Called with a mapping of numbers now and then.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        readout = _Readout(tokenizer, model.config.text_config.hidden_size)
    _order_numbers(model, readout)
    vision, embeddings = model.model.visual, model.get_input_embeddings()
    parameters = [*vision.parameters(), *readout.parameters(), embeddings.weight]
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.02
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.steps, pct_start=0.1
    )
    state = Progress(folder / "perception.pt", (model, readout), optimizer, schedule)
    start = load_progress(state)
    begin = time.process_time()
    for step in range(start, settings.steps):
        rng = np.random.default_rng([settings.seed, step])
        batch = _make_batch(clips, settings.batch, rng)
        loss = _loss(vision, readout, embeddings.weight, batch)[0]
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        done = step + 1
        if done % 50 == 0 or done == settings.steps:
            save_progress(state, done)
        if done % 100 == 0 or done == settings.steps:
            with torch.no_grad():
                probe = _make_batch(held_out, 60, np.random.default_rng(1))
                numbers = _loss(vision, readout, embeddings.weight, probe)[1]
            seconds = time.process_time() - begin
            log({"stage": "perception", "step": done, "seconds": seconds, **numbers})


def _order_numbers(model: Any, readout: _Readout) -> None:
    """Give numbers that are near each other similar embeddings to begin with."""
    weight = model.get_input_embeddings().weight
    width = weight.shape[1]
    places = torch.arange(len(NUMBERS)) / len(NUMBERS)
    rates = torch.pi * torch.logspace(-1, 5, width // 2, base=2)
    waves = torch.cat([(places[:, None] * rates).sin(), (places[:, None] * rates).cos()], 1)
    with torch.no_grad():
        weight[readout.numbers] = 0.07 * waves + 0.3 * weight[readout.numbers]


def _make_batch(clips: Sequence[ClipFacts], count: int, rng: np.random.Generator) -> _Batch:
    parts = list(_draw_frames(clips, count, rng))
    owners = [owner.ravel() for _, owner, _, _ in parts]
    colors, shapes, numbers = [], [], []
    for owner, (_, _, clip, frame) in zip(owners, parts, strict=True):
        color_of = np.array([*(COLORS.index(c) for c in clip.colors), len(COLORS)])
        shape_of = np.array([*(SHAPES.index(s) for s in clip.shapes), -100])
        number_of = np.concatenate([clip.boxes[:, frame], clip.points[:, frame]], 1)
        number_of = np.concatenate([number_of, np.full((1, _NUM_NUMBERS), -100, np.float32)])
        colors.append(color_of[owner])
        shapes.append(shape_of[owner])
        numbers.append(number_of[owner])
    return _Batch(
        torch.cat([cut_patches(image[None]) for image, _, _, _ in parts]),
        torch.tensor([[1, *owner.shape] for _, owner, _, _ in parts]),
        torch.from_numpy(np.concatenate(colors)),
        torch.from_numpy(np.concatenate(shapes)),
        torch.from_numpy(np.concatenate(numbers)),
    )


def _draw_frames(
    clips: Sequence[ClipFacts], count: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int8], ClipFacts, int]]:
    """Yield frames, and then a third as many small ones."""
    for index in range(count + count // 3):
        clip = clips[int(rng.integers(len(clips)))]
        frame = int(rng.integers(len(clip.frames)))
        if index < count:
            yield clip.frames[frame], clip.owner[frame], clip, frame
        else:
            yield clip.small[frame], clip.small_owner[frame], clip, frame


def _loss(
    vision: Any, readout: _Readout, words: Tensor, batch: _Batch
) -> tuple[Tensor, dict[str, float]]:
    tokens = vision(batch.patches, grid_thw=batch.grids).pooler_output
    colors, shapes, numbers = readout(tokens, words)
    known = batch.shapes >= 0
    color_loss = nn.functional.cross_entropy(colors, batch.colors)
    shape_loss = nn.functional.cross_entropy(shapes[known], batch.shapes[known])
    ticks = torch.arange(len(NUMBERS))
    wanted = batch.numbers[known]
    soft = (-((ticks - wanted[..., None]) ** 2) / (2 * _WIDTH**2)).softmax(-1)
    chances = numbers[known].log_softmax(-1)
    number_loss = -(soft * chances).sum(-1).mean()
    with torch.no_grad():
        read = numbers[known].argmax(-1)
        correct = colors.argmax(-1) == batch.colors
        facts = {
            "color_right": float(correct[known].float().mean()),
            "ground_right": float(correct[~known].float().mean()),
            "shape_right": float((shapes[known].argmax(-1) == batch.shapes[known]).float().mean()),
            "box_off": float((read - wanted).abs()[:, :4].mean()),
        }
    return color_loss + 0.5 * shape_loss + number_loss, facts
