"""``videoseg studio``: the page."""

from __future__ import annotations

from pathlib import Path

import click

from videoseg.cli import PATH, VideosegCommand, print_line
from videoseg_studio.commands.options import server_options

__all__ = ["studio"]


@click.command("studio", cls=VideosegCommand)
@click.argument("folder", type=PATH, default=".")
@server_options
def studio(
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
    """Ask, look and correct in a browser."""
    from videoseg_studio.server import Settings, create_app, serve_app
    from videoseg_studio.studio import mount_studio

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
    app = create_app(settings)
    mount_studio(app)
    serve_app(app, on_start=lambda address: print_line(f"open {address} in a browser"))
