"""``videoseg export``: write the masks of saved results in the formats of other tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from videoseg.cli.framework import PATH, VideosegCommand
from videoseg.cli.options import EXPORTS, FORMATS, complete_formats
from videoseg.cli.terminal import json_option, open_console, print_files, working, write_json

if TYPE_CHECKING:
    from videoseg.results import ExportFormat, Segmentation
    from videoseg.types import VideoSource

__all__ = ["export_results"]


@click.command(
    "export",
    cls=VideosegCommand,
    examples="""
    videoseg export out/clip --format cvat
    videoseg export out/* --format coco --frames -o labels
    videoseg export out/clip --format yolo --video moved/clip.mp4 -o labels
    """,
)
@click.argument("results", nargs=-1, required=True, type=PATH, metavar="RESULT...")
@click.option(
    "--format",
    "name",
    required=True,
    metavar="FORMAT",
    shell_complete=complete_formats,
    help=f"One of {', '.join(FORMATS)}.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="The folder that all results share. Default for one result: RESULT/exports/FORMAT.",
)
@click.option(
    "--video",
    metavar="PATH",
    help="The video of one result, if it was moved and the format has frames.",
)
@click.option("--frames", is_flag=True, help="With coco: write the frames too.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export of the same videos.")
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
def export_results(
    *,
    results: tuple[Path, ...],
    name: str,
    output: Path | None,
    video: str | None,
    frames: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the masks of saved results in another format.

    RESULT is a folder that `videoseg run` wrote. Videos are told apart by their names, or by the
    folders of their results where two are called the same. Every result is read before the first
    file is written.
    """
    from videoseg.results import check_format, export_all, load_result

    check_format(name)

    if len(results) > 1 and output is None:
        raise click.UsageError("several results need the folder that they share: -o FOLDER")
    if len(results) > 1 and video is not None:
        raise click.UsageError("--video goes with one result")
    loaded = [load_result(path) for path in results]
    sequences = _sequences(results, loaded)
    first = results[0] if results[0].is_dir() else results[0].parent
    root = output or first / EXPORTS / name

    def results_shown() -> Iterator[tuple[str, Segmentation]]:
        for sequence, segmentation in zip(sequences, loaded, strict=True):
            with working(f"exporting {sequence}", quiet=quiet):
                yield sequence, segmentation

    with ExitStack() as stack:
        if video is not None:
            loaded = [replace(loaded[0], source=_open(video, stack))]
        written = export_all(
            results_shown(),
            root,
            format=cast("ExportFormat", name),
            frames=frames,
            overwrite=overwrite,
        )
    files = list(dict.fromkeys(written))
    if as_json:
        write_json({"format": name, "folder": str(root), "files": [str(path) for path in files]})
    elif not quiet:
        print_files(open_console(), [(path, f"exported as {name}") for path in files])


def _open(video: str, stack: ExitStack) -> VideoSource:
    from videoseg.video import Video

    return stack.enter_context(Video.open(video))


def _sequences(folders: Sequence[Path], results: Sequence[Segmentation]) -> list[str]:
    """Return a name for each video: its own, or as much of its folder's path as tells it apart."""
    from videoseg.results.exports import choose_sequence, clean_sequence

    names = [choose_sequence(result.video, None) for result in results]
    paths = [folder.resolve() for folder in folders]
    for depth in range(1, max(len(path.parts) for path in paths)):
        counts = Counter(names)
        names = [
            name if counts[name] == 1 else clean_sequence("-".join(path.parts[-depth:]))
            for name, path in zip(names, paths, strict=True)
        ]
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise click.UsageError(f"{count} results are called {name}; give each result once")
    return names
