"""The prompts: versioned text files with a section for each sentence of a conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from videoseg_r1 import read_prompt_text

from videoseg import ConfigError

__all__ = ["PromptSet", "load_prompts"]

_SECTION = re.compile(r"^\[([a-z ]{1,40})\]\n", re.MULTILINE)
_PLACE = re.compile(r"\{(query|question|num_frames|last_frame|count|indices|frame|turns_left)\}")

# What each section must say; what is not here is optional.
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "system": (),
    "context": ("indices",),
    "detail": ("indices",),
    "keyframe": ("frame",),
    "question": ("query",),
    "question again": (),
}
_OPTIONAL = ("frame", "context again", "turns", "last turn", "answer now")


@dataclass(frozen=True, slots=True)
class PromptSet:
    """The sentences of a conversation, with placeholders such as ``{query}``.

    Args:
        name: Its name, such as ``text.v1``, or the path of a custom file.
        texts: The sentences by section.
    """

    name: str
    texts: Mapping[str, str]

    def fill(self, section: str, **values: str | int) -> str:
        """Return a sentence with its placeholders filled; empty if there is no such section.

        Placeholders without a value are removed. Whole numbers are written plainly, those of
        NumPy too.
        """
        plain = {
            name: value if isinstance(value, str) else str(int(value))
            for name, value in values.items()
        }
        # In one pass, so that a query that contains "{frame}" is not filled itself.
        return _PLACE.sub(lambda place: plain.get(place.group(1), ""), self.texts.get(section, ""))


def load_prompts(purpose: str, version: str = "v1") -> PromptSet:
    """Return the prompts of this package for a purpose, or those of a file.

    A file has sections, each below its name in square brackets: ``[system]``, which may have the
    placeholders of the question; ``[context]``, ``[detail]`` and ``[keyframe]``, which stand below
    frames shown for that purpose and give their indices unless ``[frame]`` does;
    ``[question]`` and ``[question again]``, for the first and the later turns. It may have
    ``[frame]`` before each frame, ``[context again]`` in later turns, ``[turns]`` and ``[last
    turn]`` behind the question, and ``[answer now]`` for a model that asks for frames when there
    are no turns left. Blank lines and spaces count, and what stands before the first section is
    a comment.

    Args:
        purpose: ``text`` for answers with boxes and points, ``seg`` for answers with ``[SEG]``,
            ``find`` for answers that name frames only, ``released`` for the prompts of the
            released checkpoints.
        version: A version such as ``v1``, the path of a text file, or the path of a folder with a
            file named after the purpose, such as ``text.txt``; ``PACKAGE:PATH`` for one in an
            installed package.

    Raises:
        ConfigError: If there is no such version or file, or a section or placeholder is missing.
    """
    name, text = read_prompt_text("videoseg_o3.prompts", purpose, version)
    return _parse(name, text.replace("\r\n", "\n"))


def _parse(name: str, text: str) -> PromptSet:
    _, *parts = _SECTION.split(text)
    # The line break before the next section, or at the end of the file, is not part of the text.
    texts = {
        section: body.removesuffix("\n")
        for section, body in zip(parts[::2], parts[1::2], strict=True)
    }
    problems = [f"section [{section}] is missing" for section in _REQUIRED if section not in texts]
    names_frames = "{frame}" in texts.get("frame", "")
    for section in texts:
        if section not in (*_REQUIRED, *_OPTIONAL):
            known = ", ".join(f"[{one}]" for one in (*_REQUIRED, *_OPTIONAL))
            problems.append(f"there is no section [{section}]; the sections are {known}")
        problems += [
            f"section [{section}] has no placeholder {{{place}}}"
            for place in _REQUIRED.get(section, ())
            if f"{{{place}}}" not in texts[section]
            and not (names_frames and place in ("indices", "frame"))
        ]
    if problems:
        raise ConfigError([f"the prompts {name!r}: {problem}" for problem in problems])
    return PromptSet(name, texts)
