"""Questions with true masks, and a grounder that looks whatever the policy says.

A tiny policy with random weights writes nothing that could be read, so grounders that read its
answers end after the first turn. This one goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

from videoseg_train import TrainingSample

import videoseg as vs
from videoseg.testing import moving_square
from videoseg.types import (
    ChatReply,
    Embedding,
    Episode,
    Grounding,
    ImagePart,
    Look,
    Message,
    Move,
    Prompt,
    Rle,
    TextPart,
    Thought,
)


def toy_sample(number: int, length: int = 8) -> TrainingSample:
    """Return a question about a clip of a moving square; numbers differ in size."""
    clip = moving_square(length, size=(48, 64 + 16 * number))
    masks = tuple(Rle.encode(mask) for mask in clip.masks[1])
    track = vs.MaskTrack(1, clip.video.size, masks)
    return TrainingSample(f"clip {number}", clip.video, f"the square {number}", {1: track})


class LookingGrounder:
    """Shows what was selected, repeats what was said, looks on until its last turn, answers.

    Args:
        chat: The chat model.
        repeats: How often it asks the same question again in each turn.
    """

    def __init__(self, chat: vs.ChatModel, *, repeats: int = 0) -> None:
        self._chat = chat
        self._repeats = repeats

    def step(self, episode: Episode) -> Move:
        messages: list[Message] = []
        for turn, selection in enumerate(episode.selections):
            shown = [
                ImagePart(episode.video[index], max_pixels=64 * 64, frame=index)
                for index in selection.indices
            ]
            messages.append(Message("user", (*shown, TextPart(f"Turn {turn}: {episode.query}?"))))
            if turn < len(episode.moves):
                said = episode.moves[turn].thought.details["raw"]
                messages.append(Message("assistant", (TextPart(said),)))
        reply = self._ask(messages, episode.seed)
        for _ in range(self._repeats):
            reply = self._ask(messages, episode.seed)
        thought = Thought(reply.text, details={"raw": reply.text})
        if not episode.must_answer:
            middle = len(episode.video) // 2
            return Look(vs.Window(middle - 1 - episode.turn, middle + 2), middle, thought)
        embedding = reply.embeddings[-1] if reply.embeddings else Embedding("none", (0.0,))
        keyframe = episode.selection.indices[-1]
        return Grounding(keyframe, (Prompt(1, keyframe, embedding=embedding),), thought)

    def _ask(self, messages: Sequence[Message], seed: int) -> ChatReply:
        return self._chat.chat(messages, max_tokens=16, seed=seed)[0]


class FewFrames:
    """A sampler that shows the first and the last frame of a window, and the keyframe."""

    def sample(self, video, query, *, window, keyframe=None, seed=0):
        indices = sorted({window.start, window.stop - 1})
        return vs.FrameSelection.of(indices, window=window, keyframe=keyframe)
