"""The wrapper ``reflect``: questions an answer, and sends the grounder back to look again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from annotated_types import Gt

from videoseg import (
    ChatModel,
    Episode,
    Grounder,
    Grounding,
    Look,
    Prompt,
    Segmenter,
    Thought,
)
from videoseg.plugins import PositiveInt, checked_options
from videoseg.stages import AnswersWithEmbeddings, AnswersWithMasks
from videoseg.text import format_count
from videoseg.types import Move, from_dict, to_dict
from videoseg_wrappers.budget import Cost, Stopwatch
from videoseg_wrappers.checks import Check, Checker
from videoseg_wrappers.notes import annotate
from videoseg_wrappers.prompts import load_prompt
from videoseg_wrappers.questions import Interview, OutOfTimeError, UnreadReplyError
from videoseg_wrappers.replies import describe_error
from videoseg_wrappers.wrapped import (
    build_wrapped,
    check_wrapped,
    close_wrapped,
    describe_wrapped,
    device_of,
    reads_sentences,
)

__all__ = ["ReflectWrapper"]

_NAME = "reflect"
_PURPOSES = ("visible", "items", "consistent")
_IMAGE_PIXELS = 256 * 28 * 28

_SAME_BOX = 0.9
"""IoU from which two boxes are the same answer, as in videoseg-r1."""


@dataclass(frozen=True, slots=True)
class _Earlier:
    """An answer that was sent back."""

    turn: int
    answer: Grounding
    check: Check


class ReflectWrapper:
    """Lets any grounder answer, checks the answer, and sends it back if it does not pass.

    After Refer-Agent, whose two checks these are: can all targets be seen on the frame of the
    answer (if not, another frame is shown), and does each object fit the sentence, which a chat
    model breaks into questions and answers with the objects drawn in? Sending back is a look: the
    pipeline samples again, with the better frame as the keyframe, and the grounder gets the query
    with what was wrong. If nothing passes, the best answer is given as a guess.

    It costs one to three questions for each answer, beside the wrapped grounder's own.

    Args:
        grounder: The wrapped grounder: the name of a component, a mapping with ``name`` and
            ``options``, ``videoseg.use(...)``, or an instance.
        chat: A vision-language model. It writes the questions, and answers them.
        segmenter: The pipeline's, for wrapped grounders that use one.
        responder: Another chat model that answers them, as a name, a mapping or an instance.
        turns: How many answers are checked at most; also bounded by the pipeline's
            ``max_turns``, which the looks of the wrapped grounder use up, too. The paper has 4.
        seconds: Budget of time for the whole episode; None for no limit. Nothing begins that
            would not fit, judged by the longest turn or question so far.
        feedback: Whether the grounder's query tells what was wrong. By default if it passes the
            query to a chat model: others would read it as a part of the query.
        num_frames: How many frames a check is shown, that of the answer included.
        max_pixels: Upper bound on height x width of each.
        max_tokens: Upper bound on the tokens of a reply.
        prompt: Version of the prompts, or a folder with the text files ``visible.txt``,
            ``items.txt`` and ``consistent.txt``.

    Raises:
        ConfigError: If an option is not allowed.
    """

    @checked_options("grounder 'reflect'")
    def __init__(
        self,
        *,
        grounder: object,
        chat: ChatModel,
        segmenter: Segmenter | None = None,
        responder: object = None,
        turns: PositiveInt = 4,
        seconds: Annotated[float, Gt(0)] | None = None,
        feedback: bool | None = None,
        num_frames: PositiveInt = 8,
        max_pixels: PositiveInt = _IMAGE_PIXELS,
        max_tokens: PositiveInt = 1024,
        prompt: str = "v1",
    ) -> None:
        prompts = {purpose: load_prompt(purpose, prompt) for purpose in _PURPOSES}
        self._given, self._given_responder = grounder, responder
        self._turns, self._seconds, self._max_tokens = turns, seconds, max_tokens
        self._grounder: Grounder = build_wrapped(
            "grounder", grounder, owner=_NAME, chat=chat, segmenter=segmenter
        )
        self._responder: ChatModel = (
            chat if responder is None else build_wrapped("chat", responder, owner=_NAME)
        )
        self._feedback = reads_sentences(grounder) if feedback is None else feedback
        self._checker = Checker(chat, self._responder, prompts, num_frames, max_pixels)
        # Tells the looks of this wrapper from those of one that it wraps.
        self._label = describe_wrapped(grounder)

    @staticmethod
    def check_options(
        *, grounder: object, responder: object = None, prompt: str = "v1", **_others: Any
    ) -> None:
        """Check the options without building the wrapped grounder and the responder.

        Raises:
            ConfigError: As the constructor does.
        """
        for purpose in _PURPOSES:
            load_prompt(purpose, prompt)
        check_wrapped("grounder", grounder, owner=_NAME)
        if responder is not None:
            check_wrapped("chat", responder, owner=_NAME)

    @property
    def answers_with_embeddings_of(self) -> str | None:
        """The model of the wrapped grounder's embeddings, if it answers with them."""
        wrapped = self._grounder
        if isinstance(wrapped, AnswersWithEmbeddings):
            return wrapped.answers_with_embeddings_of
        return None

    @property
    def answers_with_masks(self) -> bool:
        """Whether the wrapped grounder may answer with masks."""
        wrapped = self._grounder
        return isinstance(wrapped, AnswersWithMasks) and wrapped.answers_with_masks

    @property
    def device(self) -> str | None:
        """Where the models of the wrapped grounder and of the responder run."""
        return device_of(self._grounder, self._responder)

    def close(self) -> None:
        """Free the wrapped grounder and the responder, unless they were given as instances."""
        close_wrapped(self._given, self._grounder)
        if self._given_responder is not None:
            close_wrapped(self._given_responder, self._responder)

    def step(self, episode: Episode) -> Move:
        """Let the wrapped grounder move, and check its answer; see ``Grounder.step``."""
        spent = sum(sum(pair) for pair in episode.seconds)
        watch = Stopwatch(self._seconds, spent=spent)
        earlier = self._read_earlier(episode)
        try:
            move = self._grounder.step(self._continue(episode, earlier))
        except Exception as error:
            # An earlier answer is better than none.
            if not earlier:
                raise
            why = f"the grounder failed when it was sent back: {describe_error(error)}"
            return self._give_best(earlier, why)
        if isinstance(move, Look):
            return move
        interview = Interview(
            _NAME, watch, self._max_tokens, seed=episode.seed + 100 * len(earlier)
        )
        try:
            check = self._checker.check(
                interview,
                episode.video,
                episode.query,
                move,
                questions=earlier[-1].check.questions if earlier else (),
            )
        except OutOfTimeError:
            return self._unchecked(move, interview, f"its {self._seconds:g} seconds were used up")
        except UnreadReplyError as error:
            return self._unchecked(move, interview, f"the reply could not be read ({error})")
        # The answer has been computed; whatever a chat model raises must not cost it.
        except Exception as error:
            why = f"the chat model failed: {describe_error(error)}"
            return self._unchecked(move, interview, why)
        number = len(earlier) + 1
        if check.passed:
            sentence = f"Check {number} passed"
            noted = self._note(move.thought, sentence, check, interview, verified=True)
            reason = move.stop_reason or f"its answer passed the check of reflect ({number})"
            return replace(move, thought=noted, stop_reason=reason)
        stop = self._why_stop(episode, earlier, move, check, watch)
        if not stop:
            return self._send_back(episode, move, check, interview, number)
        sentence = f"Check {number} failed: {check.why}; no further turn, since {stop}"
        noted = self._note(move.thought, sentence, check, interview, verified=False)
        last = _Earlier(episode.turn, replace(move, thought=noted), check)
        return self._give_best([*earlier, last], stop)

    # -- turns -------------------------------------------------------------------------------

    def _continue(self, episode: Episode, earlier: Sequence[_Earlier]) -> Episode:
        """Return the episode as the wrapped grounder sees it: from the last sending back on."""
        first = earlier[-1].turn + 1 if earlier else 0
        query = episode.query
        if earlier and self._feedback:
            query = f"{query}\n({_describe_earlier(episode, earlier)})"
        return replace(
            episode,
            query=query,
            max_turns=episode.max_turns - first,
            seed=episode.seed + len(earlier),
            selections=episode.selections[first:],
            moves=episode.moves[first:],
            seconds=episode.seconds[first:],
        )

    def _why_stop(
        self,
        episode: Episode,
        earlier: Sequence[_Earlier],
        answer: Grounding,
        check: Check,
        watch: Stopwatch,
    ) -> str:
        """Return why the answer is not sent back; empty if it is."""
        if len(earlier) + 1 >= self._turns:
            return f"turns is {self._turns}"
        if episode.must_answer:
            return f"turn {episode.turn + 1} of {episode.max_turns} (max_turns) was the last"
        now = watch.elapsed - watch.spent
        longest = max((sum(pair) for pair in episode.seconds), default=0.0)
        if not watch.has_time_for(max(now, longest)):
            return f"another turn would not fit into {self._seconds:g} seconds"
        if any(_is_same(answer, one.answer) for one in earlier):
            return "the same answer came again"
        if check.better_frame is None and not self._feedback:
            return "there is no better frame, and the grounder takes no feedback"
        return ""

    def _send_back(
        self, episode: Episode, answer: Grounding, check: Check, interview: Interview, number: int
    ) -> Look:
        keyframe = answer.keyframe if check.better_frame is None else check.better_frame
        where = "" if keyframe is None else f" at frame {keyframe}"
        sentence = f"Check {number} failed: {check.why}; looking again{where}"
        # The thought stands in this turn of the trace.
        kept = to_dict(replace(answer, thought=Thought()))
        noted = self._note(answer.thought, sentence, check, interview, verified=False, answer=kept)
        return Look(episode.selections[0].window, keyframe, noted)

    def _give_best(self, answers: Sequence[_Earlier], stop: str) -> Grounding:
        """Return the best of several answers that did not pass; of equals the first."""
        best = max(answers, key=lambda one: one.check.score)
        number = format_count(len(answers), "answer")
        warning = f"reflect: none of {number} passed the check ({best.check.why}); "
        warning += f"that of turn {best.turn + 1} is given as a guess, since {stop}"
        if len(answers) == 1:
            warning = f"reflect: the answer did not pass the check ({best.check.why}); it is "
            warning += f"given as a guess, since {stop}"
        thought = best.answer.thought
        last = answers[-1].answer.thought
        if best is not answers[-1]:
            text = f"[reflect] The answer of turn {best.turn + 1} is given after all: {stop}."
            thought = last if last.details else thought
            thought = annotate(
                thought, _NAME, text, {"of": self._label, "given": best.turn}, Cost()
            )
        return replace(
            best.answer,
            thought=thought,
            status="guessed",
            stop_reason=stop,
            warnings=(*best.answer.warnings, warning),
        )

    def _unchecked(self, answer: Grounding, interview: Interview, why: str) -> Grounding:
        warning = f"reflect: the answer was not checked, since {why}; it stands"
        noted = annotate(
            answer.thought,
            _NAME,
            f"[reflect] Not checked, since {why} ({interview.cost}).",
            self._facts(interview, verified=None, trouble=why),
            interview.cost,
        )
        return replace(answer, thought=noted, warnings=(*answer.warnings, warning))

    def _note(
        self,
        thought: Thought,
        sentence: str,
        check: Check,
        interview: Interview,
        *,
        verified: bool,
        **more: Any,
    ) -> Thought:
        facts = self._facts(interview, verified=verified, check=check.to_dict(), **more)
        text = f"[reflect] {sentence} ({interview.cost})."
        return annotate(thought, _NAME, text, facts, interview.cost)

    def _facts(self, interview: Interview, **more: Any) -> dict[str, Any]:
        return {"of": self._label, **more, **interview.cost.to_dict(), "asked": interview.record}

    # -- memory ------------------------------------------------------------------------------

    def _read_earlier(self, episode: Episode) -> list[_Earlier]:
        """Return the answers that were sent back, from the looks that did so."""
        found = []
        for turn, move in enumerate(episode.moves):
            kept = move.thought.details.get(_NAME)
            for facts in kept if isinstance(kept, list) else [kept]:
                if not isinstance(facts, Mapping) or facts.get("of") != self._label:
                    continue
                if isinstance(move, Look) and (answer := facts.get("answer")) is not None:
                    given = facts["check"]
                    check = Check(**{**given, "questions": tuple(given["questions"])})
                    found.append(_Earlier(turn, from_dict(Grounding, answer), check))
        return found


def _describe_earlier(episode: Episode, earlier: Sequence[_Earlier]) -> str:
    """Return what a grounder is told about answers that did not pass."""
    told = []
    for one in earlier:
        places = [place for p in one.answer.prompts if (place := _place(p, episode.video.size))]
        where = f" {' and '.join(dict.fromkeys(places))}" if places else ""
        what = f"the answer{where}" if one.answer.found else "the answer that there is none"
        told.append(f"{what} was checked and seems wrong: {one.check.why}")
    return f"Note on earlier answers: {'; '.join(told)}. Take this into account."


def _place(prompt: Prompt, size: tuple[int, int]) -> str:
    box = prompt.box
    if box is None and prompt.mask is not None:
        box = prompt.mask.box
    center = box.center if box is not None else next(iter(prompt.points), None)
    if center is None:
        return ""
    height, width = size
    across, down = round(100 * center.x / width), round(100 * center.y / height)
    return f"at {across} % of the width and {down} % of the height"


def _is_same(first: Grounding, second: Grounding) -> bool:
    """Return whether two answers point at the same places of the same frames."""
    if len(first.prompts) != len(second.prompts):
        return False
    for one, other in zip(first.prompts, second.prompts, strict=True):
        if one.frame != other.frame:
            return False
        if one.box is not None and other.box is not None:
            if one.box.iou(other.box) < _SAME_BOX:
                return False
        elif (one.points, one.mask, one.embedding) != (other.points, other.mask, other.embedding):
            return False
    return True
