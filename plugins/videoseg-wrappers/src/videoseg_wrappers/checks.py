"""The two checks of ``reflect``: can the targets be seen there, and do the objects fit?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videoseg import ChatModel, Grounding
from videoseg.types import VideoSource
from videoseg_wrappers.prompts import PromptText
from videoseg_wrappers.questions import Interview, choose_images, image_parts
from videoseg_wrappers.replies import read_numbers, read_text, read_verdict

__all__ = ["Check", "Checker"]

MOST_INCONSISTENT = 0.3
"""An answer with a larger share of objects that do not fit is sent back (Refer-Agent)."""

_MOST_QUESTIONS = 5
_LONGEST_QUESTION = 300


@dataclass(frozen=True, slots=True)
class Check:
    """What the checks found.

    Args:
        passed: Whether the answer passed both.
        visible: Whether the targets can be seen on the frame of the answer.
        fitting: The share of the objects that fit the sentence; 0 if they were not judged.
        why: What is wrong, in words; empty if nothing is.
        better_frame: A frame that shows the targets better; None if none is known.
        questions: What was asked about each object.
    """

    passed: bool
    visible: bool
    fitting: float
    why: str = ""
    better_frame: int | None = None
    questions: tuple[str, ...] = ()

    @property
    def score(self) -> tuple[bool, float]:
        """What answers that did not pass are compared by; larger is better."""
        return self.visible, self.fitting

    def to_dict(self) -> dict[str, Any]:
        """Return the facts that a trace keeps."""
        return {
            "passed": self.passed,
            "visible": self.visible,
            "fitting": self.fitting,
            "why": self.why,
            "better_frame": self.better_frame,
            "questions": list(self.questions),
        }


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks answers with a chat model that asks and one that responds.

    Args:
        questioner: Turns the query into questions about an object; sees no image.
        responder: Sees the frames with the answer drawn in, and answers.
        prompts: The prompts by purpose: ``visible``, ``items`` and ``consistent``.
        num_frames: How many frames are shown.
        max_pixels: Upper bound on height x width of each.
    """

    questioner: ChatModel
    responder: ChatModel
    prompts: Mapping[str, PromptText]
    num_frames: int
    max_pixels: int

    def check(
        self,
        interview: Interview,
        video: VideoSource,
        query: str,
        answer: Grounding,
        *,
        questions: Sequence[str] = (),
    ) -> Check:
        """Return what is wrong with an answer.

        Args:
            interview: Asks the questions.
            video: The video.
            query: The user's sentence.
            answer: The answer, with objects or without.
            questions: Those about each object, if they have been written before.

        Raises:
            OutOfTimeError: If there is no time left.
            UnreadReplyError: If a reply cannot be read.
        """
        prompted = {prompt.frame for prompt in answer.prompts}
        frames = choose_images(len(video), self.num_frames, prompted)
        shown = [frame for frame in frames if frame in prompted]
        marked = answer.keyframe if answer.keyframe in shown else next(iter(shown), None)
        parts = image_parts(
            video, frames, max_pixels=self.max_pixels, prompts=answer.prompts, marked=marked
        )
        number = None if marked is None else frames.index(marked) + 1
        values = {"query": query, "images": str(len(frames))}
        prompt = self.prompts["visible"]
        told = f"Image {number} is marked: the objects found so far are outlined on it."
        if number is None:
            told = "No target has been found so far, and no image is marked."
        found = interview.ask(
            self.responder,
            parts,
            prompt.fill(**values, objects=told),
            "visible",
            prompt=prompt.name,
            usable=lambda given: read_verdict(given.get("visible")) is not None,
        )
        best = read_numbers(found.get("best_image"), largest=len(frames))
        better = frames[best[0] - 1] if best and frames[best[0] - 1] != marked else None
        is_seen = read_verdict(found.get("visible")) == "yes"
        if marked is None:
            # Without an answer, the check asks whether there is something after all.
            passed = better is None or read_verdict(found.get("visible")) == "unsure"
            why = "" if passed else f"frame {better} seems to show it: {_why(found)}"
            return Check(passed, False, 0.0, why, None if passed else better, tuple(questions))
        if not is_seen and better is not None:
            why = f"the targets are not clear on frame {marked}: {_why(found)}"
            return Check(False, False, 0.0, why, better, tuple(questions))
        asked = tuple(questions) or self._write_questions(interview, query)
        misfits: Mapping[int, str] = {}
        if asked:
            misfits = self._find_misfits(interview, parts, values, number or 1, answer, asked)
        fitting = 1 - len(misfits) / len(answer.object_ids)
        fits = 1 - fitting <= MOST_INCONSISTENT
        whys = [f"object {object_id}: {why}" for object_id, why in misfits.items()]
        is_denied = read_verdict(found.get("visible")) == "no"
        if is_denied:
            whys.insert(0, f"the targets cannot be seen on frame {marked}: {_why(found)}")
        why = "; ".join(whys)
        return Check(fits and not is_denied, not is_denied, fitting, why, None, asked)

    def _write_questions(self, interview: Interview, query: str) -> tuple[str, ...]:
        prompt = self.prompts["items"]
        found = interview.ask(
            self.questioner,
            (),
            prompt.fill(query=query),
            "questions",
            prompt=prompt.name,
            usable=lambda given: isinstance(given.get("questions"), list),
        )
        texts = [read_text(one)[:_LONGEST_QUESTION] for one in found["questions"]]
        return tuple(dict.fromkeys(filter(None, texts)))[:_MOST_QUESTIONS]

    def _find_misfits(
        self,
        interview: Interview,
        parts: Sequence[Any],
        values: Mapping[str, str],
        number: int,
        answer: Grounding,
        questions: Sequence[str],
    ) -> dict[int, str]:
        """Return why objects do not fit, by their id; those that do are left out."""
        prompt = self.prompts["consistent"]
        ids = ", ".join(map(str, answer.object_ids))
        found = interview.ask(
            self.responder,
            parts,
            prompt.fill(
                **values,
                objects=f"The objects {ids} are outlined and numbered, mainly on image {number}.",
                items="\n".join(f"{n}. {text}" for n, text in enumerate(questions, start=1)),
            ),
            "objects",
            prompt=prompt.name,
            usable=lambda given: bool(_judged(given.get("objects"), answer.object_ids)),
        )
        misfits: dict[int, str] = {}
        for object_id, item in _judged(found["objects"], answer.object_ids):
            wrong = [
                question
                for question, said in zip(questions, item["answers"], strict=False)
                if read_verdict(said) == "no"
            ]
            if wrong:
                misfits[object_id] = read_text(item.get("why")) or f"no to: {wrong[0]}"
        return misfits


def _judged(given: object, object_ids: Sequence[int]) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the objects that a reply has answers for."""
    judged = []
    for item in given if isinstance(given, list) else ():
        if isinstance(item, Mapping) and isinstance(item.get("answers"), list):
            known = read_numbers(item.get("id"), largest=max(object_ids))
            if known and known[0] in object_ids:
                judged.append((known[0], item))
    return judged


def _why(found: Mapping[str, Any]) -> str:
    return read_text(found.get("why")).rstrip(".") or "no reason was given"
