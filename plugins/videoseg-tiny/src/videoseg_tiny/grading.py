"""What a model has learned: its answers to demonstrations of held-out clips."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from videoseg_tiny.batches import CoordinateTokens, encode_images, find_positions
from videoseg_tiny.clips import ClipFacts
from videoseg_tiny.demonstrations import Demonstration

__all__ = ["answer", "box_iou", "grade"]

_BOX = re.compile(r'"bbox_2d":\[ (\d+), (\d+), (\d+), (\d+)\]')
_KEYFRAME = re.compile(r'"(?:keyframe|percent)": (\d+)')
_LIMIT = 60


def grade(
    model: Any, tokenizer: Any, samples: Sequence[tuple[ClipFacts, Demonstration]]
) -> dict[str, float]:
    """Return how well a model answers the last turn of demonstrations, greedily.

    Returns:
        ``iou``: mean IoU of boxes, 0 where none is given; ``right``: the share of boxes that fit
        the object asked for better than every other; ``absent``: the share of right decisions
        that nothing fits, of the demonstrations of which that is true; ``false_absent``: the same
        where it is not; ``frame``: the share of frames chosen as the teacher does.
    """
    found: dict[str, list[float]] = defaultdict(list)
    texts = answer(model, tokenizer, samples)
    for (clip, one), text in zip(samples, texts, strict=True):
        start = _last_start(one)
        truth = tokenizer.decode(one.tokens[start:], skip_special_tokens=True)
        if one.task in ("span", "position", "look"):
            wanted, given = _KEYFRAME.search(truth), _KEYFRAME.search(text)
            if wanted:
                found["frame"].append(float(given is not None and given[1] == wanted[1]))
            elif one.task == "look":
                found["look_absent"].append(float("[]" in text))
            continue
        if not _BOX.search(truth):
            found["absent"].append(float("[]" in text))
            continue
        found["false_absent"].append(float("[]" in text))
        frame = one.images[-1].frame
        box = _BOX.search(text)
        if box is None:
            found["iou"].append(0.0)
            found[f"iou {one.kind.split('-')[0]}"].append(0.0)
            found["right"].append(0.0)
            continue
        corners = np.array([float(number) for number in box.groups()])
        overlaps = [box_iou(corners, other) for other in clip.boxes[:, frame]]
        index = one.objects[0]
        found["iou"].append(overlaps[index])
        found[f"iou {one.kind.split('-')[0]}"].append(overlaps[index])
        found["right"].append(float(overlaps[index] > 0 and np.argmax(overlaps) == index))
    return {name: float(np.mean(values)) for name, values in sorted(found.items())}


def box_iou(first: np.ndarray, second: np.ndarray) -> float:
    """Return the intersection over union of two boxes (x1, y1, x2, y2)."""
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    areas = [float(np.prod(np.clip(box[2:] - box[:2], 0, None))) for box in (first, second)]
    return shared / max(1e-9, sum(areas) - shared)


@torch.no_grad()
def answer(
    model: Any, tokenizer: Any, samples: Sequence[tuple[ClipFacts, Demonstration]]
) -> list[str]:
    """Return the model's answers to the last turn of demonstrations, greedily."""
    groups: dict[int, list[int]] = defaultdict(list)
    for index, (_, one) in enumerate(samples):
        groups[_last_start(one)].append(index)
    texts = [""] * len(samples)
    for start, indices in groups.items():
        chosen = [samples[index] for index in indices]
        rows = _decode(model, tokenizer, chosen, start)
        for index, row in zip(indices, rows, strict=True):
            texts[index] = tokenizer.decode(row, skip_special_tokens=True)
    return texts


def _decode(
    model: Any, tokenizer: Any, samples: Sequence[tuple[ClipFacts, Demonstration]], start: int
) -> list[list[int]]:
    from transformers import DynamicCache

    coordinates = CoordinateTokens(tokenizer)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    ids = torch.from_numpy(np.stack([one.tokens[:start] for _, one in samples]).astype(np.int64))
    embeds = model.get_input_embeddings()(ids)
    features = encode_images(model, samples)
    embeds = embeds.masked_scatter((ids == coordinates.image)[..., None], features)
    positions = np.stack(
        [
            find_positions(
                one.tokens[:start],
                [
                    (clip.small_owner if s.is_small else clip.owner)[s.frame].shape
                    for s in one.images
                ],
                coordinates.image,
            )
            for clip, one in samples
        ],
        1,
    )
    places = torch.from_numpy(positions)
    cache = DynamicCache()
    rows: list[list[int]] = [[] for _ in samples]
    place = places.amax((0, 2)) + 1
    for _ in range(_LIMIT):
        states = model.model.language_model(
            inputs_embeds=embeds, position_ids=places, cache=cache, use_cache=True
        ).last_hidden_state[:, -1]
        chosen = model.lm_head(states).argmax(-1)
        for row, token in zip(rows, chosen.tolist(), strict=True):
            if not row or row[-1] != end:
                row.append(token)
        if all(row[-1] == end for row in rows):
            break
        embeds = model.get_input_embeddings()(chosen[:, None])
        places = place[None, :, None].expand(3, -1, -1)
        place = place + 1
    return rows


def _last_start(one: Demonstration) -> int:
    """Return where the last answer begins."""
    start = len(one.tokens)
    while one.own[start - 1]:
        start -= 1
    return start
