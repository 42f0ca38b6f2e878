"""The wrapper ``existence``: a separate audit of whether the video has what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeAlias

from annotated_types import Gt

from videoseg import (
    ChatModel,
    ConfigError,
    Episode,
    Grounder,
    Grounding,
    Look,
    Segmenter,
    Thought,
)
from videoseg.plugins import PositiveInt, checked_options
from videoseg.stages import AnswersWithEmbeddings, AnswersWithMasks
from videoseg.text import format_list
from videoseg.types import AnswerStatus, Move, to_dict
from videoseg_wrappers.budget import Cost, Stopwatch
from videoseg_wrappers.notes import annotate
from videoseg_wrappers.prompts import load_prompt
from videoseg_wrappers.questions import (
    RETRY_TEMPERATURE,
    Interview,
    OutOfTimeError,
    UnreadReplyError,
    choose_images,
    image_parts,
)
from videoseg_wrappers.replies import (
    Verdict,
    describe_error,
    read_numbers,
    read_text,
    read_verdict,
)
from videoseg_wrappers.wrapped import (
    build_wrapped,
    check_wrapped,
    close_wrapped,
    describe_wrapped,
    device_of,
)

__all__ = ["AuditTime", "ExistencePolicy", "ExistenceWrapper", "VoteRule"]

ExistencePolicy: TypeAlias = Literal["audit", "strict", "report"]
VoteRule: TypeAlias = Literal["all", "majority"]
AuditTime: TypeAlias = Literal["after", "before"]

_NAME = "existence"
_IMAGE_PIXELS = 256 * 28 * 28
_MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class _Vote:
    """One reply of one auditor."""

    auditor: str
    verdict: Verdict
    why: str
    frames: tuple[int, ...]
    parts: tuple[dict[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "auditor": self.auditor,
            "verdict": self.verdict,
            "why": self.why,
            "frames": list(self.frames),
            "parts": [dict(part) for part in self.parts],
        }


class ExistenceWrapper:
    """Lets any grounder answer, then asks whether the video has what the query describes.

    A grounder that chooses among candidates and decides in the same step whether there is one is
    anchored by whatever looks plausible. Here a chat model sees frames of the whole video and
    judges the whole sentence, part by part: category, attributes, number, action, path, order,
    role (SSUPER and SaSaSaSa2VA of the 2026 challenges). "No" counts only with a part of the
    sentence that the frames contradict; without one it is read as "unsure".

    Args:
        grounder: The wrapped grounder: the name of a component, a mapping with ``name`` and
            ``options``, ``videoseg.use(...)``, or an instance.
        chat: A vision-language model.
        segmenter: The pipeline's, for wrapped grounders that use one.
        auditors: Other chat models that are asked as well, each a name, a mapping or an
            instance. They are loaded beside the pipeline's.
        votes: How many replies each of the models gives; the first at temperature 0.
        rule: When the votes say "no": ``all`` of them, or a ``majority``. A filter that is too
            strict costs more true objects than it removes false ones, so all is the default.
        policy: What follows. ``audit``: "no" makes the answer ``absent``, "unsure" makes it
            ``guessed`` and keeps it. ``strict``: "unsure" removes the objects, too, as a guess.
            ``report``: nothing is removed; the answer is ``guessed`` unless the audit says yes.
        when: ``after`` the answer, or ``before`` it, so that nothing more is done for what is
            absent.
        num_frames: How many frames are shown, those with candidates included.
        max_pixels: Upper bound on height x width of each.
        max_tokens: Upper bound on the tokens of a reply.
        seconds: Budget of time for the questions of one answer; None for no limit. A question
            that would not fit, judged by the longest so far, is not asked.
        prompt: Version of the prompt, or the path of a text file that contains ``{query}``.

    Raises:
        ConfigError: If an option is not allowed.
    """

    @checked_options("grounder 'existence'")
    def __init__(
        self,
        *,
        grounder: object,
        chat: ChatModel,
        segmenter: Segmenter | None = None,
        auditors: Sequence[object] = (),
        votes: PositiveInt = 1,
        rule: VoteRule = "all",
        policy: ExistencePolicy = "audit",
        when: AuditTime = "after",
        num_frames: PositiveInt = 8,
        max_pixels: PositiveInt = _IMAGE_PIXELS,
        max_tokens: PositiveInt = 1024,
        seconds: Annotated[float, Gt(0)] | None = None,
        prompt: str = "v1",
    ) -> None:
        self._prompt = load_prompt(_NAME, prompt)
        self._given = grounder
        self._given_auditors = _listed(auditors)
        self._chat = chat
        self._votes, self._rule, self._policy, self._when = votes, rule, policy, when
        self._num_frames, self._max_pixels = num_frames, max_pixels
        self._max_tokens, self._seconds = max_tokens, seconds
        self._grounder: Grounder = build_wrapped(
            "grounder", grounder, owner=_NAME, chat=chat, segmenter=segmenter
        )
        self._auditors: list[ChatModel] = [
            build_wrapped("chat", one, owner=_NAME) for one in self._given_auditors
        ]
        names = [describe_wrapped(one) for one in self._given_auditors]
        self._names = ["chat", *names]

    @staticmethod
    def check_options(
        *, grounder: object, auditors: Sequence[object] = (), prompt: str = "v1", **_others: Any
    ) -> None:
        """Check the options without building the wrapped grounder and the auditors.

        Raises:
            ConfigError: As the constructor does.
        """
        load_prompt(_NAME, prompt)
        check_wrapped("grounder", grounder, owner=_NAME)
        for one in _listed(auditors):
            check_wrapped("chat", one, owner=_NAME)

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
        """Where the models of the wrapped grounder and of the auditors run."""
        return device_of(self._grounder, *self._auditors)

    def close(self) -> None:
        """Free the wrapped grounder and the auditors, unless they were given as instances."""
        close_wrapped(self._given, self._grounder)
        for given, built in zip(self._given_auditors, self._auditors, strict=True):
            close_wrapped(given, built)

    def step(self, episode: Episode) -> Move:
        """Let the wrapped grounder move, and audit its answer; see ``Grounder.step``."""
        audit = None
        if self._when == "before" and episode.turn == 0:
            audit = self._audit(episode, Grounding(None))
            if audit.verdict == "no" and self._policy != "report":
                return self._apply(
                    Grounding(None, thought=Thought("The audit came first.")), audit
                )
        move = self._grounder.step(episode)
        if isinstance(move, Look):
            return move if audit is None else replace(move, thought=audit.note(move.thought))
        if self._when == "before":
            audit = audit or _earlier_audit(episode)
            return move if audit is None else self._apply(move, audit)
        if not move.found:
            return move
        return self._apply(move, self._audit(episode, move))

    # -- asking ------------------------------------------------------------------------------

    def _audit(self, episode: Episode, answer: Grounding) -> _Audit:
        interview = Interview(_NAME, Stopwatch(self._seconds), self._max_tokens, seed=episode.seed)
        votes: list[_Vote] = []
        trouble = ""
        try:
            frames = choose_images(
                len(episode.video), self._num_frames, {p.frame for p in answer.prompts}
            )
            parts = image_parts(
                episode.video, frames, max_pixels=self._max_pixels, prompts=answer.prompts
            )
            question = self._prompt.fill(query=episode.query, images=str(len(frames)))
            for number in range(self._votes):
                for name, chat in zip(self._names, [self._chat, *self._auditors], strict=True):
                    found = interview.ask(
                        chat,
                        parts,
                        question,
                        "verdict",
                        prompt=self._prompt.name,
                        usable=lambda given: read_verdict(given.get("verdict")) is not None,
                        temperature=RETRY_TEMPERATURE if number else 0.0,
                    )
                    votes.append(_read_vote(name, found, frames))
        except OutOfTimeError:
            trouble = f"its {self._seconds:g} seconds were used up"
        except UnreadReplyError as error:
            trouble = f"the reply could not be read ({error})"
        # The answer has been computed; whatever a chat model raises must not cost it.
        except Exception as error:
            trouble = f"the chat model failed: {describe_error(error)}"
        verdict = None if trouble else self._count(votes)
        return _Audit(verdict, votes, trouble, interview.cost, interview.record)

    def _count(self, votes: Sequence[_Vote]) -> Verdict:
        num_no = sum(vote.verdict == "no" for vote in votes)
        num_yes = sum(vote.verdict == "yes" for vote in votes)
        needed = len(votes) if self._rule == "all" else len(votes) // 2 + 1
        if num_no >= needed:
            return "no"
        return "yes" if 2 * num_yes > len(votes) else "unsure"

    # -- concluding --------------------------------------------------------------------------

    def _apply(self, answer: Grounding, audit: _Audit) -> Grounding:
        """Return the answer as the audit leaves it."""
        verdict, reasons = audit.verdict, audit.reasons
        if verdict is None:
            warning = f"existence: the answer was not audited, since {audit.trouble}; it stands"
            return _noted(answer, audit, warning, warnings=(*answer.warnings, warning))
        if verdict == "yes":
            return _noted(answer, audit, f"The audit found it in the video: {reasons}")
        removed = verdict == "no" or self._policy == "strict"
        if self._policy == "report" or not removed:
            doubts = "contradicts the query" if verdict == "no" else "could not confirm the query"
            warning = f"existence: the audit {doubts}: {reasons}; the answer is kept as a guess"
            if not answer.found:
                return _noted(answer, audit, f"The audit {doubts}: {reasons}")
            return _noted(
                answer, audit, warning, warnings=(*answer.warnings, warning), status="guessed"
            )
        facts = {"dropped": to_dict(replace(answer, thought=Thought()))} if answer.found else {}
        status: AnswerStatus = "absent" if verdict == "no" else "guessed"
        said = "the video contradicts the query" if verdict == "no" else "this cannot be confirmed"
        warning = f"existence: {said}: {reasons}"
        if answer.found:
            warning += f"; {_describe_dropped(answer)}"
        emptied = replace(
            answer, keyframe=None, prompts=(), window=None, confidence=None, status=status
        )
        return _noted(emptied, audit, warning, facts, warnings=(*answer.warnings, warning))


@dataclass(frozen=True, slots=True)
class _Audit:
    """The verdict of an audit; None if there is none."""

    verdict: Verdict | None
    votes: Sequence[_Vote]
    trouble: str
    cost: Cost
    record: Sequence[Mapping[str, Any]]

    @property
    def reasons(self) -> str:
        """The reasons of those who voted as was decided, in words."""
        agreeing = [vote for vote in self.votes if vote.verdict == self.verdict]
        said = [vote.why.rstrip(".") for vote in agreeing or self.votes if vote.why]
        text = format_list(list(dict.fromkeys(said)), _MOST_REASONS) or "no reason was given"
        frames = sorted({frame for vote in agreeing for frame in vote.frames})
        if not frames:
            return text
        noun = "frame" if len(frames) == 1 else "frames"
        return f"{text} ({noun} {format_list(list(map(str, frames)), 8)})"

    def to_dict(self) -> dict[str, Any]:
        """Return the facts that a trace keeps."""
        return {
            "verdict": self.verdict,
            "votes": [vote.to_dict() for vote in self.votes],
            "trouble": self.trouble,
            **self.cost.to_dict(),
            "asked": list(self.record),
        }

    def note(self, thought: Thought) -> Thought:
        """Return the thought of a look with the audit that came before it."""
        said = self.trouble or f"{self.verdict}: {self.reasons}"
        sentence = f"[existence] Audit before the answer: {said} ({self.cost})."
        return annotate(thought, _NAME, sentence, self.to_dict(), self.cost)


def _noted(
    answer: Grounding,
    audit: _Audit,
    sentence: str,
    facts: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Grounding:
    text = sentence.removeprefix("existence: ")
    text = f"[existence] {text[:1].upper()}{text[1:]} ({audit.cost})."
    details = {**audit.to_dict(), **(facts or {})}
    thought = annotate(answer.thought, _NAME, text, details, audit.cost)
    return replace(answer, thought=thought, **changes)


def _read_vote(auditor: str, found: Mapping[str, Any], frames: Sequence[int]) -> _Vote:
    """Read one reply; "no" without a contradicted part is "unsure"."""
    given = found.get("parts")
    parts = tuple(
        {name: read_text(part.get(name)) for name in ("part", "finding", "why")}
        for part in (given if isinstance(given, list) else [])[:20]
        if isinstance(part, Mapping)
    )
    verdict: Verdict = read_verdict(found.get("verdict")) or "unsure"
    contradicted = [part for part in parts if read_verdict(part["finding"]) == "no"]
    if verdict == "no" and not contradicted:
        verdict = "unsure"
    why = read_text(found.get("why"))
    if not why and contradicted:
        why = "; ".join(f"{part['part']}: {part['why']}" for part in contradicted)
    images = read_numbers(found.get("images"), largest=len(frames))
    return _Vote(auditor, verdict, why, tuple(frames[number - 1] for number in images), parts)


def _earlier_audit(episode: Episode) -> _Audit | None:
    """Return the audit that came before the first look of an episode; it has been paid for."""
    for move in episode.moves:
        kept = move.thought.details.get(_NAME)
        if isinstance(kept, Mapping) and read_verdict(kept.get("verdict")) is not None:
            votes = [
                _Vote(
                    str(vote.get("auditor", "")),
                    read_verdict(vote.get("verdict")) or "unsure",
                    read_text(vote.get("why")),
                    tuple(vote.get("frames", ())),
                    (),
                )
                for vote in kept.get("votes", ())
                if isinstance(vote, Mapping)
            ]
            return _Audit(read_verdict(kept["verdict"]), votes, "", Cost(), ())
    return None


def _describe_dropped(answer: Grounding) -> str:
    number = len(answer.object_ids)
    if number == 1:
        return "the object that was found is dropped"
    return f"the {number} objects that were found are dropped"


def _listed(given: object) -> list[object]:
    if isinstance(given, list | tuple):
        return list(given)
    raise ConfigError(f"existence: auditors must be a list, got {type(given).__name__}")
