"""``videoseg schema``: the JSON schema of ``result.json``."""

from __future__ import annotations

import click

from videoseg.cli.framework import VideosegCommand
from videoseg.cli.terminal import write_json

__all__ = ["schema"]


@click.command("schema", cls=VideosegCommand, examples="videoseg schema > result.schema.json")
def schema() -> None:
    """Print the JSON schema of `result.json`, as this release writes it.

    Validators check results with it, and generators make classes of other languages from it.
    """
    from videoseg.results import result_schema

    write_json(result_schema())
