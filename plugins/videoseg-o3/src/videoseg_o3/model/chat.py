"""The chat model ``o3``: answers with ``[SEG]``, and an embedding for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from videoseg_vlm import TopP, check_question, family_of_type, list_images, stop_tokens

from videoseg.devices import is_out_of_memory, release_memory, torch_defaults
from videoseg.errors import ChatError, ConfigError, ContextLengthError
from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import ChatReply, Embedding, Message
from videoseg_o3.model.files import DEFAULT_MODEL, find_folder

if TYPE_CHECKING:
    from videoseg_o3.model.generation import Answer, Conversation, Decoding, GenerationSession
    from videoseg_o3.model.images import Preprocessing
    from videoseg_o3.model.network import SegModel
    from videoseg_o3.model.reader import PromptReader

__all__ = ["SegChat"]

_COMPONENT = "o3"


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model, and the conversation that it is in."""

    model: SegModel
    reader: PromptReader
    session: GenerationSession


class SegChat:
    """The model of VideoSEG-O3, loaded on first use.

    A reply's ``embeddings`` has one vector for each ``[SEG]`` in its text, which the propagator
    ``o3`` turns into a mask. Any conversation is answered, with and without ``[SEG]``.

    What has been computed for a conversation is kept until another one begins: the next turn
    costs only what is new, as does another question about the same frames. Each image goes
    through the vision encoder once at each size; its features are kept while there is room, also
    when the model is asked something else in between. Calls are answered one at a time.

    Args:
        model: The folder of a checkpoint, or its name on the Hugging Face hub.
        revision: Branch, tag or commit on the hub.
        dtype: Precision of the weights; ``auto`` is that of the checkpoint.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        attention: ``sdpa``, ``flash_attention_2`` or ``eager``; by default the model's choice.
        preprocessing: ``released`` resizes images as the official evaluation does, which the
            processor of Qwen3-VL then enlarges to 65,536 pixels if they are smaller; ``direct``
            resizes them once and keeps to their budgets.
        max_pixels: Upper bound on height x width at which the model sees an image; an image's
            own ``max_pixels`` may lower it further.
        top_p: Cumulative probability of the tokens that are sampled from.
        max_batch: How many samples are generated at once; fewer take less memory.
        complete_last: Give an embedding, too, for a ``[SEG]`` at which an answer was cut off. The
            released model has none there.
        download: Download the checkpoint if it is not on this machine. By default nothing is
            downloaded.

    Raises:
        ConfigError: If an option is invalid.
        MissingWeightsError: If the model is not on this machine and ``download`` is false.
    """

    @checked_options("chat 'o3'")
    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
        revision: str | None = None,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        device: str = "auto",
        attention: str | None = None,
        preprocessing: Literal["released", "direct"] = "released",
        max_pixels: PositiveInt | None = None,
        top_p: TopP = 1.0,
        max_batch: PositiveInt = 16,
        complete_last: bool = True,
        download: bool = False,
    ) -> None:
        self._name = model
        self._options: dict[str, Any] | None = {
            "model": model,
            "revision": revision,
            "dtype": dtype,
            "device": device,
            "attention": attention,
            "download": download,
        }
        self._set(preprocessing, max_pixels, top_p, max_batch, complete_last)
        # So that a pipeline reports missing weights before its first stage runs.
        if not download:
            find_folder(model, revision=revision)

    @classmethod
    def of(
        cls,
        model: SegModel,
        *,
        preprocessing: Literal["released", "direct"] = "released",
        max_pixels: int | None = None,
        top_p: float = 1.0,
        max_batch: int = 16,
        complete_last: bool = True,
    ) -> SegChat:
        """Return a chat model of a model that is loaded already, such as one in training.

        Call ``close`` after its parameters have changed. The other arguments are those of the
        constructor.
        """
        chat = cls.__new__(cls)
        chat._name, chat._options = "a model in memory", None
        chat._set(preprocessing, max_pixels, top_p, max_batch, complete_last)
        chat._given = model
        return chat

    def _set(
        self,
        preprocessing: Preprocessing,
        max_pixels: int | None,
        top_p: float,
        max_batch: int,
        complete_last: bool,
    ) -> None:
        self._preprocessing = preprocessing
        self._max_pixels = max_pixels
        self._top_p = top_p
        self._max_batch = max_batch
        self._complete_last = complete_last
        self._given: SegModel | None = None
        self._loaded: _Loaded | None = None
        self._lock = threading.Lock()

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

        Where an answer has no embedding but an earlier turn of the conversation has a ``[SEG]``,
        ``details["earlier_embedding"]`` has the vector of the last one, which the released
        evaluation then uses.

        Raises:
            MissingWeightsError: If the model is not on this machine.
            ContextLengthError: If the conversation is longer than the model takes.
            ChatError: If memory runs out, or the model's numbers are not finite.
        """
        check_question(
            messages, num_samples=num_samples, temperature=temperature, max_tokens=max_tokens
        )
        with self._lock, torch_defaults():
            from videoseg_o3.model.generation import Decoding

            decoding = Decoding(temperature, self._top_p, max_tokens, self._complete_last)
            begin = time.perf_counter()
            try:
                self._loaded = self._loaded or self._load()
                return self._answer(self._loaded, messages, decoding, num_samples, seed, begin)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if self._loaded is not None:
                    self._loaded.session.clear()
                release_memory(error)
                raise self._out_of_memory(messages, num_samples) from error

    def _load(self) -> _Loaded:
        from videoseg_o3.model.checkpoint import SegOptions, load_seg_model
        from videoseg_o3.model.generation import GenerationSession
        from videoseg_o3.model.reader import PromptReader

        model = self._given
        if model is None:
            model = load_seg_model(SegOptions(**(self._options or {}), masks=False))
        reader = PromptReader(
            model.processor, preprocessing=self._preprocessing, max_pixels=self._max_pixels
        )
        session = GenerationSession(model.vlm, seg_token=model.seg_token)
        return _Loaded(model, reader, session)

    def _answer(
        self,
        loaded: _Loaded,
        messages: Sequence[Message],
        decoding: Decoding,
        num_samples: int,
        seed: int,
        begin: float,
    ) -> list[ChatReply]:
        from videoseg_o3.model.generation import generate

        conversation = loaded.reader.read(messages)
        self._check_length(loaded, conversation, decoding.max_tokens)
        session = loaded.session
        counted = (session.num_computed, session.vision.num_encoded)
        answers = generate(
            session,
            conversation,
            decoding,
            num_samples=num_samples,
            seed=seed,
            max_batch=self._max_batch,
        )
        earlier = self._earlier_embedding(loaded, conversation)
        config = loaded.model.vlm.config
        family = family_of_type(config.model_type)
        details = {
            "model": self._name,
            "computed_tokens": session.num_computed - counted[0],
            "encoded_images": session.vision.num_encoded - counted[1],
            "seconds": round(time.perf_counter() - begin, 3),
        }
        replies = []
        for answer in answers:
            embeddings = self._embeddings(loaded, answer.seg_states)
            more = (
                {}
                if embeddings or earlier is None
                else {"earlier_embedding": list(earlier.values)}
            )
            replies.append(
                ChatReply(
                    _text(loaded, answer),
                    num_prompt_tokens=len(conversation.tokens),
                    num_tokens=len(answer.tokens),
                    image_sizes=loaded.reader.sizes(conversation),
                    coordinate_space=None if family is None else family.coordinate_space.name,
                    details={"finish": answer.finish, **details, **more},
                    finish_reason=answer.finish,
                    embeddings=embeddings,
                )
            )
        return replies

    def _earlier_embedding(self, loaded: _Loaded, conversation: Conversation) -> Embedding | None:
        """Return that of the last ``[SEG]`` before the answer."""
        length = len(conversation.tokens)
        states = {at: state for at, state in loaded.session.seg_states.items() if at < length}
        if not states:
            return None
        return self._embeddings(loaded, states[max(states)][None])[0]

    def _embeddings(self, loaded: _Loaded, states: Any) -> tuple[Embedding, ...]:
        try:
            return loaded.model.embed(states)
        except ConfigError as error:
            raise ChatError(
                f"{self._name!r} gave numbers that are not finite; take dtype='bfloat16', or "
                "fetch its checkpoint again",
                component=_COMPONENT,
            ) from error

    # -- refusing --------------------------------------------------------------------------

    def _check_length(self, loaded: _Loaded, conversation: Conversation, max_tokens: int) -> None:
        limit = getattr(loaded.model.vlm.config.get_text_config(), "max_position_embeddings", None)
        length = len(conversation.tokens)
        if limit is not None and length + max_tokens > limit:
            raise ContextLengthError(
                f"the conversation has {length} tokens with its {len(conversation.images)} "
                f"images, and up to {max_tokens} more may be answered, but {self._name!r} takes "
                f"{limit}; show fewer frames, show them smaller (max_pixels), or lower max_tokens",
                component=_COMPONENT,
            )

    def _out_of_memory(self, messages: Sequence[Message], num_samples: int) -> ChatError:
        return ChatError(
            f"{self._name!r} ran out of memory on {self.device or 'its device'} with "
            f"{len(list_images(messages))} images and {num_samples} answers; show fewer or "
            "smaller frames (max_pixels), lower max_batch, load it with dtype='bfloat16', or "
            "take preprocessing='direct'",
            component=_COMPONENT,
        )

    # -- freeing ---------------------------------------------------------------------------

    @property
    def device(self) -> str | None:
        """The device of the model; None before it is loaded."""
        return None if self._loaded is None else str(self._loaded.model.device)

    def close(self) -> None:
        """Free the model and its conversation; the next call loads it again."""
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
        return f"SegChat(model={self._name!r})"


def _text(loaded: _Loaded, answer: Answer) -> str:
    """Return what the model said, as the official evaluation reads and repeats it."""
    tokens = list(answer.tokens)
    ended = bool(tokens) and tokens[-1] in stop_tokens(loaded.model.vlm)
    text: str = loaded.model.processor.tokenizer.decode(
        tokens[:-1] if ended else tokens, skip_special_tokens=False
    )
    # It removes the token at the end after it has removed space, so that space before it stays.
    return text.lstrip() if ended else text.strip()
