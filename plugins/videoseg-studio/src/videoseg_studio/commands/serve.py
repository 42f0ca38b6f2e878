"""``videoseg serve``: the service."""

from __future__ import annotations

from pathlib import Path

import click

from videoseg.cli import PATH, VideosegCommand
from videoseg_studio.commands.options import server_options

__all__ = ["serve"]


@click.command(
    "serve",
    cls=VideosegCommand,
    examples="""
    videoseg serve
    videoseg serve clips/ --workers 2 --pipeline attributes --pipeline names
    VIDEOSEG_TOKEN=$(openssl rand -hex 16) videoseg serve clips/ --host 0.0.0.0
    """,
)
@click.argument("folder", type=PATH, default=".")
@server_options
def serve(
    *,
    folder: Path,
    host: str,
    port: int,
    token: str | None,
    allowed_hosts: tuple[str, ...],
    pipelines: tuple[str, ...],
    max_upload: int,
    workers: int,
) -> None:
    """Answer questions about the videos of FOLDER, and about uploaded ones, over HTTP."""
    from videoseg_studio.server import Settings, create_app, serve_app

    settings = Settings(
        folder,
        host=host,
        port=port,
        token=token,
        allowed_hosts=allowed_hosts,
        pipelines=pipelines,
        max_upload_bytes=max_upload * 2**20,
        num_workers=workers,
    )
    serve_app(create_app(settings))
