"""The prompts: versioned text files, so that a result can name the one that was used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from videoseg import ConfigError
from videoseg.files import expand_path, read_text
from videoseg.text import shorten

__all__ = ["PromptText", "load_prompt"]

_MAX_BYTES = 2**20
_PLACE = re.compile(r"\{(query|items|images|objects)\}")


@dataclass(frozen=True, slots=True)
class PromptText:
    """A prompt with places to fill.

    Args:
        name: Its name, such as ``existence.v1``, or the path of a custom file.
        text: The text; braces around other words are literal.
    """

    name: str
    text: str

    def fill(self, **values: str) -> str:
        """Return the text with its places filled; those without a value are removed."""
        # In one pass, so that a query that contains "{items}" is not filled itself.
        return _PLACE.sub(lambda place: values.get(place.group(1), ""), self.text)


def load_prompt(purpose: str, version: str = "v1") -> PromptText:
    """Return a prompt of this package, or one from a file.

    Args:
        purpose: ``existence``, ``visible``, ``items`` or ``consistent``.
        version: A version such as ``v1``; or the path of a text file, or of a folder of text
            files named after their purpose, such as ``existence.txt``.

    Raises:
        ConfigError: If there is no such version or file, or it has no ``{query}``.
    """
    if re.fullmatch(r"v\d{1,9}", version):
        source = files("videoseg_wrappers.prompts") / f"{purpose}.{version}.txt"
        if not source.is_file():
            raise ConfigError(f"there is no version {version!r} of the prompt {purpose!r}")
        prompt = PromptText(f"{purpose}.{version}", source.read_text(encoding="utf-8").strip())
    else:
        try:
            path = expand_path(version)
            path = path / f"{purpose}.txt" if path.is_dir() else path
            prompt = PromptText(str(path), read_text(path, max_bytes=_MAX_BYTES).strip())
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError(
                f"cannot read the prompt {purpose!r} from {shorten(version, 300)}: {reason}; give "
                "a version such as 'v1', or the path of a text file or of a folder of such files"
            ) from error
    if "{query}" not in prompt.text:
        raise ConfigError(
            f"the prompt {prompt.name!r} has no place for the query: write {{query}} in it"
        )
    return prompt
