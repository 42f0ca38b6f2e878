"""How a plug-in declares a subcommand of ``videoseg``, without importing it."""

from __future__ import annotations

from dataclasses import dataclass

from videoseg.errors import ConfigError
from videoseg.plugins.component import is_kebab_name, is_target
from videoseg.text import shorten

__all__ = ["Command", "RegisteredCommand"]


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand that a plug-in adds to ``videoseg``.

    Declaring it imports nothing; its module is imported when somebody runs the command.

    Args:
        name: What users type after ``videoseg``, in short kebab case, such as ``ray``.
        target: Where it is defined, as ``package.module:name``: a ``click`` command or group.
        summary: One line for ``videoseg --help``.

    Raises:
        ConfigError: If name, target or summary have the wrong form.

    Example:
        >>> Command("count", "videoseg_count.cli:count", summary="Count objects.").name
        'count'
    """

    name: str
    target: str
    summary: str = ""

    def __post_init__(self) -> None:
        problems = []
        if not isinstance(self.name, str) or not is_kebab_name(self.name):
            problems.append(f"name {shorten(self.name)} must be lower-case kebab, such as 'ray'")
        if not isinstance(self.target, str) or not is_target(self.target):
            problems.append(
                f"target {shorten(self.target)} must have the form 'package.module:name'"
            )
        if not isinstance(self.summary, str):
            problems.append(f"summary must be text, got {shorten(self.summary)}")
        if problems:
            raise ConfigError([f"command {shorten(self.name)}: {text}" for text in problems])


@dataclass(frozen=True, slots=True)
class RegisteredCommand:
    """A command and where it comes from.

    Args:
        command: What was declared.
        plugin: The plug-in that declared it.
        distribution: The installed package.
        version: The package's version.
    """

    command: Command
    plugin: str
    distribution: str
    version: str = ""

    @property
    def label(self) -> str:
        """What messages call it, such as ``command 'ray'``."""
        return f"command {self.command.name!r}"
