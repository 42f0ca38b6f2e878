"""The network: from the hidden state of a ``[SEG]`` to the logits of a mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from videoseg import ConfigError
from videoseg.types import Embedding, Frame
from videoseg_o3.model.sam2 import normalize_frame
from videoseg_o3.model.states import projector_input
from videoseg_o3.plugin import EMBEDDING_MODEL

__all__ = ["SEG_TOKEN", "SPECIAL_TOKENS", "FrameFeatures", "SegModel"]

SEG_TOKEN = "[SEG]"
SPECIAL_TOKENS = (SEG_TOKEN, "<p>", "</p>", "<vp>", "</vp>")
"""The tokens that were added to the language model, in this order; from the official code."""


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """What SAM 2's image encoder makes of n frames, with the embedding "no memory" added.

    Args:
        coarse: Shape (n, C, s, s), s a sixteenth of the input's side.
        fine: Shapes (n, C / 8, 4 s, 4 s) and (n, C / 4, 2 s, 2 s).
    """

    coarse: Tensor
    fine: tuple[Tensor, ...]

    def __len__(self) -> int:
        return self.coarse.shape[0]

    def select(self, frames: Tensor) -> FrameFeatures:
        """Return the features of some frames, shape (m,), in this order; may repeat."""
        return FrameFeatures(self.coarse[frames], tuple(map_[frames] for map_ in self.fine))

    @staticmethod
    def join(parts: Sequence[FrameFeatures]) -> FrameFeatures:
        """Return the features of all frames of some, one after another."""
        levels = zip(*(part.fine for part in parts), strict=True)
        return FrameFeatures(
            torch.cat([part.coarse for part in parts]),
            tuple(torch.cat(level) for level in levels),
        )


class SegModel(nn.Module):
    """A vision-language model whose ``[SEG]`` tokens are masks.

    The last hidden state at the position where ``[SEG]`` is the input goes through the
    projector and joins the prompts of SAM 2. Of SAM 2, only the mask decoder and the prompt
    encoder are trained; the rest is frozen. Source: the official code; paper, section 3.

    Args:
        vlm: A ``Qwen3VLForConditionalGeneration`` or ``Qwen2_5_VLForConditionalGeneration``.
        projector: See ``make_projector``.
        sam2: A ``SAM2Base`` with the settings of the released model, in float32; None for a
            model that only chats.
        processor: The vision-language model's, whose tokenizer knows ``[SEG]``.
        num_vectors: How many prompts each ``[SEG]`` makes; 1 as released.

    Raises:
        ConfigError: If the parts do not fit each other.
    """

    def __init__(
        self,
        vlm: Any,
        projector: nn.Sequential,
        sam2: Any,
        processor: Any,
        *,
        num_vectors: int = 1,
    ) -> None:
        super().__init__()
        self.num_vectors = num_vectors
        self.vlm = vlm
        self.projector = projector
        self.sam2 = sam2
        self.processor = processor
        self._check_parts()
        if sam2 is not None:
            _freeze(sam2)

    # -- facts ---------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._weight.device

    @property
    def seg_token(self) -> int:
        """The id of ``[SEG]``."""
        return int(self.processor.tokenizer.convert_tokens_to_ids(SEG_TOKEN))

    @property
    def prompt_width(self) -> int:
        """Width of SAM 2's prompts: 256 as released."""
        return int(self._last.out_features) // self.num_vectors

    @property
    def image_size(self) -> int:
        """Side of SAM 2's input in pixels: 1024 as released."""
        return int(self.sam2.image_size)

    @property
    def _weight(self) -> Tensor:
        weight: Tensor = self.projector.get_parameter("0.weight")
        return weight

    @property
    def _last(self) -> nn.Linear:
        last = self.projector[2]
        assert isinstance(last, nn.Linear)
        return last

    # -- from a hidden state to prompts ----------------------------------------------------------

    def project(self, hidden: Tensor) -> Tensor:
        """Return the prompts that hidden states stand for.

        Args:
            hidden: States of the last layer before its norm, at ``[SEG]`` tokens, shape (n, d);
                see ``videoseg_o3.model.states``.

        Returns:
            Shape (n, k, C), k vectors of SAM 2's width for each.
        """
        given = projector_input(self.vlm, hidden.to(self._weight))
        flat: Tensor = self.projector(given.to(self._weight))
        return flat.reshape(*flat.shape[:-1], self.num_vectors, self.prompt_width)

    def embed(self, hidden: Tensor) -> tuple[Embedding, ...]:
        """Return the embeddings for prompts that hidden states, shape (n, d), stand for."""
        with torch.no_grad():
            vectors = self.project(hidden).flatten(1).float().cpu()
        return tuple(Embedding(EMBEDDING_MODEL, tuple(values)) for values in vectors.tolist())

    # -- from prompts to masks -------------------------------------------------------------------

    def image_input(self, frames: Sequence[Frame]) -> Tensor:
        """Return frames as SAM 2 takes them.

        Args:
            frames: RGB, shape (H, W, 3) each, dtype uint8; sizes may differ.

        Returns:
            Shape (n, 3, S, S), dtype float32, on the model's device; the aspect is ignored.
        """
        side = self.image_size
        return torch.cat([normalize_frame(frame, side) for frame in frames]).to(self.device)

    def encode_images(self, images: Tensor) -> FrameFeatures:
        """Run SAM 2's image encoder, which is frozen, on shape (n, 3, S, S)."""
        sam2 = self.sam2
        with torch.no_grad(), self._precision():
            encoded = sam2.forward_image(images.to(self.device))
            _, maps, _, sizes = sam2._prepare_backbone_features(encoded)
            maps[-1] = maps[-1] + sam2.no_mem_embed
            squares = [
                level.permute(1, 2, 0).unflatten(2, size)
                for level, size in zip(maps, sizes, strict=True)
            ]
        return FrameFeatures(squares[-1], tuple(squares[:-1]))

    def mask_logits(self, images: Tensor | FrameFeatures, vectors: Tensor) -> Tensor:
        """Segment single frames, without memory of others.

        Gradients flow to ``vectors``, the mask decoder and the prompt encoder. Of the three
        candidates of SAM 2 the one is taken for which it predicts the highest IoU.

        Args:
            images: n frames, as ``image_input`` returns them, or their features.
            vectors: The prompts on each of them, shape (n, k, C), from ``project``.

        Returns:
            Logits, shape (n, S / 4, S / 4), dtype float32; above 0 is inside.

        Raises:
            ConfigError: If shapes do not fit.
        """
        features = images if isinstance(images, FrameFeatures) else self.encode_images(images)
        self._check_vectors(features, vectors)
        count, device = len(vectors), features.coarse.device
        with self._precision():
            # One point that is padding, as SAM 2 has it wherever there is no point.
            points = torch.zeros(count, 1, 2, device=device)
            labels = torch.full((count, 1), -1, dtype=torch.int32, device=device)
            sparse, dense = self.sam2.sam_prompt_encoder(
                points=(points, labels), boxes=None, masks=None
            )
            logits, quality, _, _ = self.sam2.sam_mask_decoder(
                image_embeddings=features.coarse,
                image_pe=self.sam2.sam_prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=torch.cat([sparse, vectors.to(sparse)], dim=1),
                dense_prompt_embeddings=dense,
                multimask_output=True,
                repeat_image=False,
                high_res_features=list(features.fine),
            )
        best = quality.argmax(dim=1)
        chosen: Tensor = logits[torch.arange(count, device=device), best]
        return chosen.float()

    @contextmanager
    def _precision(self) -> Iterator[None]:
        """Compute SAM 2 in the type of the language model; its parameters are float32."""
        kind = self._weight.dtype
        with torch.autocast(self.device.type, kind, enabled=kind != torch.float32):
            yield

    # -- checks ----------------------------------------------------------------------------------

    def _check_parts(self) -> None:
        width = int(self.vlm.config.get_text_config().hidden_size)
        given, made = self._weight.shape[1], self._last.out_features
        tokenizer, rows = self.processor.tokenizer, self.vlm.get_input_embeddings().num_embeddings
        token = tokenizer.convert_tokens_to_ids(SEG_TOKEN)
        problems = []
        if given != width:
            problems.append(
                f"the projector takes {given} values; the language model gives {width}"
            )
        prompt = made // self.num_vectors if self.sam2 is None else int(self.sam2.hidden_dim)
        if made != prompt * self.num_vectors:
            problems.append(
                f"the projector gives {made} values; {self.num_vectors} prompts of SAM 2 have "
                f"{prompt} each"
            )
        if token in (None, tokenizer.unk_token_id):
            problems.append(f"the tokenizer does not know {SEG_TOKEN!r}")
        elif token >= rows:
            problems.append(
                f"{SEG_TOKEN!r} is token {token}, but the language model has {rows} tokens; take "
                "the tokenizer that was saved with it"
            )
        if problems:
            raise ConfigError(problems)

    def _check_vectors(self, features: FrameFeatures, vectors: Tensor) -> None:
        width = self.prompt_width
        if vectors.ndim != 3 or vectors.shape[2] != width or len(vectors) != len(features):
            raise ConfigError(
                f"the prompts of {len(features)} frames must have shape "
                f"({len(features)}, k, {width}), got {tuple(vectors.shape)}"
            )


def make_projector(hidden_size: int, width: int, num_vectors: int = 1) -> nn.Sequential:
    """Return an untrained projector from hidden states to prompts.

    Args:
        hidden_size: Width of the language model.
        width: Width of SAM 2's prompts.
        num_vectors: How many prompts each hidden state makes; 1 as released.
    """
    return nn.Sequential(
        nn.Linear(hidden_size, hidden_size),
        nn.ReLU(),
        nn.Linear(hidden_size, width * num_vectors),
        nn.Dropout(0.0),
    )


def _freeze(sam2: nn.Module) -> None:
    trained = ("sam_mask_decoder.", "sam_prompt_encoder.")
    for name, parameter in sam2.named_parameters():
        parameter.requires_grad_(name.startswith(trained))
