"""Features of the images of a conversation, each computed once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

__all__ = ["ImageFeatures", "PromptImage", "VisionCache", "encode_images"]

# Patches in one pass of the vision encoder: 34 frames as evaluated are about 16,000 patches, so
# that a question is usually one pass, and activations stay below a gigabyte.
_MAX_PATCHES = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class PromptImage:
    """An image as the vision encoder takes it.

    Args:
        digest: The same for images with the same patches, and only for those.
        grid: Number of patches in time, height and width.
        num_tokens: How many tokens it is in the conversation.
        make_patches: Returns the patches, shape (T * H * W, D); only called for an image that
            has no features yet.
    """

    digest: str
    grid: tuple[int, int, int]
    num_tokens: int
    make_patches: Callable[[], Tensor] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """What the language model gets of one image.

    Args:
        tokens: In place of the embeddings of its n tokens, shape (n, d).
        deepstack: Added behind the first layers, shape (n, d) each; empty for models without.
    """

    tokens: Tensor
    deepstack: tuple[Tensor, ...] = ()

    def tail(self, start: int) -> ImageFeatures:
        """Return the features of the tokens from ``start`` on."""
        return ImageFeatures(self.tokens[start:], tuple(level[start:] for level in self.deepstack))


class VisionCache:
    """Keeps the features of images, the most recently used ones.

    Args:
        max_tokens: How many tokens of images are kept at most. A token takes 20 KB in the model
            of 4 B parameters.

    Attributes:
        num_encoded: How many images have gone through the vision encoder so far.
    """

    def __init__(self, max_tokens: int = 16_384) -> None:
        self.num_encoded = 0
        self._max_tokens = max_tokens
        self._kept: OrderedDict[str, ImageFeatures] = OrderedDict()

    def features(self, vlm: Any, images: Sequence[PromptImage]) -> list[ImageFeatures]:
        """Return the features of images, encoding those that are not kept.

        Args:
            vlm: The vision-language model.
            images: The images; one that occurs twice is encoded once.
        """
        missing = {
            image.digest: image for image in images if image.digest not in self._kept
        }  # a mapping, so that each is encoded once
        found = {
            image.digest: self._kept[image.digest]
            for image in images
            if image.digest in self._kept
        }
        for group in _split(list(missing.values())):
            found.update(
                (image.digest, made)
                for image, made in zip(group, encode_images(vlm, group), strict=True)
            )
            self.num_encoded += len(group)
        for image in images:
            self._kept[image.digest] = found[image.digest]
            self._kept.move_to_end(image.digest)
        while self.num_tokens > self._max_tokens:
            self._kept.popitem(last=False)
        return [found[image.digest] for image in images]

    @property
    def num_tokens(self) -> int:
        """How many tokens of images are kept."""
        return sum(len(features.tokens) for features in self._kept.values())

    def clear(self) -> None:
        """Forget all features."""
        self._kept.clear()


def encode_images(vlm: Any, images: Sequence[PromptImage]) -> list[ImageFeatures]:
    """Run the vision encoder on images, in one pass."""
    if not images:
        return []
    device = vlm.get_input_embeddings().weight.device
    patches = torch.cat([image.make_patches() for image in images]).to(device)
    grids = torch.tensor([image.grid for image in images], device=device)
    made = vlm.model.get_image_features(patches, grids, return_dict=True)
    levels = getattr(made, "deepstack_features", None) or ()
    return [
        # Copied, since parts of one tensor would keep all of it.
        ImageFeatures(_own(made.pooler_output[at]), tuple(_own(level[at]) for level in levels))
        for at in range(len(images))
    ]


def _own(part: Tensor) -> Tensor:
    return part if part.requires_grad else part.clone()


def _split(images: Sequence[PromptImage]) -> Iterator[list[PromptImage]]:
    group: list[PromptImage] = []
    patches = 0
    for image in images:
        more = image.grid[0] * image.grid[1] * image.grid[2]
        if group and patches + more > _MAX_PATCHES:
            yield group
            group, patches = [], 0
        group.append(image)
        patches += more
    if group:
        yield group
