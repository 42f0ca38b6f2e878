"""Splits a reply into its reasoning and its answer."""

# ruff: noqa: RUF001 - models write other alphabets and full-width signs, too

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["final_parts", "split_answer"]

_THINKING = (
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|analysis|scratchpad|reflection|rationale"
    r"|seed:think)"
)
_ANSWERING = r"(?:answer|final[_ -]?answer|final|response|solution|conclusion|output|result)"
# How families of models mark reasoning and answers; all are turned into the tags of the paper.
_MARKS = re.compile(
    rf"""(?P<think><{_THINKING}> | <\|(?:begin_of_)?{_THINKING}\|> | <\|START_THINKING\|>
      | \[THINK\] | ◁think▷ | <\|im_start\|>\s?think\b
      | <\|?channel\|?>\s?(?:analysis|commentary|thoughts?|thinking)\b[^<>\n]{{0,80}}
        (?:<\|message\|>)?)
    |(?P<end_think></{_THINKING}> | <\|(?:end_of_|/){_THINKING}\|> | <\|END_THINKING\|>
      | \[/THINK\] | ◁/think▷)
    |(?P<answer><{_ANSWERING}> | <\|(?:begin_of_)?{_ANSWERING}\|> | <\|START_RESPONSE\|>
      | <\|im_start\|>\s?answer\b | <\|?channel\|?>\s?final\b[^<>\n]{{0,80}}(?:<\|message\|>)?
      | (?<=\S)assistantfinal(?=\W))
    |(?P<end_answer></{_ANSWERING}> | <\|(?:end_of_|/){_ANSWERING}\|> | <\|END_RESPONSE\|>)
    |(?P<end><\|(?:end|return|im_end|eot_id|end_of_turn)\|> | <channel\|> | <end_of_turn>)
    |(?P<start><\|start\|>\s?assistant | <\|im_start\|>\s?assistant)
    """,
    re.I | re.X,
)
_THINK = re.compile(r"<think>(.*?)(?:</think>|(?=<answer>)|$)", re.S)
_THINK_END = re.compile(r"</think>")
_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|$)", re.S)
_ANSWER_TAG = re.compile(r"</?answer>")

_FINAL_WORDS = (
    r"(?:(?:the\s|my\s)?(?:final|corrected|revised)\s(?:answers?|results?|outputs?|response|json"
    r"|list|predictions?|detections?|coordinates|(?:bounding\s)?box(?:es)?)"
    r"|answer|final|correction|最[终終](?:答案|结果|結果|回答)|答案|答え|最終的な答え|回答|최종\s?답변"
    r"|최종\s?답|정답|답변|답"
    r"|endg[üu]ltige\santwort|antwort|r[ée]ponse(?:\sfinale)?|respuesta(?:\sfinal)?"
    r"|resposta(?:\sfinal)?|risposta(?:\sfinale)?|(?:окончательный\s)?ответ)"
)
# "**Final answer:** [...]", "the final answer is [...]", "## Answer", "\boxed{[...]}"
_FINAL = re.compile(
    rf"(?<![\w\"'“‘{{]){_FINAL_WORDS}[\s*_`#)】]{{0,6}}(?:[:：=–—-]|\bis\b:?|是|为|は)[\s*_`]{{0,6}}"
    r"|^[ \t]{0,3}(?:output|result)s?[ \t*]{0,3}:"
    r"|^[ \t]{0,3}(?:#{1,6}|\*\*)?[ \t]{0,3}(?:final\s)?answer[ \t*#]{0,6}$"
    r"|\\boxed\s?\{",
    re.I | re.M,
)
_MAX_FENCES = 20
_FENCE = re.compile(r"```[A-Za-z0-9_+-]{0,20}")


def split_answer(text: str) -> tuple[str, str]:
    """Return (reasoning, answer block).

    Without marks of its own, the reasoning is what stands before the answer; without marks of
    the answer, the answer is what stands after the reasoning. The marks of several families of
    models are known beside ``<think>`` and ``<answer>``.

    Example:
        >>> split_answer("[THINK]The dog.[/THINK] [1, 2, 3, 4]")
        ('The dog.', '[1, 2, 3, 4]')
    """
    text = _insert_tags(text)
    answers = list(_ANSWER.finditer(text))
    # A tag that is opened once more and left empty takes nothing back.
    answers = [answer for answer in answers if answer.group(1).strip()]
    thoughts = [match.group(1) for match in _THINK.finditer(text)]
    rest = _THINK.sub("", text)
    # A tag that was closed without having been opened ends reasoning as well.
    closings = list(_THINK_END.finditer(rest))
    if closings:
        thoughts.insert(0, _THINK_END.sub("", rest[: closings[-1].start()]))
        rest = rest[closings[-1].end() :]
    if answers and not thoughts:
        thoughts = [text[: answers[-1].start()]]
    thought = "\n".join(part for part in map(str.strip, thoughts) if part)
    return thought, (answers[-1].group(1) if answers else _ANSWER_TAG.sub("", rest)).strip()


def final_parts(block: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of an answer that may be the final one, the most likely first.

    That is what follows the last "Final answer:" or the like, and of fenced blocks the last;
    then the whole.

    Yields:
        The part, and what it is a part of: itself, or the text around a fenced block.
    """
    marks = list(_FINAL.finditer(block))
    parts = [block]
    if marks and block[marks[-1].end() :].strip():
        parts.insert(0, block[marks[-1].end() :])
    for part in parts:
        yield from ((fenced, part) for fenced in reversed(_list_fenced(part)))
        yield part, part


def _list_fenced(text: str) -> list[str]:
    """Return what stands between the last fences; the very last may lack its closing one."""
    return [part for part in _FENCE.split(text)[1::2] if part.strip()][-_MAX_FENCES:]


def _insert_tags(text: str) -> str:
    """Return a text in which reasoning and answer are marked by the tags of the paper."""
    opened = ""

    def tag(match: re.Match[str]) -> str:
        nonlocal opened
        kind = match.lastgroup or ""
        if kind == "end":
            kind, opened = f"end_{opened}" if opened else "", ""
        elif kind in ("think", "answer"):
            opened = kind
        elif kind.startswith("end_"):
            opened = ""
        return _TAGS.get(kind, "")

    return _MARKS.sub(tag, text)


_TAGS = {
    "think": "<think>",
    "end_think": "</think>",
    "answer": "<answer>",
    "end_answer": "</answer>",
}
