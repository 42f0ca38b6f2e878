"""One call of a Qwen-VL language model: tokens and features of images in, hidden states out.

The model classes of transformers compute positions and image features inside ``forward``, where
they cannot be continued from a cut cache. Here both are given, so that any part of a conversation
can be computed behind any cache of what stands before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache
from videoseg_vlm import cache_keyword

from videoseg import ConfigError
from videoseg_o3.model.vision_cache import ImageFeatures, PromptImage

__all__ = ["Backbone", "Conversation", "Past", "evaluating"]

Past: TypeAlias = tuple[tuple[Tensor, Tensor], ...]
"""Keys and values of each layer, shape (B, heads, L, width) each."""


@dataclass(frozen=True, slots=True, eq=False)
class Conversation:
    """A conversation as the model reads it.

    Args:
        tokens: Its L tokens; the placeholder of an image stands there as often as the image has
            tokens.
        images: Its images, in order.
    """

    tokens: tuple[int, ...]
    images: tuple[PromptImage, ...] = ()

    def extended(self, tokens: Sequence[int]) -> Conversation:
        """Return the conversation with more text behind it."""
        return Conversation((*self.tokens, *tokens), self.images)


class Backbone:
    """The parts of a Qwen-VL model that generation calls one by one.

    Args:
        vlm: A ``Qwen3VLForConditionalGeneration`` or ``Qwen2_5_VLForConditionalGeneration``.
    """

    def __init__(self, vlm: Any) -> None:
        self.vlm = vlm
        self.image_token = int(vlm.config.image_token_id)
        self._merge = int(vlm.config.vision_config.spatial_merge_size)
        self._keyword = cache_keyword()

    @property
    def device(self) -> torch.device:
        """Where tokens are expected."""
        device: torch.device = self.vlm.get_input_embeddings().weight.device
        return device

    # -- what stands where ---------------------------------------------------------------------

    def keys(self, conversation: Conversation) -> list[int | str]:
        """Return what is at each position: a token, or the digest of an image.

        Raises:
            ConfigError: If placeholders and images do not fit.
        """
        keys: list[int | str] = list(conversation.tokens)
        for image, start in zip(conversation.images, self._starts(conversation), strict=True):
            keys[start : start + image.num_tokens] = [image.digest] * image.num_tokens
        return keys

    def positions(self, conversation: Conversation) -> NDArray[np.int64]:
        """Return the rotary positions in time, height and width, shape (3, L).

        Text counts on. The tokens of an image share the position at which it begins, plus their
        row and column; text behind it goes on after the larger side (M-RoPE of Qwen2-VL,
        section 2.1).
        """
        length = len(conversation.tokens)
        positions = np.empty((3, length), np.int64)
        at, place = 0, 0
        for image, start in zip(conversation.images, self._starts(conversation), strict=True):
            positions[:, at:start] = place + np.arange(start - at)
            place += start - at
            shape = (image.grid[0], image.grid[1] // self._merge, image.grid[2] // self._merge)
            at = start + image.num_tokens
            positions[:, start:at] = place + np.indices(shape).reshape(3, -1)
            place += max(shape)
        positions[:, at:] = place + np.arange(length - at)
        return positions

    def _starts(self, conversation: Conversation) -> list[int]:
        """Return at which token each image begins."""
        tokens = np.asarray(conversation.tokens)
        [places] = np.nonzero(tokens == self.image_token)
        counts = [image.num_tokens for image in conversation.images]
        offsets = np.cumsum([0, *counts])
        fits = len(places) == offsets[-1]
        starts: list[int] = places[offsets[:-1]].tolist() if fits else []
        if not fits or any(
            not (tokens[start : start + count] == self.image_token).all()
            for start, count in zip(starts, counts, strict=True)
        ):
            raise ConfigError(
                f"{len(conversation.images)} images have {int(offsets[-1])} tokens, but the "
                f"conversation has {len(places)} placeholders for them, or in other places"
            )
        return starts

    # -- computing -----------------------------------------------------------------------------

    def embed(
        self, conversation: Conversation, features: Sequence[ImageFeatures | None], start: int = 0
    ) -> dict[str, Any]:
        """Return the keyword arguments for the tokens from ``start`` on.

        Args:
            conversation: The conversation.
            features: Of each image; None for those that end before ``start``.
            start: The first token that is computed.
        """
        tokens = torch.tensor(conversation.tokens[start:], device=self.device)[None]
        embeds = self.vlm.get_input_embeddings()(tokens)
        shown = tokens == self.image_token
        tails = [
            part.tail(max(0, start - begin))
            for part, begin in zip(features, self._starts(conversation), strict=True)
            if part is not None
        ]
        arguments: dict[str, Any] = {}
        if tails:
            joined = torch.cat([tail.tokens for tail in tails]).to(embeds)
            embeds = embeds.masked_scatter(shown[..., None], joined)
            if tails[0].deepstack:
                arguments["visual_pos_masks"] = shown
                arguments["deepstack_visual_embeds"] = [
                    torch.cat(level)
                    for level in zip(*(tail.deepstack for tail in tails), strict=True)
                ]
        positions = torch.from_numpy(self.positions(conversation)[:, None, start:])
        return {
            "inputs_embeds": embeds,
            "position_ids": positions.to(self.device),
            **arguments,
        }

    def embed_next(self, tokens: Tensor, places: Tensor) -> dict[str, Any]:
        """Return the keyword arguments for one more token of text in each row.

        Args:
            tokens: Shape (B,).
            places: Their positions, shape (B,).
        """
        return {
            "inputs_embeds": self.vlm.get_input_embeddings()(tokens[:, None]),
            "position_ids": places[None, :, None].expand(3, -1, -1),
        }

    def run(
        self, arguments: dict[str, Any], cache: Any = None, *, mask: Tensor | None = None
    ) -> Tensor:
        """Return the normalized hidden states of the last layer, shape (B, n, d).

        This is what ``generate(output_hidden_states=True)`` calls the last layer's states.

        Args:
            arguments: From ``embed`` or ``embed_next``.
            cache: The cache of what stands before, which grows; None for the whole conversation
                without a cache.
            mask: 1 for tokens, 0 for padding, shape (B, past + n); None if there is no padding.
        """
        output = self.vlm.model.language_model(
            attention_mask=mask,
            use_cache=cache is not None,
            **{self._keyword: cache},
            **arguments,
        )
        states: Tensor = output.last_hidden_state
        return states

    def logits(self, states: Tensor) -> Tensor:
        """Return the logits of the next token, shape (..., vocabulary), dtype float32."""
        logits: Tensor = self.vlm.lm_head(states).float()
        return logits


def make_cache(past: Past | None) -> DynamicCache:
    """Return a cache that holds keys and values, in tensors of its own."""
    cache = DynamicCache()
    for layer, (keys, values) in enumerate(past or ()):
        cache.update(keys, values, layer)
    return cache


def take_past(cache: Any) -> Past:
    """Return the keys and values of a cache; the tensors are the cache's."""
    return tuple((layer.keys, layer.values) for layer in cache.layers)


def cut_past(past: Past, length: int) -> Past:
    """Return the first tokens of each row."""
    return tuple((keys[:, :, :length], values[:, :, :length]) for keys, values in past)


@contextmanager
def evaluating(vlm: Any) -> Iterator[None]:
    """Compute without gradients and as in inference, whatever mode the model is in.

    In training with gradient checkpointing, transformers' layers keep no cache.
    """
    training = [module for module in vlm.modules() if module.training]
    for module in training:
        module.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True
