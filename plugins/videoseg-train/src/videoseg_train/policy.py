"""The model in training, as the chat model of the episodes in which it acts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from torch import Tensor
from videoseg_o3 import (
    Answer,
    Conversation,
    Decoding,
    GenerationSession,
    PromptReader,
    SegModel,
    VisionCache,
    generate,
    generate_batch,
    hidden_states,
)
from videoseg_vlm import check_question, family_of_type, stop_tokens

from videoseg import ConfigError, VideosegError
from videoseg.devices import torch_defaults
from videoseg.errors import ContextLengthError
from videoseg.types import ChatReply, Embedding, Message, MessagePart, TextPart
from videoseg_train.errors import RepeatedQuestionError

__all__ = ["Call", "EpisodeChat", "Policy", "PolicyChat", "StageName", "Step", "mix_seed"]

StageName: TypeAlias = Literal["sampler", "grounder"]

_END_OF_TURN = "<|im_end|>"
# What the policy itself may write beside text: see videoseg_o3's SPECIAL_TOKENS.
_OWN_TOKENS = ("[SEG]", "<p>", "</p>", "<vp>", "</vp>")
# Image tokens whose features are kept during the rollouts of one step: 32 prompts of 2,000 tokens.
_KEPT_IMAGE_TOKENS = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One answer of the policy in an episode.

    Args:
        stage: Which stage asked.
        turn: In which turn of the episode, counted from 0.
        conversation: What was asked, up to where the answer begins. The policy's earlier answers
            stand in it with exactly the tokens that were sampled.
        tokens: The n tokens of the answer, with the one that ends it.
        text: The answer as the stage got it.
        log_probs: Of each token at temperature 1, shape (n,), dtype float32, on the CPU; None
            where a teacher answered.
        seg_places: Which of the tokens are ``[SEG]``, ascending.
        seg_states: The last layer's states at them, shape (m, d), without gradient; None where a
            teacher answered.
        finish: ``stop`` where the answer was ended, ``length`` where it was cut off.
    """

    stage: StageName
    turn: int
    conversation: Conversation
    tokens: tuple[int, ...]
    text: str
    log_probs: Tensor | None = None
    seg_places: tuple[int, ...] = ()
    seg_states: Tensor | None = None
    finish: Literal["stop", "length"] = "stop"


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


@dataclass(slots=True, eq=False)
class Call:
    """A question to the policy that waits for its answer."""

    episode: EpisodeChat
    messages: Sequence[Message]
    num_samples: int
    temperature: float
    max_tokens: int
    seed: int
    conversation: Conversation | None = None
    answers: list[Answer] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def read(self) -> Conversation:
        """The conversation, once it has been read."""
        assert self.conversation is not None
        return self.conversation


Ask: TypeAlias = Callable[[Call], None]
"""Has a call answered; returns when it is."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What the policy has been asked and has said: for recognizing it in the next turn."""

    num_messages: int
    read: Conversation
    step: Step


class EpisodeChat:
    """The policy as the chat model of one episode; records every answer.

    Args:
        policy: The policy.
        ask: Who has calls answered.
        vision: Where features of images are kept.
        seed: Seed of the episode; each call has its own random numbers.
        sampled: The stages whose answers are sampled at the policy's temperature; others get the
            temperature they ask for.
        repeats: Whether these stages may ask the same question again in a turn. If not, that is a
            ``RepeatedQuestionError``.

    Attributes:
        steps: The answers so far.
        stage: Which stage is running.
        turn: In which turn.
    """

    def __init__(
        self,
        policy: Policy,
        ask: Ask,
        *,
        vision: VisionCache | None = None,
        seed: int = 0,
        sampled: Sequence[StageName] = (),
        repeats: bool = True,
    ) -> None:
        self.policy = policy
        self.session = GenerationSession(policy.vlm, seg_token=policy.seg_token, vision=vision)
        self.steps: list[Step] = []
        self.stage: StageName = "grounder"
        self.turn = 0
        self._ask = ask
        self._seed = seed
        self._num_calls = 0
        self._sampled = frozenset(sampled)
        self._repeats = repeats
        self._said: list[_Said] = []
        self._reading = Conversation(())

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
            ContextLengthError: If the conversation is longer than the model takes.
            RepeatedQuestionError: If the same question is asked again and must not be.
        """
        check_question(
            messages, num_samples=num_samples, temperature=temperature, max_tokens=max_tokens
        )
        policy = self.policy
        if self.stage in self._sampled:
            temperature, seed = policy.temperature, mix_seed(self._seed, self._num_calls)
        if policy.max_tokens is not None:
            max_tokens = min(max_tokens, policy.max_tokens)
        self._num_calls += 1
        call = Call(self, messages, num_samples, temperature, max_tokens, seed)
        self._ask(call)
        if call.error is not None:
            raise call.error
        return [self._record(call, answer) for answer in call.answers]

    def read(
        self, messages: Sequence[Message], known: dict[object, Conversation] | None = None
    ) -> Conversation:
        """Return a conversation with earlier answers as they were sampled, not as they are read.

        Args:
            messages: The conversation.
            known: What has been read already, while its messages exist; is added to.

        Raises:
            RepeatedQuestionError: See the class.
        """
        known = {} if known is None else known
        key = _key(messages)
        read = known.get(key)
        if read is None:
            read = known[key] = self.policy.reader.read(messages)
        conversation = self._with_sampled_tokens(messages, read)
        if not self._repeats and self.stage in self._sampled:
            self._refuse_repetition(conversation)
        self._reading = read
        return conversation

    def record(
        self, messages: Sequence[Message], conversation: Conversation, answer: Answer, text: str
    ) -> Step:
        """Keep an answer."""
        step = Step(
            self.stage,
            self.turn,
            conversation,
            answer.tokens,
            text,
            answer.log_probs,
            answer.seg_places,
            answer.seg_states,
            answer.finish,
        )
        self.keep(messages, step)
        return step

    def keep(self, messages: Sequence[Message], step: Step) -> None:
        """Keep a step that was answered by whomever."""
        self.steps.append(step)
        self._said.append(_Said(len(messages), self._reading, step))

    def _record(self, call: Call, answer: Answer) -> ChatReply:
        text = self.policy.decode(answer.tokens)
        self.record(call.messages, call.read, answer, text)
        return self.policy.reply(call.read, answer, text)

    def _with_sampled_tokens(
        self, messages: Sequence[Message], read: Conversation
    ) -> Conversation:
        """Return a conversation in which the last known answer has its sampled tokens.

        A text has many tokenizations; the sampled one is what the policy's cache and its
        log-probabilities are about.
        """
        end = self.policy.end_token
        for said in reversed(self._said):
            base, step = said.read, said.step
            later = messages[said.num_messages :]
            if not later or not _says(later[0], step.text) or not _begins(read, base):
                continue
            tail = read.tokens[len(base.tokens) :]
            if end not in tail:
                continue
            rest = tail[tail.index(end) + 1 :]
            ended = step.tokens[-1:] == (end,)
            answer = step.tokens if ended else (*step.tokens, end)
            tokens = (*step.conversation.tokens, *answer, *rest)
            return replace(read, tokens=tokens)
        return read

    def _refuse_repetition(self, conversation: Conversation) -> None:
        for step in self.steps:
            same = step.conversation.tokens == conversation.tokens
            if same and (step.stage, step.turn) == (self.stage, self.turn):
                raise RepeatedQuestionError(
                    f"the {self.stage} could not read the answer of turn {self.turn + 1} and "
                    f"asked again: {step.text[:200]!r}"
                )


class PolicyChat:
    """The policy as a chat model that any stage, and any number of episodes, can hold.

    Inside an episode of ``run_rollouts`` a call is recorded there; elsewhere it is answered at
    once, as by any chat model.

    Args:
        policy: The policy.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._of_thread = threading.local()
        self._lock = threading.Lock()

    @property
    def episode(self) -> Any:
        """The chat model of the episode that runs in this thread; None if there is none."""
        return getattr(self._of_thread, "episode", None)

    @episode.setter
    def episode(self, episode: Any) -> None:
        self._of_thread.episode = episode

    @property
    def device(self) -> str:
        """The device of the model."""
        return str(self._policy.vlm.device)

    def chat(
        self,
        messages: Sequence[Message],
        *,
        num_samples: int = 1,
        temperature: float = 0.0,
        max_tokens: int = 1024,
        seed: int = 0,
    ) -> Sequence[ChatReply]:
        """Answer a conversation; see ``videoseg.ChatModel.chat``."""
        chat = self.episode or EpisodeChat(self._policy, self._answer_alone)
        replies: Sequence[ChatReply] = chat.chat(
            messages,
            num_samples=num_samples,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
        )
        return replies

    def _answer_alone(self, call: Call) -> None:
        with self._lock:
            self._policy.answer([call])


def mix_seed(seed: int, number: int) -> int:
    """Return a seed for one of many uses of a seed."""
    return int(np.random.SeedSequence([seed % 2**64, number]).generate_state(1, np.uint64)[0])


def _key(messages: Sequence[Message]) -> object:
    """Return what is the same for messages that are read alike, while they exist.

    Frames are views of what their video keeps, so that the same frame has the same memory.
    """
    return tuple((message.role, tuple(map(_part_key, message.parts))) for message in messages)


def _part_key(part: MessagePart) -> object:
    if isinstance(part, TextPart):
        return part.text
    image = part.image
    return (image.ctypes.data, image.shape, image.strides, part.max_pixels)


def _says(message: Message, text: str) -> bool:
    return message.role == "assistant" and text == "".join(
        part.text for part in message.parts if isinstance(part, TextPart)
    )


def _begins(conversation: Conversation, start: Conversation) -> bool:
    """Return whether a conversation begins like another, images included."""
    images = zip(conversation.images, start.images, strict=False)
    return (
        conversation.tokens[: len(start.tokens)] == start.tokens
        and len(conversation.images) >= len(start.images)
        and all(one.digest == other.digest for one, other in images)
    )
