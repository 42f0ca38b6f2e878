"""The prompts: versioned text files, so that a result can name the one that was used."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from videoseg import ConfigError
from videoseg.files import expand_path, read_text
from videoseg.text import shorten

__all__ = ["PromptTemplate", "load_prompt", "read_prompt_text"]

_MAX_BYTES = 2**20
_PLACE = re.compile(r"\{(query|duration|budget|frames)\}")
_FRAMES = "{frames}"
# Not a drive letter of Windows, nor a package inside another: finding that imports the outer one.
_IN_PACKAGE = re.compile(r"([A-Za-z_]\w+):([\w./ -]+)")


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A prompt with placeholders ``{query}``, ``{duration}`` and ``{budget}``.

    The frames stand before the text, or where it has ``{frames}``.

    Args:
        name: Its name, such as ``ground.v1``, or the path of a custom file.
        text: The text; other braces are literal.
    """

    name: str
    text: str

    def fill(self, **values: str) -> str:
        """Return the text with its placeholders filled; those without a value are removed."""
        # In one pass, so that a query that contains "{budget}" is not filled itself.
        return self._fill(self.text, values)

    def fill_around_frames(self, **values: str) -> tuple[str, str]:
        """Return the text that stands before the frames and that behind them, both filled."""
        before, _, behind = self.text.rpartition(_FRAMES)
        return self._fill(before, values).rstrip(), self._fill(behind, values).lstrip()

    @staticmethod
    def _fill(text: str, values: Mapping[str, str]) -> str:
        return _PLACE.sub(lambda place: values.get(place.group(1), ""), text)


def load_prompt(purpose: str, version: str = "v1") -> PromptTemplate:
    """Return a prompt of this package, or one from a file.

    Args:
        purpose: ``segment``, ``frame``, ``timestamp``, ``ground`` or ``difficulty``.
        version: A version such as ``v1``, the path of a text file, or the path of a folder of
            text files named after their purpose, such as ``segment.txt``; ``PACKAGE:PATH`` for
            one in an installed package. What stands before a ``{frames}`` in it is said before
            the frames are shown.

    Raises:
        ConfigError: If there is no such version or file, or it has no ``{query}``.
    """
    name, text = read_prompt_text("videoseg_r1.prompts", purpose, version)
    if "{query}" not in text:
        raise ConfigError(f"the prompt {name!r} has no placeholder for the query: add {{query}}")
    return PromptTemplate(name, text.strip())


def read_prompt_text(package: str, purpose: str, version: str) -> tuple[str, str]:
    """Return the name and the text of a prompt of a package, or of one from a file.

    Args:
        package: The package whose files ``PURPOSE.VERSION.txt`` are its prompts.
        purpose: What the prompt is for.
        version: A version such as ``v1``; or a text file, or a folder with a file
            ``PURPOSE.txt``, as a path or, if another package has it, as ``PACKAGE:PATH``, such as
            ``videoseg_tiny:prompts``, which means the same on every machine. A path that exists
            comes first. The package is not imported.

    Raises:
        ConfigError: If there is no such version or file.
    """
    if isinstance(version, str) and re.fullmatch(r"v\d{1,9}", version):
        source = files(package) / f"{purpose}.{version}.txt"
        if not source.is_file():
            raise ConfigError(f"there is no version {version!r} of the prompt {purpose!r}")
        return f"{purpose}.{version}", source.read_text(encoding="utf-8")
    shown = shorten(version)
    in_package = _IN_PACKAGE.fullmatch(version) if isinstance(version, str) else None
    if in_package and os.path.lexists(version):
        in_package = None
    try:
        path = _find_in_package(*in_package.groups()) if in_package else expand_path(version)
        name = version if in_package else str(path)
        if path.is_dir():
            path /= f"{purpose}.txt"
            name = f"{version}/{path.name}" if in_package else str(path)
        shown = shorten(name, 300)
        return name, read_text(path, max_bytes=_MAX_BYTES)
    except (OSError, TypeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "it is not a path"
        raise ConfigError(
            f"cannot read the prompt {purpose!r} from {shown}: {reason}; give a "
            "version such as 'v1', or the path of a text file, or of a folder with such files, "
            "or PACKAGE:PATH for one in an installed package"
        ) from error


def _find_in_package(package: str, path: str) -> Path:
    """Return the place of a file or folder of a package, without importing the package.

    Raises:
        ValueError: If the package is not installed, or the path leads out of it.
    """
    # A pipeline file may come from anyone: importing what it names could run anything.
    spec = find_spec(package)
    folders = [*(spec.submodule_search_locations or ())] if spec is not None else []
    if not folders:
        raise ValueError(f"the package {package!r} is not installed")
    if ".." in path.split("/") or path.startswith("/"):
        raise ValueError("its path leads out of the package")
    places = [Path(folder, path) for folder in folders]
    return next((place for place in places if place.exists()), places[0])
