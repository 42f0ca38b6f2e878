"""The parser for one turn of the model: its thoughts, and what it asks for or answers.

The forms are those of the released checkpoints::

    <think>Step 1 ... Step 2 ... Step 3 ... Action: ...</think>
    <select><VTG>{"start": s, "end": e, "keyframe": k}</VTG> ...</select>
    <answer><VTG>{"start": s, "end": e, "keyframe": k}</VTG>, ...</answer>

where s and e are the first and the last frame of a range, both included.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from videoseg import Window
from videoseg.text import shorten
from videoseg_o3.conversation import Behavior
from videoseg_o3.thinking import Thinking, parse_thinking

__all__ = ["Turn", "TurnKind", "parse_turn"]

TurnKind: TypeAlias = Literal["select", "answer", "malformed"]

_MAX_CHARACTERS = 200_000


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn, as read.

    Args:
        kind: ``select``, ``answer``, or ``malformed`` if it is neither in a readable form.
        thinking: The reasoning.
        window: The frames it names, inside the video; None if it names none.
        keyframe: The keyframe it names, inside the video; None if it names none. In ``released``
            behavior a malformed select may have one, which then counts.
        tag: The tag of the block that was read, ``select`` or ``answer``; empty if none was.
        block: What stands between the tags.
        reason: Why the turn is malformed; empty if it is not.
        warnings: What was repaired or ignored.
        closed: Whether the block has its closing tag.
        answer_keyframe: In ``released`` behavior, the keyframe of the first ``<VTG>`` of the
            text, inside the video; it counts if no select was read in the episode.
    """

    kind: TurnKind
    thinking: Thinking = field(default_factory=Thinking)
    window: Window | None = None
    keyframe: int | None = None
    tag: str = ""
    block: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()
    closed: bool = True
    answer_keyframe: int | None = None


def parse_turn(
    text: str, *, whole: Window, behavior: Behavior = "extended", must_answer: bool = False
) -> Turn:
    """Read one turn of the model; never raises for what it said.

    ``released`` reads what the loop of the released evaluation reads
    (``modeling_sa2va_qwen_cotv3_keyframe_withvis.py``, ``predict_forward``); ``extended`` reads
    what can be read without guessing:

    ============================== ==================================== =========================
    the text has                   ``released``                         ``extended``
    ============================== ==================================== =========================
    no ``<VTG>`` in the block      the block itself is read             the same
    a select and an answer         the select                           the same; the answer if
                                                                        it must answer
    several selects                the first                            the first, warning
    several answers                the first ``<VTG>`` of the text      the last that is not
                                                                        empty, warning
    a select without start or end  malformed                            malformed
    a select without keyframe      malformed                            no keyframe, warning
    ``key frame``, ``Key_Frame``   a missing keyframe                   read
    start after end                malformed, but its keyframe counts   swapped, warning
    numbers outside the video      cut off at its ends; start after end moved inside, warning
                                   if nothing is left
    a keyframe outside its range   read                                 moved inside, warning
                                                                        (in an answer: read)
    numbers as text (``"12"``)     read                                 read
    fractions (12.7)               the whole part (12)                  rounded, warning
    Python literals, code fences,  malformed                            read
    single quotes, other slips
    a block that is not closed     not seen                             read as far as its
                                                                        numbers are complete;
                                                                        a select needs all three
    no block                       malformed                            read if it is JSON with
                                                                        these keys
    ============================== ==================================== =========================

    Args:
        text: What the model said.
        whole: The frames of the video.
        behavior: See above.
        must_answer: Whether this is the last turn; does not matter to ``released``.
    """
    text = text[:_MAX_CHARACTERS]
    if behavior == "released":
        return _parse_released(text, whole)
    return _parse_extended(text, whole, must_answer)


# -- released --------------------------------------------------------------------------------

# As the released code has them: in its case, the first match, wherever it stands.
_RELEASED_SELECT = re.compile(r"<select>(.*?)</select>", re.DOTALL)
_RELEASED_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_RELEASED_VTG = re.compile(r"<VTG>(.*?)</VTG>", re.DOTALL)


def _parse_released(text: str, whole: Window) -> Turn:
    thinking = parse_thinking(_split_thinking(text)[0])
    first = _RELEASED_VTG.search(text)
    answer_keyframe = None if first is None else _read_released_keyframe(first[1], whole)
    select = _RELEASED_SELECT.search(text)
    if select is None:
        answer = _RELEASED_ANSWER.search(text)
        return Turn(
            "malformed" if answer is None else "answer",
            thinking,
            window=None if first is None else _read_released_window(first[1], whole),
            keyframe=answer_keyframe,
            tag="" if answer is None else "answer",
            block="" if answer is None else answer[1],
            reason="" if answer else "it has neither <select> nor <answer>",
            answer_keyframe=answer_keyframe,
        )
    inner = _RELEASED_VTG.search(select[1])
    window, keyframe, reason = None, None, ""
    try:
        data = json.loads(inner[1] if inner else select[1])
        numbers = [int(data.get(name)) for name in ("start", "end", "keyframe")]
    except _RELEASED_ERRORS as error:
        reason = f"its <select> cannot be read: {shorten(str(error))}"
    else:
        # The keyframe is known before the range is found to be empty.
        start, end, keyframe = numbers
        keyframe = whole.nearest(keyframe)
        window = _clip_released(start, end, whole)
        if window is None:
            reason = f"its <select> names no frame of the video: {start} to {end}"
    return Turn(
        "malformed" if reason else "select",
        thinking,
        window=window,
        keyframe=keyframe,
        tag="select",
        block=select[1],
        reason=reason,
        answer_keyframe=answer_keyframe,
    )


# What reading such JSON can raise: lists have no get, and int refuses null, text and infinity.
_RELEASED_ERRORS = (AttributeError, OverflowError, RecursionError, TypeError, ValueError)


def _read_released_keyframe(text: str, whole: Window) -> int | None:
    try:
        return whole.nearest(int(json.loads(text).get("keyframe")))
    except _RELEASED_ERRORS:
        return None


def _read_released_window(text: str, whole: Window) -> Window | None:
    """Return the range of an answer, which the released code does not use."""
    try:
        data = json.loads(text)
        return _clip_released(int(data.get("start")), int(data.get("end")), whole)
    except _RELEASED_ERRORS:
        return None


def _clip_released(start: int, end: int, whole: Window) -> Window | None:
    start, end = max(whole.start, start), min(whole.stop - 1, end)
    return Window(start, end + 1) if start <= end else None


# -- extended --------------------------------------------------------------------------------

_BLOCK = re.compile(
    r"<\s?(?P<tag>select|answer)\s?>(?P<body>.*?)"
    r"(?P<end></\s?(?P=tag)\s?>|(?=<\s?(?:select|answer)\s?>)|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_BLOCK_START = re.compile(r"<\s?(?:select|answer)\s?>", re.IGNORECASE)
_THINK_TAG = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)
_VTG = re.compile(r"<VTG>(.*?)(?:</VTG>|\Z)", re.DOTALL | re.IGNORECASE)
# What only an answer with objects has.
_PLACE = re.compile(
    r"\b(?:bbox|box|point|bounding_box|objects)\w*[\"'\u201d]?\s{0,5}[:=]", re.IGNORECASE
)

_QUOTE = "[\"'\u201c\u201d\u2018\u2019]?"
# Not the beginning of a longer number that a text breaks off in.
_NUMBER = r"(-?\d{1,18}(?:\.\d{1,18})?)(?=[^\d.]|\.\D)"
_INDEX = r"(?:[ _-]?(?:frame|index|idx))?"


def _key(names: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?<![^\W_]){names}{_INDEX}{_QUOTE}\s{{0,5}}[:=]\s{{0,5}}{_QUOTE}\s{{0,5}}{_NUMBER}",
        re.IGNORECASE,
    )


_START = _key("(?:start|begin)")
_END = _key("(?:end|stop)")
_KEYFRAME = _key("key[ _-]?frame")
# {"window": [12, 40]}
_RANGE = re.compile(
    rf"\b(?:window|range|interval|segment|span){_QUOTE}\s{{0,5}}[:=]\s{{0,5}}[\[(]\s{{0,5}}{_NUMBER}"
    rf"\s{{0,5}},\s{{0,5}}{_NUMBER}",
    re.IGNORECASE,
)


def _parse_extended(text: str, whole: Window, must_answer: bool) -> Turn:
    thought, rest = _split_thinking(text)
    thinking = parse_thinking(thought)
    blocks = list(_BLOCK.finditer(rest)) or list(_BLOCK.finditer(text))
    warnings: list[str] = []
    if not blocks:
        kind: TurnKind = "answer" if _PLACE.search(rest) else "select"
        block, closed = rest, False
        if kind == "select" and _read_numbers(block, closed)[1] is None:
            return Turn("malformed", thinking, reason=_explain_no_block(text))
    else:
        chosen = _choose_block(blocks, must_answer, warnings)
        kind = "answer" if chosen["tag"].lower() == "answer" else "select"
        block, closed = chosen["body"], bool(chosen["end"])
    start, end, keyframe = _read_numbers(block, closed)
    reason = ""
    window = None
    if start is not None and end is not None:
        window = _place_window(start, end, whole, warnings)
    elif kind == "select":
        lacking = " and no ".join(
            name for name, value in (("start", start), ("end", end)) if value is None
        )
        reason = f"its <select> has no {lacking}"
    if kind == "select" and blocks and not closed and None in (start, end, keyframe):
        reason = "its <select> breaks off"
    frame = None if keyframe is None else _place_keyframe(keyframe, whole, warnings)
    if kind == "select" and not reason:
        if frame is None:
            warnings.append("the model's <select> names no keyframe")
        elif window is not None and frame not in window:
            warnings.append(
                f"the keyframe {frame} lies outside the range of its <select>, frames "
                f"{window.start} to {window.stop - 1}; the nearest is shown"
            )
            frame = window.nearest(frame)
    return Turn(
        "malformed" if reason else kind,
        thinking,
        window=window,
        keyframe=frame,
        tag=kind if blocks else "",
        block=block.strip(),
        reason=reason,
        warnings=tuple(warnings),
        closed=closed,
    )


def _split_thinking(text: str) -> tuple[str, str]:
    """Return the reasoning, and what follows it.

    Servers may take away the opening tag; without tags, what stands before the first block is
    the reasoning.
    """
    opening = closing = None
    for tag in _THINK_TAG.finditer(text):
        if tag.group().startswith("</"):
            closing = tag
            break
        opening = opening or tag
    start = opening.end() if opening else 0
    if closing is not None:
        return _THINK_TAG.sub("", text[start : closing.start()]), text[closing.end() :]
    block = _BLOCK_START.search(text, start)
    if block is not None:
        return _THINK_TAG.sub("", text[start : block.start()]), text[block.start() :]
    return (text[start:], "") if opening else ("", text)


def _choose_block(
    blocks: list[re.Match[str]], must_answer: bool, warnings: list[str]
) -> re.Match[str]:
    """Return the block that counts."""
    selects = [block for block in blocks if block["tag"].lower() == "select"]
    answers = [block for block in blocks if block["tag"].lower() == "answer"]
    # A tag that is opened once more and left empty takes nothing back.
    answers = [block for block in answers if block["body"].strip()] or answers[-1:]
    if selects and not (must_answer and answers):
        if answers:
            warnings.append(
                "the model selected frames and answered in one turn; the answer, which it gave "
                "before it saw them, is ignored"
            )
        if len(selects) > 1:
            warnings.append(
                "the model selected frames several times in one turn; the first counts"
            )
        return selects[0]
    if selects:
        warnings.append("the model asked for more frames in its last turn; only its answer counts")
    if len(answers) > 1:
        warnings.append("the model answered several times in one turn; the last answer counts")
    return answers[-1]


def _read_numbers(block: str, closed: bool) -> tuple[float | None, float | None, float | None]:
    """Return start, end and keyframe as they are written; None for what is missing."""
    if (inner := _VTG.search(block)) is not None:
        closed = closed or inner.group().lower().endswith("</vtg>")
        block = inner[1]
    if closed:
        # A number at the very end is complete.
        block += "\n"
    start, end, keyframe = (
        None if (found := pattern.search(block)) is None else float(found[1])
        for pattern in (_START, _END, _KEYFRAME)
    )
    if start is None and end is None and (found := _RANGE.search(block)) is not None:
        start, end = float(found[1]), float(found[2])
    return start, end, keyframe


def _place_window(start: float, end: float, whole: Window, warnings: list[str]) -> Window:
    """Return the frames from start to end that the video has, the nearest one if it has none."""
    first, last = round(start), round(end)
    if (first, last) != (start, end):
        warnings.append(f"the range {start:g} to {end:g} is read as frames {first} to {last}")
    if first > last:
        warnings.append(f"the range {first} to {last} is the wrong way round; it was swapped")
        first, last = last, first
    inside = Window(whole.nearest(first), whole.nearest(last) + 1)
    if (inside.start, inside.stop - 1) != (first, last):
        warnings.append(
            f"the frames {first} to {last} are not all in the video, which has the frames "
            f"{whole.start} to {whole.stop - 1}; frames {inside.start} to {inside.stop - 1} are "
            "used"
        )
    return inside


def _place_keyframe(keyframe: float, whole: Window, warnings: list[str]) -> int:
    frame = round(keyframe)
    if frame != keyframe:
        warnings.append(f"the keyframe {keyframe:g} is read as frame {frame}")
    inside = whole.nearest(frame)
    if inside != frame:
        warnings.append(
            f"the keyframe {frame} is not in the video, which has the frames {whole.start} to "
            f"{whole.stop - 1}; frame {inside} is used"
        )
    return inside


def _explain_no_block(text: str) -> str:
    if not text.strip():
        return "it is empty"
    return "it has neither <select> nor <answer>"
