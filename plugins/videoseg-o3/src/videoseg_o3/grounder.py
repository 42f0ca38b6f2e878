"""The grounder of VideoSEG-O3: it asks for the frames it needs before it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from videoseg_r1.questions import explain_unread, warn_of_ending

from videoseg import ChatModel, ConfigError, Episode, Grounding, Look, Prompt, Thought, Window
from videoseg.coordinates import CoordinateSpace
from videoseg.errors import GroundingParseError
from videoseg.plugins import PositiveInt, checked_options
from videoseg.stages import Closable
from videoseg.text import shorten
from videoseg.types import ChatReply, Embedding, Message, Move, TextPart
from videoseg_o3.answerer import ask_answerer, build_answerer
from videoseg_o3.conversation import Behavior, build_conversation, list_images
from videoseg_o3.finding import (
    Finding,
    default_keyframe,
    find_keyframe,
    find_objects,
    keep_inside,
    last_look_keyframe,
)
from videoseg_o3.parsing import Turn, parse_turn
from videoseg_o3.plugin import EMBEDDING_MODEL, find_embedding_model
from videoseg_o3.prompts import load_prompts

__all__ = ["AnswerForm", "O3Grounder", "OnParseError"]

AnswerForm: TypeAlias = Literal["text", "seg"]
OnParseError: TypeAlias = Literal["raise", "empty"]

_RETRY_TEMPERATURE = 0.7
_SEG = "[SEG]"

_STOP_REASONS = {
    "answered": "the model answered",
    "last turn": "the turns were used up while the model asked for more frames",
    "malformed select": "the model asked for frames in a form that cannot be read",
    "no answer": "the model gave no answer that can be read",
}
_MOST_SAID = 200
_STAGE = "o3 grounder"
"""What messages call this grounder."""


@dataclass(slots=True)
class _Exchange:
    """What was asked in one turn, and what was answered.

    Args:
        messages: The conversation of the turn.
        attempts: The facts of each reply that the trace keeps.
        reply: The last reply.
        turn: What it says.
    """

    messages: list[Message]
    attempts: list[dict[str, Any]] = field(default_factory=list)
    reply: ChatReply = field(default_factory=lambda: ChatReply(""))
    turn: Turn = field(default_factory=lambda: Turn("malformed"))

    @property
    def question(self) -> str:
        """The sentence that was asked first in this turn."""
        last = self.messages[-1].parts[-1]
        return last.text if isinstance(last, TextPart) else ""


class O3Grounder:
    """Thinks about when, where and what is meant; asks for frames; then answers.

    In each turn the model sees what it has been shown and has said so far, and either selects a
    range of frames and a keyframe, which become a ``Look``, or answers (arXiv 2606.06819). The
    grounder keeps no state: the conversation is built from the episode.

    An answer of the form ``text`` is JSON with a range, a keyframe, and boxes and points on it,
    which every chat model can write. An answer of the form ``seg`` has the token ``[SEG]``, whose
    hidden state is the prompt; that needs the chat model ``o3`` and the propagator ``o3``.

    ``released`` behavior is that of the released evaluation: its prompts, a strict reader, and
    the mask decoded on the frame that was selected last, whatever the answer names; if none was
    selected, on the keyframe of the answer, else on the middle one of the larger frames. A select
    in the last turn, or one that cannot be read, ends the episode with its own ``[SEG]``.

    ``extended`` behavior honors the keyframe that the answer names, repairs what can be repaired
    without guessing (see ``parse_turn``), tells the model how many turns are left, and asks
    again where it must: a turn that cannot be read is repeated once, with sampling, and a model
    that wants more frames in the last turn is asked once more to answer.

    Args:
        chat: A vision-language model.
        answer: ``text`` or ``seg``.
        behavior: ``extended`` or ``released``; by default ``extended`` for ``text`` and
            ``released`` for ``seg``.
        answerer: Another grounder that locates the objects once the looking has found range and
            keyframe: the name of a component such as ``r1``, a mapping with ``name`` and
            ``options``, ``videoseg.use(...)``, or, for an ``O3Grounder`` made in Python, an
            instance. It is shown the frames of the range that were seen, and the keyframe; one
            that is built here shares ``chat``.
        coordinates: The space of the coordinates in a ``text`` answer, as for grounder ``r1``.
        prompt: Version of the prompts, or the path of a text file; see ``load_prompts``.
        max_tokens: Upper bound on the tokens of each turn.
        on_parse_error: ``raise``, or ``empty`` to find nothing, with a warning and the status
            ``guessed``. An answer that says that nothing is there is ``absent``; one without
            the ``[SEG]`` that was asked for is ``guessed``.

    Raises:
        ConfigError: If an option is out of range, or ``released`` is to answer with boxes.
    """

    @checked_options("grounder 'o3'")
    def __init__(
        self,
        *,
        chat: ChatModel,
        answer: AnswerForm = "text",
        behavior: Behavior | None = None,
        answerer: Any = None,
        coordinates: str = "auto",
        prompt: str = "v1",
        max_tokens: PositiveInt = 1024,
        on_parse_error: OnParseError = "raise",
    ) -> None:
        self._behavior: Behavior = behavior or ("released" if answer == "seg" else "extended")
        released = self._behavior == "released"
        if released and answer == "text" and answerer is None:
            raise ConfigError(
                "o3: the released prompts do not ask for boxes: use answer='seg', or "
                "behavior='extended', or an answerer such as 'r1'"
            )
        try:
            CoordinateSpace("unit" if coordinates == "auto" else coordinates)
        except ConfigError as error:
            raise ConfigError(
                f"o3: coordinates must be 'auto' or the name of a space: {error}"
            ) from error
        self._chat = chat
        self._answer = answer
        self._coordinates = coordinates
        form = "find" if answerer is not None and answer == "text" else answer
        purpose = "released" if released else form
        self._prompts = load_prompts(purpose, prompt)
        self._max_tokens = max_tokens
        self._on_parse_error = on_parse_error
        self._answerer = None if answerer is None else build_answerer(answerer, chat)
        self._owns_answerer = self._answerer is not answerer

    @property
    def answers_with_embeddings_of(self) -> str | None:
        """The model of the embeddings that it answers with; None if it answers otherwise."""
        return find_embedding_model({"answer": self._answer, "answerer": self._answerer}) or None

    def step(self, episode: Episode) -> Move:
        """Look or answer; see ``Grounder.step``.

        Raises:
            GroundingParseError: In ``extended`` behavior, if the turn cannot be read twice or
                the model does not answer in the last one, and ``on_parse_error`` is ``raise``.
                The message repeats a refusal, and names ``max_tokens`` if the turn was cut off.
            StageError: If the answerer does not answer.
        """
        messages = build_conversation(episode, self._prompts, behavior=self._behavior)
        exchange = _Exchange(messages)
        released = self._behavior == "released"
        take_step = self._step_released if released else self._step_extended
        move = take_step(episode, exchange)
        if isinstance(move, Look):
            return move
        stop = _STOP_REASONS[move.thought.details["stop"]]
        window = exchange.turn.window if move.found else None
        return replace(move, window=window, stop_reason=stop)

    def close(self) -> None:
        """Free the answerer, unless it was given as an instance."""
        if self._owns_answerer and isinstance(self._answerer, Closable):
            self._answerer.close()

    # -- released --------------------------------------------------------------------------

    def _step_released(self, episode: Episode, exchange: _Exchange) -> Move:
        self._ask(episode, exchange, exchange.messages, temperature=0.0)
        turn = exchange.turn
        if turn.kind == "select" and not episode.must_answer:
            return _make_look(episode, exchange, self._prompts.name)
        has_selected = turn.tag == "select"
        keyframes = (
            turn.keyframe if has_selected else None,
            last_look_keyframe(episode),
            turn.answer_keyframe,
        )
        known = [keyframe for keyframe in keyframes if keyframe is not None]
        keyframe = known[0] if known else default_keyframe(episode.selections[0])
        warnings = []
        if turn.kind == "malformed":
            stop = "malformed select" if has_selected else "no answer"
            ending = explain_unread(exchange.reply, self._max_tokens, stage=_STAGE)
            warnings.append(ending or f"the model's last turn cannot be read: {turn.reason}")
        elif has_selected:
            stop = "last turn"
            use = "it is taken for its answer" if self._answerer else "its own [SEG] is used"
            warnings.append(
                f"the model selected frames in turn {episode.turn + 1} of {episode.max_turns}, "
                f"the last; {use}"
            )
        else:
            stop = "answered"
        thought = _make_thought(
            exchange, self._prompts.name, stop=stop, window=turn.window, keyframe=keyframe
        )
        return self._locate(episode, exchange, keyframe, thought, warnings)

    # -- extended --------------------------------------------------------------------------

    def _step_extended(self, episode: Episode, exchange: _Exchange) -> Move:
        try:
            finding = self._ask_until_read(episode, exchange)
        except GroundingParseError as error:
            if self._on_parse_error == "raise":
                raise
            thought = _make_thought(exchange, self._prompts.name, stop="no answer")
            warning = f"{error}; nothing is segmented, which is a guess"
            told = _collect_warnings(episode, [warning])
            # The model has not said that nothing is there.
            return Grounding(None, (), thought, warnings=told, status="guessed")
        turn = exchange.turn
        if finding is None:
            return _make_look(episode, exchange, self._prompts.name)
        stop = "answered" if turn.kind == "answer" else "last turn"
        thought = _make_thought(
            exchange,
            self._prompts.name,
            stop=stop,
            window=turn.window,
            keyframe=finding.keyframe,
            more=finding.details,
        )
        warnings = [*turn.warnings, *finding.warnings]
        if finding.prompts is None and finding.keyframe is not None:
            return self._locate(episode, exchange, finding.keyframe, thought, warnings)
        return Grounding(
            finding.keyframe,
            finding.prompts or (),
            thought,
            confidence=episode.selection.confidence,
            warnings=_collect_warnings(episode, warnings),
        )

    def _ask_until_read(self, episode: Episode, exchange: _Exchange) -> Finding | None:
        """Ask for a move, again where that may help.

        Returns:
            What was found; None for a look.

        Raises:
            GroundingParseError: If the model makes no move that can be read.
        """
        messages, temperature = exchange.messages, 0.0
        was_repeated = was_told = False
        while True:
            self._ask(episode, exchange, messages, temperature=temperature)
            try:
                return self._read_move(episode, exchange)
            except GroundingParseError as error:
                exchange.attempts[-1]["problem"] = str(error)
                now = self._prompts.fill("answer now")
                if self._wants_frames(episode, exchange.turn):
                    if was_told or not now:
                        raise
                    was_told, temperature = True, 0.0
                    said = Message("assistant", (TextPart(exchange.reply.text),))
                    messages = [*messages, said, Message("user", (TextPart(now),))]
                elif was_repeated:
                    raise
                else:
                    was_repeated, temperature = True, _RETRY_TEMPERATURE

    def _wants_frames(self, episode: Episode, turn: Turn) -> bool:
        """Return whether a turn asks for frames that there are no turns for.

        With an answerer, frames that are asked for in the last turn are as good as an answer.
        """
        return turn.kind == "select" and episode.must_answer and self._answerer is None

    def _read_move(self, episode: Episode, exchange: _Exchange) -> Finding | None:
        """Return what the last reply has found; None if it is a look.

        Raises:
            GroundingParseError: If it is neither.
        """
        turn, reply = exchange.turn, exchange.reply
        if self._wants_frames(episode, turn):
            raise GroundingParseError(
                f"the model asked for more frames in turn {episode.turn + 1} of "
                f"{episode.max_turns}, the last; raise max_turns, such as "
                f"max_turns={episode.max_turns + 2}",
                raw_text=reply.text,
            )
        if turn.kind == "select" and not episode.must_answer:
            return None
        reason = explain_unread(reply, self._max_tokens, stage=_STAGE)
        try:
            if turn.kind == "malformed":
                said = shorten(" ".join(reply.text.split())[-_MOST_SAID:])
                raise GroundingParseError(
                    f"the model's turn cannot be read: {turn.reason}; it ends in {said}",
                    raw_text=reply.text,
                )
            if self._answer == "text" and self._answerer is None:
                images = list_images(exchange.messages)
                finding = find_objects(
                    reply, turn, episode, images=images, coordinates=self._coordinates
                )
                is_complete = bool(finding.prompts) or turn.closed
                ending = warn_of_ending(reply, self._max_tokens)
                finding = replace(finding, warnings=(*finding.warnings, *ending))
            else:
                finding = find_keyframe(
                    reply, turn, episode, may_be_nothing=self._answerer is not None
                )
                is_complete = self._answerer is not None or bool(reply.embeddings)
        except GroundingParseError as error:
            if reason is None:
                raise
            raise GroundingParseError(reason, raw_text=reply.text) from error
        if reason is not None and not is_complete:
            raise GroundingParseError(reason, raw_text=reply.text)
        return finding

    # -- both ------------------------------------------------------------------------------

    def _ask(
        self,
        episode: Episode,
        exchange: _Exchange,
        messages: Sequence[Message],
        *,
        temperature: float,
    ) -> None:
        reply = self._chat.chat(
            messages,
            temperature=temperature,
            max_tokens=self._max_tokens,
            seed=episode.seed + len(exchange.attempts),
        )[0]
        exchange.reply = reply
        exchange.attempts.append(_describe_attempt(reply))
        exchange.turn = parse_turn(
            reply.text,
            whole=Window(0, len(episode.video)),
            behavior=self._behavior,
            must_answer=episode.must_answer,
        )

    def _locate(
        self,
        episode: Episode,
        exchange: _Exchange,
        keyframe: int,
        thought: Thought,
        warnings: Sequence[str],
    ) -> Grounding:
        """Return the grounding on a keyframe: by the answerer, or by the last ``[SEG]``."""
        warnings = list(warnings)
        keyframe = keep_inside(episode, keyframe, warnings)
        if self._answerer is not None:
            window = exchange.turn.window or episode.selection.window
            grounding = ask_answerer(self._answerer, episode, window, keyframe, thought)
            told = _collect_warnings(episode, [*warnings, *grounding.warnings])
            # What cannot be read may have named another place, or nothing at all.
            is_guess = exchange.turn.kind == "malformed"
            return replace(
                grounding, warnings=told, status="guessed" if is_guess else grounding.status
            )
        reply = exchange.reply
        prompts: tuple[Prompt, ...] = ()
        if reply.embeddings:
            prompts = (Prompt(1, keyframe, embedding=reply.embeddings[-1]),)
        elif self._behavior == "released" and reply.details.get("earlier_embedding"):
            # The released code looks for the last [SEG] of the whole conversation.
            embedding = Embedding(EMBEDDING_MODEL, reply.details["earlier_embedding"])
            prompts = (Prompt(1, keyframe, embedding=embedding),)
            warnings.append("the model's answer has no [SEG]; that of an earlier turn is used")
        elif _SEG in reply.text:
            warnings.append(
                "the model's answer has [SEG], but no embedding for it, so nothing is segmented; "
                "answer='seg' needs a chat model that gives embeddings, such as 'o3'"
            )
        else:
            warnings.append("the model's answer has no [SEG], so nothing is segmented")
        return Grounding(
            keyframe if prompts else None,
            prompts,
            thought,
            confidence=episode.selection.confidence,
            warnings=_collect_warnings(episode, warnings),
            status="answered" if prompts and exchange.turn.kind != "malformed" else "guessed",
        )


def _make_look(episode: Episode, exchange: _Exchange, prompt_name: str) -> Look:
    turn = exchange.turn
    window = turn.window or episode.selection.window
    thought = _make_thought(exchange, prompt_name, window=window, keyframe=turn.keyframe)
    if turn.warnings:
        more = {"warnings": list(turn.warnings)}
        thought = replace(thought, details={**thought.details, **more})
    return Look(window, turn.keyframe, thought)


def _make_thought(
    exchange: _Exchange,
    prompt_name: str,
    *,
    stop: str = "",
    window: Window | None = None,
    keyframe: int | None = None,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Thought:
    """Return the thought of a turn, with the facts that a trace keeps.

    Args:
        exchange: The turn.
        prompt_name: The name of the prompts.
        stop: Why the episode ends here; empty if it goes on.
        window: The frames that the turn names.
        keyframe: The keyframe that counts.
        more: More facts.
    """
    thinking = exchange.turn.thinking
    details: dict[str, Any] = {
        "raw": exchange.reply.text,
        "prompt": prompt_name,
        "question": exchange.question,
        "action": thinking.action,
        "stop": stop,
        "attempts": exchange.attempts,
        "window": None if window is None else [window.start, window.stop],
        "keyframe": keyframe,
    }
    counts = [
        count for attempt in exchange.attempts if (count := attempt["num_tokens"]) is not None
    ]
    return Thought(
        thinking.text,
        temporal=thinking.temporal,
        spatial=thinking.spatial,
        linguistic=thinking.linguistic,
        action=thinking.action,
        num_tokens=sum(counts) if counts else None,
        details={**details, **more},
    )


def _describe_attempt(reply: ChatReply) -> dict[str, Any]:
    """Return the facts of a reply that a trace keeps."""
    attempt: dict[str, Any] = {"raw": reply.text, "num_tokens": reply.num_tokens}
    if reply.finish_reason is not None:
        attempt["finish_reason"] = reply.finish_reason
    if reply.refusal:
        attempt["refusal"] = reply.refusal
    return attempt


def _collect_warnings(episode: Episode, warnings: Sequence[str]) -> tuple[str, ...]:
    """Return the warnings of all turns: of the sampler, of earlier turns, and these."""
    collected: list[str] = []
    for selection in episode.selections:
        collected += map(str, selection.details.get("warnings", ()))
    for number, move in enumerate(episode.moves, start=1):
        told = move.thought.details.get("warnings", ())
        collected += [f"turn {number}: {warning}" for warning in told]
    return tuple(dict.fromkeys([*collected, *warnings]))
