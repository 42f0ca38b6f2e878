"""``videoseg studio``: the page."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from videoseg.cli import PATH, VideosegCommand, print_line
from videoseg_studio.commands.options import server_options

__all__ = ["studio"]


@click.command(
    "studio",
    cls=VideosegCommand,
    examples="""
    videoseg studio clip.mp4
    videoseg studio clips/
    videoseg studio clips/ --pipeline attributes --pipeline my-pipeline.yaml
    """,
)
@click.argument("video", type=PATH, default=".")
@click.option("--open", "opens", is_flag=True, help="Also open the page in the browser.")
@server_options
@click.pass_context
def studio(
    context: click.Context,
    *,
    video: Path,
    opens: bool,
    host: str,
    port: int,
    token: str | None,
    allowed_hosts: tuple[str, ...],
    pipelines: tuple[str, ...],
    max_upload: int,
    workers: int,
) -> None:
    """Ask, look and correct in a browser.

    VIDEO is a file, a folder of pictures, or a folder with videos; the page offers all that are
    beside the file or in the folder. Corrections are kept in the subfolder .videoseg. Without
    --pipeline, every installed pipeline is offered that needs nothing more on this machine.
    """
    from videoseg_studio.server import Settings, create_app, serve_app
    from videoseg_studio.studio import is_picture_folder, mount_studio

    if not video.exists():
        raise click.BadParameter(f"there is no {str(video)!r}", param_hint="VIDEO")
    video = video.resolve()
    is_video = not video.is_dir() or is_picture_folder(video)
    chosen = context.get_parameter_source("pipelines")
    if chosen is click.core.ParameterSource.DEFAULT:
        pipelines = tuple(dict.fromkeys([*pipelines, *_usable_pipelines()]))
    settings = Settings(
        video.parent if is_video else video,
        host=host,
        port=port,
        token=token,
        allowed_hosts=allowed_hosts,
        pipelines=pipelines,
        max_upload_bytes=max_upload * 2**20,
        num_workers=workers,
    )
    app = create_app(settings)
    mount_studio(app, video=video if is_video else None)

    def on_start(address: str) -> None:
        print_line(f"open {address} in a browser; Ctrl-C ends the studio")
        if opens:
            webbrowser.open(address)

    serve_app(app, on_start=on_start, quiet=True)


def _usable_pipelines() -> list[str]:
    """Return the installed pipelines that need nothing more on this machine."""
    from videoseg.pipeline import judge_registered
    from videoseg.plugins import default_registry

    registry = default_registry()
    return [
        entry.component.name
        for entry in registry.components("pipeline")
        if judge_registered(registry, entry).state == "usable"
    ]
