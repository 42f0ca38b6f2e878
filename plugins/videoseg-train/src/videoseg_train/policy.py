"""The model in training, and how answers are sampled from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

from torch import Tensor
from videoseg_o3 import (
    Answer,
    Conversation,
    Decoding,
    PromptReader,
    SegModel,
    VisionCache,
    generate,
    generate_batch,
    hidden_states,
)
from videoseg_vlm import family_of_type, stop_tokens

from videoseg import ConfigError, VideosegError
from videoseg.devices import torch_defaults
from videoseg.errors import ContextLengthError
from videoseg.types import ChatReply, Embedding
from videoseg_train.episode_chat import Call, PolicyChat

__all__ = ["Policy"]

_END_OF_TURN = "<|im_end|>"
# What the policy itself may write beside text: see videoseg_o3's SPECIAL_TOKENS.
_OWN_TOKENS = ("[SEG]", "<p>", "</p>", "<vp>", "</vp>")
# Image tokens whose features are kept during the rollouts of one step: 32 prompts of 2,000 tokens.
_KEPT_IMAGE_TOKENS = 65_536


class Policy:
    """A Qwen-VL model or a ``[SEG]`` model that is trained, and how it is sampled from.

    Tokens that stand for images or begin messages are never sampled, nor are numbers that the
    tokenizer has no token for; only ``<|im_end|>`` ends an answer, as in the chat template.

    Args:
        model: A ``SegModel``, or a ``Qwen3VLForConditionalGeneration`` or
            ``Qwen2_5_VLForConditionalGeneration``.
        processor: The processor of the model; a ``SegModel`` has its own.
        temperature: At which answers are sampled in training.
        top_p: Cumulative probability of the tokens that are sampled from.
        max_tokens: Upper bound on the tokens of an answer, besides the grounder's own.
        max_batch: How many answers are generated at once; fewer take less memory.
        preprocessing: How images are resized: see ``videoseg_o3.SegChat``.
        max_pixels: Upper bound on height x width at which the model sees an image.

    Attributes:
        chat: The policy as a chat model, for the stages of a pipeline.
        reader: Turns messages into what the model takes.
        coordinate_space: The convention in which the model writes coordinates, if known.
        end_token: The token that ends an answer.
        forbidden: The tokens that are never sampled.
        autocast: Makes the context in which answers are computed; training in mixed precision
            puts its own here.

    Raises:
        ConfigError: If there is no processor, or a number is out of range.
    """

    def __init__(
        self,
        model: Any,
        processor: Any = None,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        max_tokens: int | None = None,
        max_batch: int = 64,
        preprocessing: Literal["released", "direct"] = "direct",
        max_pixels: int | None = None,
    ) -> None:
        self.model = model
        self.seg_model: SegModel | None = model if isinstance(model, SegModel) else None
        self.vlm: Any = model.vlm if isinstance(model, SegModel) else model
        processor = model.processor if isinstance(model, SegModel) else processor
        problems = []
        if processor is None:
            problems.append("a policy needs the processor of its model")
        if not temperature > 0:
            problems.append(f"temperature must be above 0 to sample, got {temperature}")
        if not 0 < top_p <= 1:
            problems.append(f"top_p must lie in (0, 1], got {top_p}")
        if max_batch < 1 or (max_tokens is not None and max_tokens < 1):
            problems.append(
                f"max_batch and max_tokens must be at least 1, got {max_batch}, {max_tokens}"
            )
        if problems:
            raise ConfigError(problems)
        self.processor = processor
        self.temperature, self.top_p = temperature, top_p
        self.max_tokens, self.max_batch = max_tokens, max_batch
        self.reader = PromptReader(processor, preprocessing=preprocessing, max_pixels=max_pixels)
        self.seg_token = None if self.seg_model is None else self.seg_model.seg_token
        self.end_token = self._find_end()
        self.forbidden = self._find_forbidden()
        self.chat = PolicyChat(self)
        self.autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
        family = family_of_type(self.vlm.config.model_type)
        self.coordinate_space = None if family is None else family.coordinate_space.name

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the model."""
        return self.processor.tokenizer

    # -- text and tokens -----------------------------------------------------------------------

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the tokens of an answer, with the one that ends it."""
        return (*self.tokenizer.encode(text, add_special_tokens=False), self.end_token)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return what an answer says, as the chat model ``o3`` gives it."""
        ended = bool(tokens) and tokens[-1] == self.end_token
        kept = list(tokens[:-1] if ended else tokens)
        text: str = self.tokenizer.decode(kept, skip_special_tokens=False)
        return text.lstrip() if ended else text.strip()

    def _find_end(self) -> int:
        unknown = self.tokenizer.unk_token_id
        end = self.tokenizer.convert_tokens_to_ids(_END_OF_TURN)
        if end is None or end == unknown:
            raise ConfigError(
                f"the tokenizer does not know {_END_OF_TURN!r}, which ends the turns of Qwen-VL"
            )
        if end not in stop_tokens(self.vlm):
            raise ConfigError(
                f"generation_config.eos_token_id of the model does not hold {_END_OF_TURN!r} "
                f"({end}), so its answers would not end"
            )
        return int(end)

    def _find_forbidden(self) -> tuple[int, ...]:
        config, tokenizer = self.vlm.config, self.tokenizer
        names = (
            "image_token_id",
            "video_token_id",
            "vision_start_token_id",
            "vision_end_token_id",
        )
        vision = {getattr(config, name, None) for name in names} - {None}
        own = set(tokenizer.convert_tokens_to_ids(list(_OWN_TOKENS)) if self.seg_model else [])
        special = {*tokenizer.all_special_ids, *vision, *stop_tokens(self.vlm)}
        size = int(config.get_text_config().vocab_size)
        unused = range(len(tokenizer), size)
        found = (special | set(unused)) - own - {self.end_token}
        return tuple(sorted(token for token in found if token < size))

    # -- answering -----------------------------------------------------------------------------

    def hidden_states(self, conversation: Conversation) -> Tensor:
        """Return the states of a conversation with gradient; see ``videoseg_o3.hidden_states``."""
        return hidden_states(self.vlm, conversation)

    def new_vision_cache(self) -> VisionCache:
        """Return where the features of images are kept while parameters do not change."""
        return VisionCache(_KEPT_IMAGE_TOKENS)

    def answer(self, calls: Sequence[Call]) -> None:
        """Answer calls of different episodes together; each then holds its reply or its error."""
        # A group begins with one conversation.
        known: dict[object, Conversation] = {}
        with torch_defaults(), self.autocast():
            for call in calls:
                try:
                    call.conversation = call.episode.read(call.messages, known)
                    self._check_length(call)
                except VideosegError as error:
                    call.error = error
            ready = [call for call in calls if call.error is None]
            for call in ready:
                if call.num_samples > 1:
                    call.answers = generate(
                        call.episode.session,
                        call.read,
                        self._decoding(call),
                        num_samples=call.num_samples,
                        seed=call.seed,
                        max_batch=self.max_batch,
                    )
            single = [call for call in ready if call.num_samples == 1]
            kinds = dict.fromkeys((call.temperature, call.max_tokens) for call in single)
            for kind in kinds:
                alike = [call for call in single if (call.temperature, call.max_tokens) == kind]
                for start in range(0, len(alike), self.max_batch):
                    batch = alike[start : start + self.max_batch]
                    answers = generate_batch(
                        [call.episode.session for call in batch],
                        [call.read for call in batch],
                        self._decoding(batch[0]),
                        seeds=[call.seed for call in batch],
                    )
                    for call, answer in zip(batch, answers, strict=True):
                        call.answers = [answer]

    def reply(self, conversation: Conversation, answer: Answer, text: str) -> ChatReply:
        """Return an answer as a stage gets it."""
        embeddings: tuple[Embedding, ...] = ()
        if self.seg_model is not None and len(answer.seg_states):
            with torch_defaults():
                embeddings = self.seg_model.embed(answer.seg_states)
        return ChatReply(
            text,
            num_prompt_tokens=len(conversation.tokens),
            num_tokens=len(answer.tokens),
            image_sizes=self.reader.sizes(conversation),
            coordinate_space=self.coordinate_space,
            finish_reason=answer.finish,
            embeddings=embeddings,
        )

    def _decoding(self, call: Call) -> Decoding:
        return Decoding(call.temperature, self.top_p, call.max_tokens, forbidden=self.forbidden)

    def _check_length(self, call: Call) -> None:
        limit = getattr(self.vlm.config.get_text_config(), "max_position_embeddings", None)
        length = len(call.read.tokens)
        if limit is not None and length + call.max_tokens > limit:
            raise ContextLengthError(
                f"the conversation has {length} tokens with its {len(call.read.images)} images, "
                f"and up to {call.max_tokens} more may be answered, but the policy takes {limit}; "
                "show fewer or smaller frames, or lower max_tokens",
                component="policy",
            )
