"""The program ``videoseg``: its commands, and those of plug-ins, listed without importing them."""

from __future__ import annotations

from importlib import import_module

import click

from videoseg._core_commands import CORE_COMMANDS
from videoseg._version import __version__
from videoseg.cli.framework import VideosegGroup
from videoseg.errors import ComponentNotFoundError, PluginLoadError
from videoseg.text import printable, shorten_text

__all__ = ["videoseg"]

_LONGEST_SUMMARY = 200
_INSTALL = {
    "demo": "pip install videoseg-synthetic videoseg-attributes, or in a checkout of the "
    "repository pip install -r plugins/default.txt",
    "ray": "pip install videoseg-ray",
    "chat": "pip install videoseg-vlm",
}
"""How to get well-known commands of plug-ins."""


class Program(VideosegGroup):
    """A group of the core's commands and those that plug-ins declare.

    The core's commands work whatever plug-ins do. Plug-ins are loaded for the list of commands
    and for names that are not the core's; the module of a command is imported when it is run.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands: the core's, then those of plug-ins, sorted."""
        del ctx
        return list(_summaries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command.

        Raises:
            PluginConflictError: If several plug-ins declare it.
            PluginLoadError: If the plug-in's module cannot be imported, or holds something else.
        """
        del ctx
        if cmd_name in CORE_COMMANDS:
            module_name, _, attribute = CORE_COMMANDS[cmd_name][0].partition(":")
            found: click.Command = getattr(import_module(module_name), attribute)
            return found
        if cmd_name not in _summaries():
            return None
        from videoseg.plugins import default_registry

        loaded = default_registry().load_command(cmd_name)
        if not isinstance(loaded, click.Command):
            entry = next(e for e in default_registry().commands() if e.command.name == cmd_name)
            raise PluginLoadError(
                f"command {cmd_name!r} of {entry.distribution}: {entry.command.target} must be a "
                f"click command or group, got {type(loaded).__name__}"
            )
        return loaded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command.

        Raises:
            ComponentNotFoundError: If it is part of a plug-in that is not installed.
            click.UsageError: If there is no command of this name.
        """
        name = args[0]
        if name in _INSTALL and self.get_command(ctx, name) is None:
            from videoseg.plugins import default_registry

            failed = "; ".join(f"{f.plugin} ({f.error})" for f in default_registry().failures)
            raise ComponentNotFoundError(
                f"`videoseg {name}` is part of a plug-in that is not installed: {_INSTALL[name]}"
                + (f". Plug-ins that failed to load: {failed}" if failed else "")
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands with their summaries."""
        del ctx
        rows = [
            (name, shorten_text(printable(summary), _LONGEST_SUMMARY))
            for name, summary in _summaries().items()
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _summaries() -> dict[str, str]:
    """Return the names of all commands and their summaries, in the order of the help."""
    from videoseg.plugins import default_registry

    summaries = {name: summary for name, (_, summary) in CORE_COMMANDS.items()}
    declared = (entry.command for entry in default_registry().commands())
    for command in sorted(declared, key=lambda command: command.name):
        summaries.setdefault(command.name, command.summary)
    return summaries


@click.group(
    "videoseg",
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(__version__, "--version", prog_name="videoseg")
def videoseg() -> None:
    """Ask a video a question and get masks back, with the reasons.

    \b
    videoseg run dog.mp4 "the moving dog"  ask about a video
    videoseg demo                          try it on a synthetic clip
    videoseg run --help                    choose other stages and models
    """  # noqa: D301 - click reads the backspace itself as "keep these lines"
