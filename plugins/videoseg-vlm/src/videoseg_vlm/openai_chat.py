"""The chat model ``openai``: a vision-language model on a server."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeAlias

from annotated_types import Ge, Interval

from videoseg import ConfigError, VideosegError
from videoseg.coordinates import CoordinateSpace
from videoseg.errors import ContextLengthError
from videoseg.plugins import PositiveInt, checked_options
from videoseg.text import printable, shorten_text
from videoseg.types import ChatReply, ImagePart, Message, Size, TextPart
from videoseg_vlm.conversation import (
    TopP,
    add_time_labels,
    check_question,
    fit_size,
    list_images,
    resize_image,
    stretches_to_square,
)
from videoseg_vlm.errors import ServerError
from videoseg_vlm.families import family_of_model
from videoseg_vlm.server.request import (
    advise,
    check_added,
    check_omitted,
    drop_omitted,
    read_key,
)
from videoseg_vlm.server.response import read_choices
from videoseg_vlm.server.transport import JsonServer, RefusedError

__all__ = ["OpenAIChat"]

_COMPONENT = "openai"
# A request refused for its contents; some servers do so with a status of success.
_REFUSALS = (200, 400, 422)
_TOO_LONG = (
    *("context length", "context_length", "max_model_len", "maximum context", "context size"),
    *("context limit", "context window", "too many tokens", "longer than the max"),
    *("prompt is too long", "input is too long", "exceeds the maximum number of tokens"),
    "`inputs` tokens + `max_new_tokens` must be",
)
# Systems cannot wait for much longer at a time.
_Seconds: TypeAlias = Annotated[float, Interval(gt=0, lt=1_000_000)]


class OpenAIChat:
    """A vision-language model behind an OpenAI-compatible server.

    vLLM, SGLang, ``transformers serve`` and hosted services use this protocol. Images are
    resized before they are sent, to sizes that the model's family does not resize again, so that
    the size at which the model sees them is known.

    Args:
        model: The name of the model on the server.
        base_url: The address of the server, to which ``/chat/completions`` is appended.
        api_key_env: The environment variable with the key. Without it no key is sent. The key
            is never written anywhere.
        family: The family whose conventions the model follows: ``Qwen2-VL``, ``Qwen2.5-VL`` or
            ``Qwen3-VL``; ``auto`` chooses by its name, ``none`` assumes nothing.
        coordinate_space: How the model writes coordinates (see ``CoordinateSpace``); by
            default as its family does.
        min_pixels: Lower bound on height x width of the images sent. Must not be below the
            server's own.
        max_pixels: Upper bound; an image's own ``max_pixels`` may lower it further. Must not
            be above the server's own.
        times: Put a time label before each image that has a time.
        image_format: ``png`` keeps every pixel, ``jpeg`` sends a tenth of the bytes.
        top_p: Cumulative probability of the tokens that are sampled from.
        timeout: Seconds for one attempt, from connecting to the last byte.
        deadline: Seconds for one request with all its retries.
        max_retries: How often a failed request is tried again, with growing pauses.
        concurrency: Most concurrent requests.
        max_tokens_field: The server's name for the bound on the tokens of an answer; newer
            hosted models use ``max_completion_tokens``.
        omit: Fields of the request to leave out, such as ``["seed", "top_p"]`` or
            ``"seed, top_p"``, for servers that refuse unknown fields; any of ``model``, the
            field for the bound on tokens, ``temperature``, ``top_p``, ``seed`` and ``n``.
        extra_body: Further fields of every request, such as ``{"top_k": -1}``; a field that is
            None is removed. They are written to results: use no secrets.

    Raises:
        ConfigError: If an option is invalid, the key's variable is not set, or the environment
            names a proxy or certificates that cannot be used.
    """

    @checked_options("chat 'openai'")
    def __init__(
        self,
        *,
        model: str,
        base_url: str = "http://localhost:8000/v1",
        api_key_env: str | None = None,
        family: Literal["auto", "none", "Qwen2-VL", "Qwen2.5-VL", "Qwen3-VL"] = "auto",
        coordinate_space: str | None = None,
        min_pixels: PositiveInt = 3136,
        max_pixels: PositiveInt = 1_003_520,
        times: bool = False,
        image_format: Literal["png", "jpeg"] = "png",
        top_p: TopP = 1.0,
        timeout: _Seconds = 120.0,
        deadline: _Seconds = 600.0,
        max_retries: Annotated[int, Ge(0)] = 5,
        concurrency: PositiveInt = 4,
        max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        omit: str | Sequence[str] = (),
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        if max_pixels < min_pixels:
            raise ConfigError(
                f"max_pixels must be at least min_pixels, got {max_pixels} and {min_pixels}"
            )
        self._model = model
        self._family = family_of_model(model if family == "auto" else family)
        self._space = self._family.coordinate_space if self._family else None
        if coordinate_space is not None:
            self._space = CoordinateSpace(coordinate_space)
        if self._needs_size_seen() and self._family is None:
            raise ConfigError(
                f"the name {model!r} does not tell which sizes of images the model takes as they "
                "are, and coordinates in pixels depend on that: give its family, such as "
                "family='Qwen2.5-VL'"
            )
        self._min_pixels = min_pixels
        self._max_pixels = max_pixels
        self._times = times
        self._image_format = image_format
        self._top_p = top_p
        self._concurrency = concurrency
        self._max_tokens_field = max_tokens_field
        self._extra_body = check_added(extra_body or {})
        self._omitted = check_omitted(omit, max_tokens_field)
        self._takes_n = "n" not in self._omitted
        self._key_variable = api_key_env
        self._server_options: dict[str, Any] = {
            "base_url": base_url,
            "timeout": timeout,
            "deadline": deadline,
            "max_retries": max_retries,
            "concurrency": concurrency,
        }
        self._server = self._make_server()

    def _make_server(self) -> JsonServer:
        key = read_key(self._key_variable)
        return JsonServer(**self._server_options, key=key, component=_COMPONENT)

    def __repr__(self) -> str:
        return f"OpenAIChat(model={self._model!r}, base_url={self._server.base_url!r})"

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

        All samples are requested together, so that the server encodes the conversation once.
        If a server returns fewer, the others are requested one by one.

        Raises:
            ServerError: If the server cannot be reached or does not follow the protocol.
            ContextLengthError: If the conversation is longer than the model takes.
        """
        check_question(
            messages, num_samples=num_samples, temperature=temperature, max_tokens=max_tokens
        )
        if self._times:
            messages = add_time_labels(messages)
        sizes = tuple(self._size_shown(part) for part in list_images(messages))
        fields = {
            "model": self._model,
            "messages": self._wire_messages(messages, sizes),
            self._max_tokens_field: int(max_tokens),
            "temperature": float(temperature),
            "top_p": self._top_p,
            "seed": int(seed),
            **self._extra_body,
        }
        body = drop_omitted(fields, self._omitted)
        # At temperature 0 all answers are the same.
        distinct = num_samples if temperature > 0 else 1
        # How other families resize an image is unknown.
        seen = sizes if self._family else ()
        replies = [replace(reply, image_sizes=seen) for reply in self._samples(body, distinct)]
        self._check_not_shrunk(replies[0], sizes)
        return replies * (num_samples // len(replies))

    def _samples(self, body: dict[str, Any], count: int) -> list[ChatReply]:
        replies: list[ChatReply] = []
        if self._takes_n and count > 1:
            try:
                replies = self._ask({**body, "n": count}, count)
            except RefusedError as error:
                # Some servers refuse the field, some ignore it.
                if error.status not in _REFUSALS or isinstance(error, ContextLengthError):
                    raise
            self._takes_n = len(replies) == count
        missing = range(len(replies), count)
        # Without a seed in the request, the samples differ anyway.
        seed = body.get("seed")
        bodies = [
            {**body, "seed": seed + number} if isinstance(seed, int) else body
            for number in missing
        ]
        if len(bodies) <= 1:
            rest = [self._ask(single) for single in bodies]
        else:
            with ThreadPoolExecutor(self._concurrency) as pool:
                rest = list(pool.map(self._ask, bodies))
        return replies + [given[0] for given in rest]

    def _ask(self, body: dict[str, Any], count: int = 1) -> list[ChatReply]:
        try:
            answer = self._server.post("chat/completions", body)
        except RefusedError as error:
            raise self._explain(error, body) from error
        try:
            replies = read_choices(answer, count)
        except ValueError as error:
            raise ServerError(
                f"the server {self._server.base_url} {printable(str(error))}; it does not speak "
                "the OpenAI protocol",
                component=_COMPONENT,
            ) from error
        return [
            replace(
                reply,
                coordinate_space=None if self._space is None else self._space.name,
                details={"model": self._model, **reply.details},
            )
            for reply in replies
        ]

    # -- showing ---------------------------------------------------------------------------

    def _size_shown(self, part: ImagePart) -> Size:
        side = None if self._space is None else self._space.square_side
        if side is not None and stretches_to_square(side, part.max_pixels):
            return (side, side)
        budget = min(self._max_pixels, part.max_pixels or self._max_pixels)
        return fit_size(
            (part.image.shape[0], part.image.shape[1]),
            max_pixels=budget,
            min_pixels=min(self._min_pixels, budget),
            factor=self._family.size_factor if self._family else 1,
        )

    def _wire_messages(
        self, messages: Sequence[Message], sizes: Sequence[Size]
    ) -> list[dict[str, Any]]:
        remaining = iter(sizes)
        return [
            {
                "role": message.role,
                "content": [
                    {"type": "text", "text": part.text}
                    if isinstance(part, TextPart)
                    else {
                        "type": "image_url",
                        "image_url": {"url": self._data_url(part, next(remaining))},
                    }
                    for part in message.parts
                ],
            }
            for message in messages
        ]

    def _data_url(self, part: ImagePart, size: Size) -> str:
        buffer = io.BytesIO()
        if self._image_format == "png":
            resize_image(part.image, size).save(buffer, "PNG", compress_level=1)
        else:
            resize_image(part.image, size).save(buffer, "JPEG", quality=90)
        return f"data:image/{self._image_format};base64," + base64.b64encode(
            buffer.getvalue()
        ).decode("ascii")

    def _needs_size_seen(self) -> bool:
        return self._space is not None and self._space.x_first.name == "pixels_of_resized"

    def _check_not_shrunk(self, reply: ChatReply, sizes: Sequence[Size]) -> None:
        if self._family is None or reply.num_prompt_tokens is None:
            return
        least = sum(self._family.num_image_tokens(*size) for size in sizes)
        if self._needs_size_seen() and reply.num_prompt_tokens < least:
            raise ServerError(
                f"the server {self._server.base_url} counts {reply.num_prompt_tokens} tokens "
                f"where the images alone have {least}: it shows them to the model smaller than "
                "they were sent, so that coordinates would be wrong; lower max_pixels here to the "
                "server's own bound, or raise that",
                component=_COMPONENT,
            )

    # -- refusing --------------------------------------------------------------------------

    def _explain(self, error: RefusedError, body: Mapping[str, Any]) -> RefusedError:
        words = error.reason.lower()
        kind, advice = RefusedError, ""
        if any(phrase in words for phrase in _TOO_LONG):
            kind = _TooLongError
            advice = "show fewer frames, show them smaller (max_pixels), or lower max_tokens"
        elif error.status == 404:
            advice = self._models_served()
        elif error.status == 413:
            advice = (
                "the request is larger than it takes: show fewer frames, show them smaller "
                "(max_pixels), or send them as image_format='jpeg'"
            )
        elif error.status in _REFUSALS:
            advice = advise(error.reason, body, self._extra_body)
        if not advice:
            return error
        return kind(
            f"{error}; {advice}",
            component=_COMPONENT,
            status=error.status or 400,
            reason=error.reason,
        )

    def _models_served(self) -> str:
        try:
            listed = self._server.get("models", deadline=5.0).get("data")
            named = [str(entry["id"]) for entry in listed or () if isinstance(entry, dict)]
            names = [shorten_text(printable(name)) for name in named[:8]]
        except (VideosegError, KeyError, TypeError, ValueError, RecursionError):
            names = []
        if names:
            return f"it serves {', '.join(names)}: give one of these as model"
        return "check model, and that base_url ends in /v1"

    # -- copying and sending ----------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        # Another process reads the key from its own environment; it is never pickled.
        return {**self.__dict__, "_server": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._server = self._make_server()

    # -- freeing ---------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._server.close()


class _TooLongError(RefusedError, ContextLengthError):
    """The server's refusal of a conversation that is too long."""
