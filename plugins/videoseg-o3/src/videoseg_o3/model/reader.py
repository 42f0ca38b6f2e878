"""Messages of a conversation as the model reads them: tokens and patches of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from videoseg_vlm import escape_tokens, list_images

from videoseg.devices import is_out_of_memory
from videoseg.errors import ChatError, VideosegError
from videoseg.types import ImagePart, Message, Size
from videoseg_o3.model.backbone import Conversation
from videoseg_o3.model.images import ImageReader, Preprocessing
from videoseg_o3.model.network import SPECIAL_TOKENS

__all__ = ["PromptReader"]


class PromptReader:
    """Turns messages into what a ``GenerationSession`` takes.

    Special tokens of the model that stand in a text are read as plain text, except the ones that
    the model itself writes (``[SEG]``, ``<p>``, ...) in its own turns.

    Args:
        processor: The processor of the model.
        preprocessing: See ``ImageReader``.
        max_pixels: See ``ImageReader``.
    """

    def __init__(
        self,
        processor: Any,
        *,
        preprocessing: Preprocessing = "released",
        max_pixels: int | None = None,
    ) -> None:
        self._processor = processor
        self._images = ImageReader(
            processor.image_processor, preprocessing=preprocessing, max_pixels=max_pixels
        )
        tokenizer = processor.tokenizer
        self._placeholder = int(tokenizer.convert_tokens_to_ids("<|image_pad|>"))
        self._special = list(tokenizer.all_special_tokens)
        self._structural = [token for token in self._special if token not in SPECIAL_TOKENS]

    def read(self, messages: Sequence[Message]) -> Conversation:
        """Return a conversation, up to where the model's next turn begins.

        Raises:
            ChatError: If the model's template refuses it.
            ConfigError: If an image is more than 200 times as long as it is wide.
        """
        images = tuple(self._images.prepare(part) for part in list_images(messages))
        text = self._fill_template([self._message(message) for message in messages])
        tokens = self._processor.tokenizer(text).input_ids
        if tokens.count(self._placeholder) != len(images):
            raise ChatError(
                f"the chat template of the model shows {tokens.count(self._placeholder)} of "
                f"{len(images)} images; it is not that of a Qwen-VL model",
                component="o3",
            )
        counts = iter(images)
        expanded: Iterator[int] = (
            token
            for each in tokens
            for token in ([each] * (next(counts).num_tokens if each == self._placeholder else 1))
        )
        return Conversation(tuple(expanded), images)

    def sizes(self, conversation: Conversation) -> tuple[Size, ...]:
        """Return the (height, width) in pixels at which the model sees each image."""
        side = self._images.patch_size
        return tuple(
            (rows * side, columns * side)
            for _, rows, columns in (image.grid for image in conversation.images)
        )

    def _message(self, message: Message) -> dict[str, Any]:
        own = message.role == "assistant"
        special = self._structural if own else self._special
        parts = [
            {"type": "image"}
            if isinstance(part, ImagePart)
            else {"type": "text", "text": escape_tokens(part.text, special)}
            for part in message.parts
        ]
        if own and all(part["type"] == "text" for part in parts):
            # As the official evaluation gives it; templates may treat text and parts differently.
            return {"role": message.role, "content": "".join(part["text"] for part in parts)}
        return {"role": message.role, "content": parts}

    def _fill_template(self, conversation: list[dict[str, Any]]) -> str:
        try:
            text: str = self._processor.apply_chat_template(
                conversation, add_generation_prompt=True, tokenize=False
            )
        except Exception as error:
            if isinstance(error, VideosegError) or is_out_of_memory(error):
                raise
            raise ChatError(
                "the chat template of the model cannot take this conversation: "
                f"{' '.join(str(error).split())[:300]}",
                component="o3",
            ) from error
        return text
