"""The prompts: versioned text files, so that a result can name the one that was used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from videoseg_r1 import read_prompt_text

from videoseg import ConfigError

__all__ = ["TrackPrompt", "load_prompt"]

_PLACE = re.compile(r"\{(query|vocabulary|failed|objects|note)\}")

_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "concepts": ("query",),
    "infer": ("query",),
    "choose": ("query", "objects"),
}


@dataclass(frozen=True, slots=True)
class TrackPrompt:
    """A prompt with placeholders such as ``{query}``; other braces are literal.

    Args:
        name: Its name, such as ``choose.v1``, or the path of a custom file.
        text: The text.
    """

    name: str
    text: str

    def fill(self, **values: str) -> str:
        """Return the text with its placeholders filled; lines left empty by them are removed."""
        # In one pass, so that a query that contains "{objects}" is not filled itself.
        filled = _PLACE.sub(lambda place: values.get(place.group(1), ""), self.text)
        return re.sub(r"\n{2,}", "\n", filled).strip()


def load_prompt(purpose: str, version: str = "v1") -> TrackPrompt:
    """Return a prompt of this package, or one from a file.

    Args:
        purpose: ``concepts`` (names from the query alone), ``infer`` (names from the query and
            frames) or ``choose`` (a round).
        version: A version such as ``v1``, or the path of a folder with the files
            ``concepts.txt``, ``infer.txt`` and ``choose.txt``; ``PACKAGE:PATH`` for one in an
            installed package.

    Raises:
        ConfigError: If there is no such version or file, or a placeholder is missing.
    """
    name, text = read_prompt_text("videoseg_tracks.prompts", purpose, version)
    lacking = [place for place in _REQUIRED[purpose] if f"{{{place}}}" not in text]
    if lacking:
        places = " and ".join(f"{{{place}}}" for place in lacking)
        raise ConfigError(f"the prompt {name!r} has no place for {places}: add it")
    return TrackPrompt(name, text.strip())
