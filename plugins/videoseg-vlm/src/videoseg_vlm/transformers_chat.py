"""The chat model ``transformers``: any image-text-to-text model, in this process."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, Literal

from videoseg import ConfigError
from videoseg.coordinates import CoordinateSpace
from videoseg.devices import is_out_of_memory, release_memory, torch_defaults
from videoseg.errors import ChatError, ContextLengthError
from videoseg.plugins import PositiveInt, checked_options
from videoseg.text import printable
from videoseg.types import ChatReply, ImagePart, Message, Size
from videoseg_vlm.checkpoint import Checkpoint, CheckpointOptions, load, require_weights
from videoseg_vlm.conversation import (
    TopP,
    add_time_labels,
    check_question,
    escape_tokens,
    fit_size,
    list_images,
    resize_image,
    stretches_to_square,
)
from videoseg_vlm.generation import Sampling, generate, stop_tokens

__all__ = ["TransformersChat"]

_COMPONENT = "transformers"


class TransformersChat:
    """A vision-language model of the ``transformers`` library, loaded on first use.

    All answers to one call share one pass over the conversation: images are encoded once for
    any number of samples. Calls are answered one at a time.

    Args:
        model: The folder of a checkpoint, or its name on the Hugging Face hub.
        revision: Branch, tag or commit on the hub.
        dtype: Precision of the weights; ``auto`` is that of the checkpoint.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        device_map: Instead of ``device``: ``auto`` spreads the model over all GPUs; see
            accelerate for more.
        attention: ``sdpa``, ``flash_attention_2`` or ``eager``; by default the model's choice.
        quantization: ``int8`` or ``int4`` loads the weights smaller, with bitsandbytes.
        min_pixels: Lower bound on height x width at which the model sees an image; by default
            that of the checkpoint.
        max_pixels: Upper bound; an image's own ``max_pixels`` may lower it further.
        coordinate_space: How the model writes coordinates (see ``CoordinateSpace``); by
            default as its family does. Set it for models trained differently: VisionReasoner and
            Seg-Zero need ``square(840)``, which also stretches images to that square.
        times: Put a time label before each image that has a time.
        top_p: Cumulative probability of the tokens that are sampled from.
        max_batch: How many samples are generated at once; fewer take less memory.
        download: Download the checkpoint if it is not on this machine. By default nothing is
            downloaded.

    Raises:
        ConfigError: If an option is invalid.
        MissingWeightsError: If the model is not on this machine and ``download`` is false.
    """

    @checked_options("chat 'transformers'")
    def __init__(
        self,
        *,
        model: str = "Qwen/Qwen2.5-VL-7B-Instruct",
        revision: str | None = None,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        device: str = "auto",
        device_map: str | dict[str, Any] | None = None,
        attention: str | None = None,
        quantization: Literal["none", "int8", "int4"] = "none",
        min_pixels: PositiveInt | None = None,
        max_pixels: PositiveInt | None = None,
        coordinate_space: str | None = None,
        times: bool = False,
        top_p: TopP = 1.0,
        max_batch: PositiveInt = 16,
        download: bool = False,
    ) -> None:
        if device_map is not None and device != "auto":
            raise ConfigError("give either device or device_map, not both")
        self._options = CheckpointOptions(
            model=model,
            revision=revision,
            dtype=dtype,
            device=device,
            device_map=device_map,
            attention=attention,
            quantization=quantization,
            min_pixels=min_pixels,
            max_pixels=max_pixels,
            download=download,
        )
        self._space = None if coordinate_space is None else CoordinateSpace(coordinate_space)
        self._times = times
        self._top_p = top_p
        self._max_batch = max_batch
        self._loaded: Checkpoint | None = None
        self._lock = threading.Lock()
        # So that a pipeline reports missing weights before its first stage runs.
        require_weights(self._options)

    # -- answering -------------------------------------------------------------------------

    def chat(
        self,
        messages: Sequence[Message],
        *,
        num_samples: int = 1,
        temperature: float = 0.0,
        max_tokens: int = 1024,
        seed: int = 0,
    ) -> Sequence[ChatReply]:
        """Answer a conversation; see ``videoseg.ChatModel.chat``.

        Raises:
            MissingWeightsError: If the model is not on this machine.
            ContextLengthError: If the conversation is longer than the model takes.
            ChatError: If memory runs out.
        """
        check_question(
            messages, num_samples=num_samples, temperature=temperature, max_tokens=max_tokens
        )
        sampling = Sampling(
            num_samples, temperature, self._top_p, max_tokens, seed, self._max_batch
        )
        with self._lock, torch_defaults():
            self._loaded = self._loaded or load(self._options)
            begin = time.perf_counter()
            try:
                return self._answer(self._loaded, messages, sampling, begin)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                release_memory(error)
                raise self._out_of_memory(messages, sampling) from error

    def _answer(
        self, checkpoint: Checkpoint, messages: Sequence[Message], sampling: Sampling, begin: float
    ) -> list[ChatReply]:
        if self._times:
            messages = add_time_labels(messages)
        inputs = self._inputs(checkpoint, messages)
        length = inputs["input_ids"].shape[1]
        self._check_length(checkpoint, length, len(list_images(messages)), sampling.max_tokens)
        answers = generate(checkpoint.model, inputs, sampling)
        texts = checkpoint.processor.batch_decode(answers, skip_special_tokens=True)
        space = self._coordinate_space(checkpoint)
        ends = stop_tokens(checkpoint.model)
        finishes = ["stop" if answer and answer[-1] in ends else "length" for answer in answers]
        return [
            ChatReply(
                # Without control characters, as from a server.
                printable(text, keep="\n\t").strip(),
                num_prompt_tokens=length,
                num_tokens=len(answer),
                image_sizes=_list_sizes_seen(checkpoint, inputs),
                coordinate_space=None if space is None else space.name,
                details={
                    "model": self._options.model,
                    "finish": finish,
                    "seconds": round(time.perf_counter() - begin, 3),
                },
                finish_reason=finish,
            )
            for text, answer, finish in zip(texts, answers, finishes, strict=True)
        ]

    def _inputs(self, checkpoint: Checkpoint, messages: Sequence[Message]) -> dict[str, Any]:
        special = checkpoint.processor.tokenizer.all_special_tokens
        conversation = [
            {
                "role": message.role,
                "content": [
                    {"type": "image", "image": self._resize(checkpoint, part)}
                    if isinstance(part, ImagePart)
                    else {"type": "text", "text": escape_tokens(part.text, special)}
                    for part in message.parts
                ],
            }
            for message in messages
        ]
        budgets = [part.max_pixels for part in list_images(messages) if part.max_pixels]
        try:
            with checkpoint.showing_small(budgets):
                made = checkpoint.processor.apply_chat_template(
                    conversation,
                    add_generation_prompt=True,
                    tokenize=True,
                    return_dict=True,
                    return_tensors="pt",
                )
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise ChatError(
                f"the processor of {self._options.model!r} cannot take this conversation: "
                f"{' '.join(str(error).split())[:300]}; models differ in the roles and in the "
                "number of images they take",
                component=_COMPONENT,
            ) from error
        return dict(made.to(checkpoint.device, checkpoint.model.dtype))

    def _resize(self, checkpoint: Checkpoint, part: ImagePart) -> Any:
        size: Size = (part.image.shape[0], part.image.shape[1])
        space = self._coordinate_space(checkpoint)
        side = None if space is None else space.square_side
        if side is not None and stretches_to_square(side, part.max_pixels):
            return resize_image(part.image, (side, side))
        budget = min(
            (bound for bound in (part.max_pixels, self._options.max_pixels) if bound), default=None
        )
        least = (checkpoint.pixel_bounds or (1, 1))[0]
        least = least if budget is None else min(least, budget)
        if not least <= size[0] * size[1] <= (budget or math.inf):
            # Unless it is too small or too large for its own budget, the processor resizes it.
            size = fit_size(
                size,
                max_pixels=budget or sys.maxsize,
                min_pixels=least,
                factor=checkpoint.size_factor,
            )
        return resize_image(part.image, size)

    def _coordinate_space(self, checkpoint: Checkpoint) -> CoordinateSpace | None:
        if self._space is not None or checkpoint.family is None:
            return self._space
        return checkpoint.family.coordinate_space

    # -- refusing --------------------------------------------------------------------------

    def _check_length(
        self, checkpoint: Checkpoint, length: int, num_images: int, max_tokens: int
    ) -> None:
        limit = checkpoint.max_context
        if limit is not None and length + max_tokens > limit:
            raise ContextLengthError(
                f"the conversation has {length} tokens with its {num_images} images, and up to "
                f"{max_tokens} more may be answered, but {self._options.model!r} takes {limit}; "
                "show fewer frames, show them smaller (max_pixels), or lower max_tokens",
                component=_COMPONENT,
            )

    def _out_of_memory(self, messages: Sequence[Message], sampling: Sampling) -> ChatError:
        return ChatError(
            f"{self._options.model!r} ran out of memory on {self.device} while reading "
            f"{len(list_images(messages))} images for {sampling.num_samples} answers; show fewer "
            "or smaller frames (max_pixels), lower max_batch, load it with "
            "quantization='int4', or spread it with device_map='auto'",
            component=_COMPONENT,
        )

    # -- freeing ---------------------------------------------------------------------------

    @property
    def device(self) -> str | None:
        """The device of the model; None before it is loaded."""
        return None if self._loaded is None else str(self._loaded.device)

    def close(self) -> None:
        """Free the model; the next call loads it again."""
        with self._lock:
            self._loaded = None
            release_memory()

    def __getstate__(self) -> dict[str, Any]:
        # Another process loads its own model.
        return {**self.__dict__, "_loaded": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"TransformersChat(model={self._options.model!r})"


def _list_sizes_seen(checkpoint: Checkpoint, inputs: dict[str, Any]) -> tuple[Size, ...]:
    """Return the (height, width) of each image after the processor."""
    grids, side = inputs.get("image_grid_thw"), checkpoint.patch_size
    if grids is None or side is None:
        return ()
    return tuple((rows * side, columns * side) for _, rows, columns in grids.tolist())
