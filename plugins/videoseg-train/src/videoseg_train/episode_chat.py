"""The policy as the chat model of an episode, which records what it says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from torch import Tensor
from videoseg_o3 import Answer, Conversation, GenerationSession, VisionCache
from videoseg_vlm import check_question

from videoseg.types import ChatReply, Message, MessagePart, TextPart
from videoseg_train.errors import RepeatedQuestionError
from videoseg_train.randomness import mix_seed

if TYPE_CHECKING:
    from videoseg_train.policy import Policy

__all__ = ["Ask", "Call", "EpisodeChat", "PolicyChat", "StageName", "Step"]

StageName: TypeAlias = Literal["sampler", "grounder"]


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
