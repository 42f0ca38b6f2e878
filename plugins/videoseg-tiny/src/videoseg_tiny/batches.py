"""Demonstrations as batches: embeddings with image tokens, positions, and what is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from videoseg_tiny.clips import ClipFacts
from videoseg_tiny.demonstrations import Demonstration
from videoseg_tiny.perception import cut_patches
from videoseg_tiny.vocabulary import COLORS, MOST_SECONDS, NUMBERS

__all__ = ["Batch", "CoordinateTokens", "encode_images", "find_positions", "make_batch"]


class CoordinateTokens:
    """Which tokens are numbers, and where in an answer they are coordinates.

    Args:
        tokenizer: The tokenizer.
    """

    def __init__(self, tokenizer: Any) -> None:
        token = tokenizer.convert_tokens_to_ids
        self.image = int(token("<|image_pad|>"))
        self.pad = int(token("<|endoftext|>"))
        self.numbers = torch.tensor([token(f" {number}") for number in NUMBERS])
        self.values = torch.full((len(tokenizer),), -1)
        self.values[self.numbers] = torch.arange(len(NUMBERS))
        self._opening = {token('[{"bbox_2d":['), token(',"objects":[{"bbox_2d":[')}
        self._verdicts = [token(" target"), token(" nothing")]
        self._negative = token('],"neg_point_2d":[')
        self._is, self._period = token(" is"), token(".")

        words = (*COLORS, "largest", "smallest", "leftmost", "rightmost", "topmost", "lowest")
        self._copied = {
            *(token(f" {word}") for word in words),
            *self.numbers.tolist(),
            *(token(f" {tenth // 10}.{tenth % 10}") for tenth in range(10 * MOST_SECONDS)),
        }

    def find(self, one: Demonstration) -> tuple[np.ndarray, np.ndarray]:
        """Return which tokens are coordinates, and at which image each token is to look.

        Returns:
            Whether a token is a coordinate, shape (L,); the index of the image where its writer
            looks at the object, shape (L,), -1 for none. That is the last image from the beginning
            of an answer with a box to its negative point, and the image of a frame where the
            answer says of its label whether the object shows.
        """
        values = self.values.numpy()[one.tokens]
        is_coordinate = np.zeros(len(one.tokens), bool)
        looks = np.full(len(one.tokens), -1)
        [openings] = np.nonzero(np.isin(one.tokens, list(self._opening)) & one.own)
        if len(openings):
            at = int(openings[-1])
            is_coordinate[at:] = values[at:] >= 0
            [negatives] = np.nonzero(one.tokens[at:] == self._negative)
            start = at
            while one.own[start - 1]:
                start -= 1
            looks[start : at + int(negatives[0])] = len(one.images) - 1
            # Sentences about other objects look elsewhere.
            for place in np.flatnonzero(one.tokens[start:at] == self._is) + start:
                before = one.tokens[start:place] == self._period
                begin = start + (int(np.flatnonzero(before)[-1]) + 1 if before.any() else 1)
                end = place + int(np.flatnonzero(one.tokens[place:at] == self._period)[0])
                looks[begin - 1 : end] = -1
        verdicts = np.isin(one.tokens[1:], self._verdicts) & one.own[1:] & one.own[:-1]
        verdicts &= np.isin(one.tokens[:-1], list(self._copied))
        [labels] = np.nonzero(verdicts)
        looks[labels[: len(one.images)]] = np.arange(len(labels))[: len(one.images)]
        return is_coordinate, looks

    def find_sources(self, one: Demonstration, is_coordinate: np.ndarray) -> np.ndarray:
        """Return from where words and labels are copied, shape (L, L).

        True in row p for each token of the prompt before p that equals the token behind p.
        """
        wanted = one.own & np.isin(one.tokens, list(self._copied)) & ~is_coordinate
        sources = np.zeros((len(one.tokens), len(one.tokens)), bool)
        [places] = np.nonzero(wanted)
        same = (one.tokens[places, None] == one.tokens[None]) & ~one.own
        sources[places - 1] = same & (np.arange(len(one.tokens)) < places[:, None] - 1)
        return sources


@dataclass(frozen=True, slots=True)
class Batch:
    """B demonstrations of up to L tokens, padded on the right.

    Args:
        tokens: Shape (B, L).
        embeds: Their embeddings, with those of images in place; shape (B, L, d).
        positions: Rotary positions, shape (3, B, L).
        own: Which tokens the model is to write, shape (B, L); so the others.
        is_coordinate: Which of them are coordinates.
        is_image: Which tokens are of images.
        is_target: Which of these belong to the object that is asked for.
        looks: Which tokens each token is to look at, shape (B, L, L); none where it is free.
        copies: From which tokens the token behind each is copied, in the same form.
    """

    tokens: Tensor
    embeds: Tensor
    positions: Tensor
    own: Tensor
    is_coordinate: Tensor
    is_image: Tensor
    is_target: Tensor
    looks: Tensor
    copies: Tensor


def make_batch(
    model: Any,
    coordinates: CoordinateTokens,
    samples: Sequence[tuple[ClipFacts, Demonstration]],
    *,
    train_vision: bool = False,
) -> Batch:
    """Return a batch of demonstrations."""
    length = max(len(one.tokens) for _, one in samples)
    count = len(samples)
    tokens = np.full((count, length), coordinates.pad)
    positions = np.zeros((3, count, length), np.int64)
    own, is_coordinate, is_target = np.zeros((3, count, length), bool)
    looks, copies = np.zeros((2, count, length, length), bool)
    for row, (clip, one) in enumerate(samples):
        size = len(one.tokens)
        tokens[row, :size] = one.tokens
        own[row, :size] = one.own
        is_coordinate[row, :size], looked = coordinates.find(one)
        copies[row, :size, :size] = coordinates.find_sources(one, is_coordinate[row, :size])
        owners = [_owner(clip, one, index) for index in range(len(one.images))]
        positions[:, row, :size] = find_positions(
            one.tokens, [owner.shape for owner in owners], coordinates.image
        )
        [places] = np.nonzero(one.tokens == coordinates.image)
        if one.objects and owners:
            hits = [(owner == one.objects[0]).ravel() for owner in owners]
            is_target[row, places] = np.concatenate(hits)
            number = np.full(length, -2)
            number[places] = np.repeat(np.arange(len(hits)), [hit.size for hit in hits])
            # Only what stands before can be looked at, which is so for all images of a turn.
            looks[row, :size] = (looked[:, None] == number) & is_target[row]
    ids = torch.from_numpy(tokens)
    embeds = model.get_input_embeddings()(ids)
    is_image = ids == coordinates.image
    with torch.set_grad_enabled(train_vision):
        features = encode_images(model, samples)
    if features is not None:
        embeds = embeds.masked_scatter(is_image[..., None], features)
    return Batch(
        ids,
        embeds,
        torch.from_numpy(positions),
        torch.from_numpy(own),
        torch.from_numpy(is_coordinate),
        is_image,
        torch.from_numpy(is_target),
        torch.from_numpy(looks),
        torch.from_numpy(copies),
    )


def encode_images(model: Any, samples: Sequence[tuple[ClipFacts, Demonstration]]) -> Tensor:
    """Return the tokens of all images, shape (n, d); each image is encoded once."""
    seen: dict[tuple[int, int, bool], int] = {}
    order, patches, grids = [], [], []
    for clip, one in samples:
        for shown in one.images:
            key = (clip.seed, shown.frame, shown.is_small)
            if key not in seen:
                seen[key] = len(seen)
                pixels = (clip.small if shown.is_small else clip.frames)[shown.frame]
                owner = (clip.small_owner if shown.is_small else clip.owner)[shown.frame]
                patches.append(cut_patches(pixels[None]))
                grids.append([1, *owner.shape])
            order.append(seen[key])
    tokens = model.model.visual(torch.cat(patches), grid_thw=torch.tensor(grids)).pooler_output
    parts = tokens.split([rows * columns for _, rows, columns in grids])
    return torch.cat([parts[index] for index in order])


def find_positions(tokens: np.ndarray, grids: Sequence[tuple[int, ...]], image: int) -> np.ndarray:
    """Return the rotary positions in time, height and width, shape (3, L).

    The tokens of an image share the position at which it begins, plus their row and column; text
    behind it goes on after the larger side (M-RoPE of Qwen2-VL, section 2.1).
    """
    positions = np.empty((3, len(tokens)), np.int64)
    remaining = iter(grids)
    at = place = 0
    while at < len(tokens):
        if tokens[at] != image:
            positions[:, at] = place
            at, place = at + 1, place + 1
            continue
        rows, columns = next(remaining)
        count = rows * columns
        positions[:, at : at + count] = place + np.indices((1, rows, columns)).reshape(3, -1)
        at, place = at + count, place + max(rows, columns)
    return positions


def _owner(clip: ClipFacts, one: Demonstration, index: int) -> np.ndarray:
    shown = one.images[index]
    return np.asarray((clip.small_owner if shown.is_small else clip.owner)[shown.frame])
