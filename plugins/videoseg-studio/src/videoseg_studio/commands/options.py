"""Options that both commands have: folder, address, token, limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["server_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--host", default="127.0.0.1", show_default=True, help="The address to listen on."
    ),
    click.option(
        "--port",
        type=click.IntRange(0, 65_535),
        default=8765,
        show_default=True,
        help="The port; 0 takes a free one.",
    ),
    click.option(
        "--token",
        envvar="VIDEOSEG_TOKEN",
        help="What clients must send; needed beyond 127.0.0.1. Better in VIDEOSEG_TOKEN, "
        "since other users see the arguments of a command.",
    ),
    click.option(
        "--allow-host",
        "allowed_hosts",
        multiple=True,
        metavar="NAME",
        help="A further name of this server, such as that of a proxy. Can be repeated.",
    ),
    click.option(
        "--pipeline",
        "pipelines",
        multiple=True,
        metavar="NAME",
        default=("attributes",),
        show_default=True,
        help="A pipeline that may be used, or a YAML file; the first is the default. "
        "Can be repeated.",
    ),
    click.option(
        "--max-upload",
        type=click.IntRange(min=1),
        default=512,
        show_default=True,
        help="The largest upload, in megabytes.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Jobs that run at the same time, each in a process with its own pipeline.",
    ),
)


def server_options(command: _Command) -> _Command:
    """Add the options of a server to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
