"""``videoseg serve``: the service."""

from __future__ import annotations

from pathlib import Path

import click

from videoseg.cli import PATH, VideosegCommand, print_line
from videoseg_studio.commands.options import server_options

__all__ = ["serve"]


@click.command(
    "serve",
    cls=VideosegCommand,
    examples="""
    videoseg serve clips/
    videoseg serve clips/ --workers 2 --pipeline attributes --pipeline names
    VIDEOSEG_TOKEN=$(openssl rand -hex 16) videoseg serve clips/ --host 0.0.0.0
    """,
)
@click.argument("folder", type=PATH, default=".")
@server_options
@click.option(
    "--allow-option",
    "allowed_options",
    multiple=True,
    metavar="STAGE.OPTION",
    help="Let clients set this option, too, although it may name a file, an address or a model. "
    "Can be repeated.",
)
@click.option(
    "--max-queue",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Jobs that may wait; further ones are refused with status 429.",
)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=1_000,
    show_default=True,
    help="Finished jobs that are kept; the oldest are deleted, with their results.",
)
@click.option(
    "--job-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=3_600,
    show_default=True,
    help="How long a job may run.",
)
@click.option("-q", "--quiet", is_flag=True, help="Do not log requests.")
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
    allowed_options: tuple[str, ...],
    max_queue: int,
    keep: int,
    job_seconds: float,
    quiet: bool,
) -> None:
    """Answer questions about the videos of FOLDER, and about uploaded ones, over HTTP.

    The API is under /api/v1, a page that explains it at /api. Results and uploads are in the
    subfolder .videoseg of FOLDER.
    """
    from fastapi.responses import RedirectResponse

    from videoseg_studio.server import Settings, create_app, serve_app

    settings = Settings(
        folder,
        host=host,
        port=port,
        token=token,
        allowed_hosts=allowed_hosts,
        pipelines=pipelines,
        allowed_options=allowed_options,
        max_upload_bytes=max_upload * 2**20,
        max_queued=max_queue,
        num_workers=workers,
        max_kept=keep,
        job_seconds=job_seconds,
    )
    app = create_app(settings)

    @app.get("/", include_in_schema=False)
    def explain() -> RedirectResponse:
        return RedirectResponse("/api")

    def say(address: str) -> None:
        print_line(f"serving {settings.folder} on {address} (the API: {address}/api)")
        print_line("stop with Ctrl-C")

    serve_app(app, on_start=say, quiet=quiet)
