"""Run one query on every video in a folder.

    python examples/segment_folder.py clips/ "the fastest object" --output answers/

Each video gets a folder with its masks, reasoning and report, and a line of output. A video that
fails does not stop the others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import videoseg as vs

SUFFIXES = {".mp4", ".mov", ".mkv", ".avi", ".webm", ".gif"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return 1 if any video failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="folder with the videos")
    parser.add_argument("query", help="description of the objects to find")
    parser.add_argument("-o", "--output", type=Path, default=Path("answers"))
    parser.add_argument("--pipeline", default="attributes", help="name of a pipeline")
    options = parser.parse_args(arguments)

    if not options.folder.is_dir():
        parser.error(f"there is no folder {options.folder}")
    paths = sorted(p for p in options.folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        parser.error(f"no videos in {options.folder}; supported are {', '.join(sorted(SUFFIXES))}")
    failed = 0
    # One pipeline for all videos, so that its stages load their models once.
    with vs.Pipeline.from_name(options.pipeline) as pipe:
        for path in paths:
            try:
                with vs.Video.open(path) as video:
                    result = pipe(video, options.query)
                    result.save(options.output / path.stem, overwrite=True)
            except vs.VideosegError as error:
                failed += 1
                print(f"{path.name}: {error}", file=sys.stderr)
                continue
            objects = f"{len(result.tracks)} object(s), {result.status}"
            print(f"{path.name}: {objects}, {result.timings['total']:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
