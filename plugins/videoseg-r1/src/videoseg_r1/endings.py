"""Why an answer ends where it does, and what to do where that is too early."""

from __future__ import annotations

from videoseg import ChatReply
from videoseg.text import printable, shorten_text

__all__ = ["is_cut_off", "warn_of_ending", "why_unread"]

_LONGEST_REFUSAL = 300


def is_cut_off(reply: ChatReply, max_tokens: int) -> bool:
    """Return whether an answer ended because it had as many tokens as it may have."""
    if reply.finish_reason is not None:
        return reply.finish_reason == "length"
    return reply.num_tokens is not None and reply.num_tokens >= max_tokens


def why_unread(reply: ChatReply, max_tokens: int, *, stage: str = "grounder") -> str | None:
    """Return why an answer could not be read, and what to do; None if its end does not tell.

    Args:
        reply: The answer.
        max_tokens: How many tokens it may have had.
        stage: Whose option that is.

    Returns:
        A sentence that repeats the refusal, or names ``max_tokens``.
    """
    if reply.refusal:
        said = shorten_text(" ".join(printable(reply.refusal).split()), _LONGEST_REFUSAL)
        advice = "word the query otherwise, or ask another model"
        return f"the model refused to answer: {said!r}; {advice}"
    if reply.finish_reason == "content_filter":
        return (
            "the server withheld the model's answer (content_filter); word the query otherwise, "
            "show other frames, or use another model or server"
        )
    if is_cut_off(reply, max_tokens):
        return (
            f"the model's answer was cut off at max_tokens={max_tokens}, before it said what "
            f"was asked; raise the {stage}'s max_tokens, such as max_tokens={4 * max_tokens}, "
            "or have the model think less" + (" (thinking_budget)" if stage == "grounder" else "")
        )
    return None


def warn_of_ending(reply: ChatReply, max_tokens: int) -> list[str]:
    """Return a warning if an answer that could be read ended too early."""
    if reply.finish_reason == "content_filter":
        return ["the server withheld the rest of the answer (content_filter)"]
    if is_cut_off(reply, max_tokens):
        return [
            f"the answer was cut off at max_tokens={max_tokens}; objects may be missing: raise "
            "the grounder's max_tokens if so"
        ]
    return []
