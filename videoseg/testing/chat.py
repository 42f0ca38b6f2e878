"""The contract of chat models."""

# ruff: noqa: D102 - the name of a test says what it checks

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from videoseg.stages import ChatModel
from videoseg.testing.checks import StageContract, check, global_randomness_untouched
from videoseg.testing.clips import moving_square
from videoseg.types import ChatReply, ImagePart, Message, MessagePart, Size, TextPart

__all__ = ["ChatContract"]

_SPACE = re.compile(r"(?:pixels_of_resized|per_mille|unit|square\([1-9]\d*\))(?:_yx)?")


class ChatContract(StageContract[ChatModel]):
    """What ``videoseg.stages.ChatModel`` asks for. Subclass it and implement ``make``.

    Attributes:
        max_tokens: Upper bound on the tokens of each answer asked for; keep it small.
        repeatable: Whether the same seed gives the same answers; remote models cannot
            always promise that.
        image_sizes: Sizes of the images that are shown.
    """

    stage = "chat model"
    max_tokens: ClassVar[int] = 16
    repeatable: ClassVar[bool] = True
    image_sizes: ClassVar[tuple[Size, ...]] = ((48, 64), (33, 47))

    def test_is_a_chat_model(self) -> None:
        check(
            isinstance(self.make(), ChatModel),
            "a chat model needs chat(messages, *, num_samples, temperature, max_tokens, seed)",
        )

    def test_answers_text(self) -> None:
        self._chat([_say("user", "Say yes.")])

    def test_answers_a_longer_conversation(self) -> None:
        self._chat(
            [
                _say("system", "You are brief."),
                _say("user", "Is grass green?"),
                _say("assistant", "Yes."),
                _say("user", "And the sky?"),
            ]
        )

    def test_sees_images(self) -> None:
        images = [moving_square(1, size=size).video[0] for size in self.image_sizes]
        shown = [ImagePart(image, frame=0, time=0.0) for image in images]
        parts: tuple[MessagePart, ...] = (*shown, TextPart("What?"))
        for reply in self._chat([Message("user", parts)]):
            check(
                len(reply.image_sizes) in (0, len(images)),
                f"image_sizes must have one entry for each of {len(images)} images, "
                f"got {len(reply.image_sizes)}",
            )
            check(
                all(min(size) >= 1 for size in reply.image_sizes),
                f"image_sizes must be (height, width) in pixels, got {reply.image_sizes}",
            )
            check(
                reply.coordinate_space is None or _SPACE.fullmatch(reply.coordinate_space),
                "coordinate_space must be None, pixels_of_resized, per_mille, square(n) or unit, "
                f"or one of these with _yx behind it, got {reply.coordinate_space!r}",
            )
            check(
                not (reply.coordinate_space or "").startswith("pixels_of_resized")
                or len(reply.image_sizes) > 0,
                "coordinates in pixels_of_resized cannot be used without image_sizes",
            )

    def test_an_image_is_not_shown_larger_than_allowed(self) -> None:
        image = moving_square(1, size=(96, 128)).video[0]
        parts: tuple[MessagePart, ...] = (
            ImagePart(image, max_pixels=56 * 56),
            TextPart("What?"),
        )
        for reply in self._chat([Message("user", parts)]):
            for height, width in reply.image_sizes:
                # Models round sides to their patches, some of them upward.
                check(
                    height * width <= 2 * 56 * 56,
                    f"an image limited to {56 * 56} pixels was shown at {height}x{width}",
                )

    def test_gives_as_many_answers_as_asked_for(self) -> None:
        for count in (1, 3):
            replies = self._chat([_say("user", "A number?")], num_samples=count, temperature=1.0)
            check(len(replies) == count, f"num_samples={count} gave {len(replies)} answers")

    def test_the_same_seed_gives_the_same_answers(self) -> None:
        if not self.repeatable:
            return
        for temperature in (0.0, 1.0):
            first, second = (
                [
                    reply.text
                    for reply in self._chat(
                        [_say("user", "A number?")], temperature=temperature, seed=4
                    )
                ]
                for _ in range(2)
            )
            check(first == second, f"seed 4 gave {first} and then {second}")

    def test_keeps_to_the_number_of_tokens(self) -> None:
        for reply in self._chat([_say("user", "Tell a long story.")]):
            check(
                reply.num_tokens is None or 0 <= reply.num_tokens <= self.max_tokens,
                f"max_tokens={self.max_tokens} gave {reply.num_tokens} tokens",
            )

    def test_details_can_be_kept(self) -> None:
        for reply in self._chat([_say("user", "Say yes.")]):
            try:
                json.dumps(dict(reply.details), allow_nan=False)
            except (TypeError, ValueError) as error:
                raise AssertionError(f"details must be JSON-serializable: {error}") from error

    def test_leaves_shared_random_numbers_alone(self) -> None:
        with global_randomness_untouched("a chat model"):
            self._chat([_say("user", "A number?")], temperature=1.0)

    def _chat(
        self,
        messages: Sequence[Message],
        *,
        num_samples: int = 1,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Sequence[ChatReply]:
        replies = self.make().chat(
            messages,
            num_samples=num_samples,
            temperature=temperature,
            max_tokens=self.max_tokens,
            seed=seed,
        )
        check(len(replies) > 0, "chat() must give at least one reply")
        for reply in replies:
            check(
                isinstance(reply, ChatReply) and isinstance(reply.text, str),
                f"chat() must return ChatReply objects, got {type(reply).__name__}",
            )
        return replies


def _say(role: Literal["system", "user", "assistant"], text: str) -> Message:
    return Message(role, (TextPart(text),))
