"""The choices in an answer of the OpenAI protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videoseg import ChatReply
from videoseg.text import shorten

__all__ = ["read_choices"]

_FINISHES = {
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "safety": "content_filter",
    "content-filter": "content_filter",
}
"""What servers say in place of the protocol's own words, in lower case."""

_LARGEST_COUNT = 2**53


def read_choices(answer: Mapping[str, Any], most: int) -> list[ChatReply]:
    """Return what a server answered, a reply for each choice.

    Args:
        answer: The JSON of a chat completion.
        most: How many choices were asked for; any others are left out.

    Raises:
        ValueError: If it is none; says what is missing.
    """
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        raise ValueError(f"gave no answer in its answer (no 'choices' in {shorten(answer, 200)})")
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    # Servers count all samples of a request together.
    tokens = _count(usage.get("completion_tokens")) if len(choices) == 1 else None
    return [
        _reply(choice, _count(usage.get("prompt_tokens")), tokens) for choice in choices[:most]
    ]


def _reply(choice: Any, num_prompt_tokens: int | None, num_tokens: int | None) -> ChatReply:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise ValueError("gave a choice without a message")
    finish = choice.get("finish_reason")
    finish = finish if isinstance(finish, str) and finish else None
    return ChatReply(
        _text(message),
        num_prompt_tokens=num_prompt_tokens,
        num_tokens=num_tokens,
        details={"finish": finish},
        finish_reason=None if finish is None else _FINISHES.get(finish.lower(), finish),
        refusal=_refusal(message),
    )


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(_strings(content, "text"))
    text = content if isinstance(content, str) else ""
    if not text.strip():
        # Servers that take what looks like a call of a tool out of the text leave none.
        text = "\n".join(_called_with(message))
    # Servers with a reasoning parser split off what the model put into these tags.
    thought = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thought, str) and thought.strip():
        return f"<think>{thought.strip()}</think>\n{text}".strip()
    return text.strip()


def _called_with(message: Mapping[str, Any]) -> list[str]:
    calls = message.get("tool_calls")
    listed = calls if isinstance(calls, list) else []
    functions = [call.get("function") for call in listed if isinstance(call, dict)]
    return _strings(functions, "arguments")


def _refusal(message: Mapping[str, Any]) -> str:
    refusal, content = message.get("refusal"), message.get("content")
    if isinstance(refusal, str) and refusal.strip():
        return refusal.strip()
    return "".join(_strings(content, "refusal")).strip() if isinstance(content, list) else ""


def _strings(parts: list[Any], name: str) -> list[str]:
    values = [part.get(name) for part in parts if isinstance(part, dict)]
    return [value for value in values if isinstance(value, str)]


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _LARGEST_COUNT else None
