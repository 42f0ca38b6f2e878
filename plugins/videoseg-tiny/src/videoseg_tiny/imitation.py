"""The second stage of training: the language model learns to answer as the teacher does.

The vision encoder is left as it is. Two auxiliary losses lead the language model past the plateau
on which it names the right words and the box of any object: each image token says whether it
belongs to the object that is asked for, and where an answer is written, two heads of attention
are drawn to the tokens of that object. Both only shape the weights; nothing of them is kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from videoseg_tiny.batches import Batch, CoordinateTokens, make_batch
from videoseg_tiny.checkpoints import Progress, load_progress, save_progress
from videoseg_tiny.clips import ClipFacts
from videoseg_tiny.demonstrations import Demonstration
from videoseg_tiny.grading import grade
from videoseg_tiny.vocabulary import NUMBERS

__all__ = ["ImitationSettings", "Sample", "train_imitation"]

Sample = tuple[ClipFacts, Demonstration]

_KEEP_EVERY = 50
"""Steps between two states that are kept."""
_MARK_LAYER = 1
_LOOK_LAYER = 2
_LOOK_HEADS = 2
_COPY_HEAD = 2
_COORDINATE_WIDTH = 1.2
"""Standard deviation of the soft target of a coordinate, in pixels of the square."""


@dataclass(frozen=True, slots=True)
class ImitationSettings:
    """Settings of the stage.

    Args:
        name: The name of the stage, which its state is kept under.
        steps: How many steps.
        num_ground: Demonstrations of grounding in one frame in a step.
        num_times: Of questions about times.
        num_episodes: Of episodes with looks.
        learning_rate: At its highest.
        warm_up: Steps in which it rises.
        guidance: Weight of the auxiliary losses at the beginning; it falls to zero at the end.
        train_vision: Whether the vision encoder is trained, too.
        seed: Seed of the order of demonstrations.
        evaluate_every: Steps between reports.
    """

    name: str
    steps: int
    num_ground: int = 14
    num_times: int = 4
    num_episodes: int = 5
    learning_rate: float = 1.5e-3
    warm_up: int = 50
    guidance: float = 1.0
    train_vision: bool = False
    seed: int = 0
    evaluate_every: int = 100


def train_imitation(
    model: Any,
    tokenizer: Any,
    samples: Sequence[Sample],
    held_out: Sequence[Sample],
    settings: ImitationSettings,
    folder: Path,
    *,
    log: Any,
) -> None:
    """Train on demonstrations; goes on from ``folder`` if it was interrupted.

    Args:
        model: A model whose vision encoder is trained; trained in place.
        tokenizer: Its tokenizer.
        samples: Clips with demonstrations on them.
        held_out: The same, to report about.
        settings: The settings.
        folder: Where the state of training is kept.
        log: Called with a mapping of numbers now and then.
    """
    coordinates = CoordinateTokens(tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        marker = nn.Linear(model.config.text_config.hidden_size, 1)
    language = model.model.language_model
    parameters = [*language.parameters(), *marker.parameters()]
    if settings.train_vision:
        parameters += model.model.visual.parameters()
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.02
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _rate(settings))
    state = Progress(folder / f"{settings.name}.pt", (model, marker), optimizer, schedule)
    start = load_progress(state)
    pools = _sort_by_task(samples)
    begin = time.process_time()
    sums: dict[str, list[float]] = {}
    for step in range(start, settings.steps):
        rng = np.random.default_rng([settings.seed, step])
        guidance = settings.guidance * (1 - step / settings.steps)
        optimizer.zero_grad()
        drawn = [
            [pool[int(at)] for at in rng.integers(len(pool), size=count)]
            for pool, count in zip(
                pools,
                (settings.num_ground, settings.num_times, settings.num_episodes),
                strict=True,
            )
            if count
        ]
        total = sum(int(one.own.sum()) for part in drawn for _, one in part)
        for part in drawn:
            batch = make_batch(model, coordinates, part, train_vision=settings.train_vision)
            losses = _losses(model, marker, batch, coordinates)
            share = int(batch.own.sum()) / total
            guided = losses["mark"] + 0.3 * (losses["look"] + losses["copy"])
            torch.autograd.backward(share * (losses["answer"] + guidance * guided))
            for name, value in losses.items():
                sums.setdefault(name, []).append(float(value.detach()))
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        done = step + 1
        if done % _KEEP_EVERY == 0 or done == settings.steps:
            save_progress(state, done)
        if done % settings.evaluate_every == 0 or done == settings.steps:
            means = {name: float(np.mean(values)) for name, values in sums.items()}
            sums.clear()
            facts = grade(model, tokenizer, held_out)
            seconds = time.process_time() - begin
            log({"stage": settings.name, "step": done, "seconds": seconds, **means, **facts})


def _rate(settings: ImitationSettings) -> Any:
    """Return the learning rate by step, as a share of the highest: it is kept up for long."""

    def rate(step: int) -> float:
        rising = min(1.0, (step + 1) / settings.warm_up)
        left = (settings.steps - step) / settings.steps
        # Falls in the last half only: a rate that falls before the jump learns nothing.
        return rising * min(1.0, max(0.02, 2 * left))

    return rate


def _sort_by_task(samples: Sequence[Sample]) -> list[list[Sample]]:
    pools: list[list[Sample]] = [[], [], []]
    for clip, one in samples:
        place = {"ground": 0, "span": 1, "position": 1}.get(one.task, 2)
        pools[place].append((clip, one))
    return pools


def _losses(
    model: Any, marker: nn.Module, batch: Batch, coordinates: CoordinateTokens
) -> dict[str, Tensor]:
    language = model.model.language_model
    with _capture(language) as captured:
        states = language(
            inputs_embeds=batch.embeds, position_ids=batch.positions, use_cache=False
        ).last_hidden_state
    own = batch.own[:, 1:]
    logits = model.lm_head(states[:, :-1][own])
    wanted = batch.tokens[:, 1:][own]
    is_coordinate = batch.is_coordinate[:, 1:][own]
    # The sum over all, as if each token were a sequence of its own.
    plain = nn.functional.cross_entropy(logits[~is_coordinate], wanted[~is_coordinate])
    chances = logits[is_coordinate].log_softmax(-1)[:, coordinates.numbers]
    ticks = torch.arange(len(NUMBERS))
    values = coordinates.values[wanted[is_coordinate]]
    soft = (-((ticks - values[:, None]) ** 2) / (2 * _COORDINATE_WIDTH**2)).softmax(-1)
    count = int(is_coordinate.sum())
    soft_loss = -(soft * chances).sum() / max(1, count)
    share = count / len(wanted)
    marks = marker(captured["states"][batch.is_image])[:, 0]
    mark = nn.functional.binary_cross_entropy_with_logits(
        marks, batch.is_target[batch.is_image].float()
    )
    look, copy = _attention_losses(language.layers[_LOOK_LAYER].self_attn, captured, batch)
    answer = (1 - share) * plain + share * soft_loss
    return {"answer": answer, "mark": mark, "look": look, "copy": copy}


@contextmanager
def _capture(language: Any) -> Iterator[dict[str, Any]]:
    """Keep the states behind one layer, and what the attention of the next is given."""
    captured: dict[str, Any] = {}

    def keep_states(_module: Any, _inputs: Any, output: Any) -> None:
        captured["states"] = output

    def keep_inputs(_module: Any, _inputs: Any, keywords: dict[str, Any]) -> None:
        captured["normed"] = keywords["hidden_states"]
        captured["rotary"] = keywords["position_embeddings"]

    hooks = [
        language.layers[_MARK_LAYER].register_forward_hook(keep_states),
        language.layers[_LOOK_LAYER].self_attn.register_forward_pre_hook(
            keep_inputs, with_kwargs=True
        ),
    ]
    try:
        yield captured
    finally:
        for hook in hooks:
            hook.remove()


def _attention_losses(
    attention: Any, captured: dict[str, Any], batch: Batch
) -> tuple[Tensor, Tensor]:
    """Return minus the logarithm of the attention that goes where it is to go.

    Returns:
        Of the heads that look at the object, and of the one that copies from the prompt.
    """
    from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb

    normed = captured["normed"]
    shape = (*normed.shape[:2], -1, attention.head_dim)
    queries = attention.q_norm(attention.q_proj(normed).view(shape)).transpose(1, 2)
    keys = attention.k_norm(attention.k_proj(normed).view(shape)).transpose(1, 2)
    queries, keys = apply_rotary_pos_emb(queries, keys, *captured["rotary"])
    heads = _COPY_HEAD + 1
    scores = queries[:, :heads] @ keys[:, :heads].transpose(2, 3) * attention.scaling
    length = scores.shape[-1]
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    chances = scores.masked_fill(later, float("-inf")).softmax(-1)
    losses = []
    for some, wanted in (
        (chances[:, :_LOOK_HEADS], batch.looks),
        (chances[:, _COPY_HEAD:], batch.copies),
    ):
        rows = wanted.any(-1)
        if not rows.any():
            losses.append(normed.new_zeros(()))
            continue
        given = (some * wanted[:, None]).sum(-1).transpose(1, 2)[rows]
        losses.append(-(given + 1e-4).log().mean())
    return losses[0], losses[1]
