"""A chat model that is asked by wrappers, and a grounder whose answers are written down."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

import numpy as np

import videoseg as vs
from videoseg.types import ChatReply, FrameSelection, ImagePart, TextPart

SIZE = (48, 64)


class Middle:
    """Three frames, and the keyframe that is asked for or the middle one."""

    def sample(self, video, query, *, window, keyframe=None, seed=0):
        middle = (window.start + window.stop - 1) // 2
        shown = {window.start, middle, window.stop - 1}
        keyframe = middle if keyframe is None else keyframe
        return FrameSelection.of(sorted(shown), window=window, keyframe=keyframe)


@dataclass
class Written:
    """Gives its answers one after another, the last for ever; keeps the episodes it saw."""

    answers: list[object]
    episodes: list[vs.Episode] = field(default_factory=list)

    def step(self, episode):
        self.episodes.append(episode)
        answer = self.answers[min(len(self.episodes), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer(episode)
        return answer


class PointsAtTheMiddle:
    """Answers with the middle of the keyframe."""

    def step(self, episode):
        height, width = episode.video.size
        shown = episode.selection
        frame = shown.indices[0] if shown.keyframe is None else shown.keyframe
        box = vs.Box(width / 4, height / 4, 3 * width / 4, 3 * height / 4)
        return vs.Grounding(frame, (vs.Prompt(1, frame, box=box),))


@dataclass
class Expert:
    """Answers each purpose with the next of its replies, the last for ever.

    A reply is a mapping, text, or an error to raise.
    """

    existence: list[object] = field(default_factory=list)
    visible: list[object] = field(default_factory=lambda: [{"visible": "yes"}])
    items: list[object] = field(default_factory=lambda: [{"questions": ["Is it red?"]}])
    consistent: list[object] = field(default_factory=list)
    seconds: float = 0.0
    calls: list[tuple[str, str, list[int]]] = field(default_factory=list)

    def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=1024, seed=0):
        parts = messages[-1].parts
        text = " ".join(part.text for part in parts if isinstance(part, TextPart))
        frames = [part.frame for part in parts if isinstance(part, ImagePart)]
        purpose = self._purpose(text)
        replies = getattr(self, purpose)
        number = sum(purpose == earlier for earlier, _, _ in self.calls)
        self.calls.append((purpose, text, frames))
        time.sleep(self.seconds)
        reply = replies[min(number, len(replies) - 1)]
        if isinstance(reply, Exception):
            raise reply
        said = reply if isinstance(reply, str) else f"I think:\n```json\n{json.dumps(reply)}\n```"
        return [ChatReply(said, num_tokens=10)] * num_samples

    def asked(self, purpose):
        return [text for asked, text, _ in self.calls if asked == purpose]

    @staticmethod
    def _purpose(text):
        if '"verdict"' in text:
            return "existence"
        if '"visible"' in text:
            return "visible"
        return "items" if '{"questions"' in text else "consistent"


def found(frame=5, box=(10, 10, 30, 30), **more):
    prompt = vs.Prompt(1, frame, box=vs.Box(*box), label="it")
    return vs.Grounding(frame, (prompt,), vs.Thought("Here it is."), **more)


def clip(num_frames=12):
    return vs.Video.from_frames(np.zeros((num_frames, *SIZE, 3), np.uint8), fps=6)


def ground(grounder, *, max_turns=4, query="the red square", video=None):
    return vs.pipeline.run_episode(
        clip() if video is None else video,
        query,
        sampler=Middle(),
        grounder=grounder,
        max_turns=max_turns,
    )


NO = {
    "parts": [{"part": "category", "finding": "contradicted", "why": "only circles"}],
    "images": [1, 3],
    "verdict": "no",
    "why": "All objects are circles.",
}
YES = {"parts": [], "verdict": "yes", "why": "It is there."}
UNSURE = {"parts": [], "verdict": "unsure", "why": "Too dark."}
FITS = {"objects": [{"id": 1, "answers": ["yes"]}]}
MISFIT = {"objects": [{"id": 1, "answers": ["no"], "why": "it is blue"}]}
