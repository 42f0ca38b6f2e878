"""A studio with stages that are quick and predictable, in a process of its own.

``python still_studio.py FOLDER PORT`` prints the address. Stages are those of ``still_stages``,
and a second pipeline finds another box.
"""

from __future__ import annotations

import sys
from pathlib import Path

from still_stages import FindsOne, Squares, StandStill
from videoseg_studio.server import Settings, create_app, serve_app
from videoseg_studio.studio import mount_studio

import videoseg as vs
from videoseg.types import Box, Prompt

__all__ = ["add_pipelines"]

PIPELINES = ("still", "still-other")


class FindsOther(FindsOne):
    """A grounder: another box on frame 4."""

    def __init__(self):
        super().__init__((Prompt(1, 4, box=Box(12, 10, 22, 20), label="another box"),))


def _pipeline(grounder):
    names = {"sampler": "middle", "segmenter": "squares", "propagator": "stand-still"}
    return lambda: {**names, "grounder": grounder}


def add_pipelines():
    """Register the pipelines ``still`` and ``still-other``."""
    vs.add("grounder", "finds-one", lambda: FindsOne(), replace=True)
    vs.add("grounder", "finds-other", lambda: FindsOther(), replace=True)
    vs.add("segmenter", "squares", Squares, replace=True)
    vs.add("propagator", "stand-still", StandStill, replace=True)
    vs.add("pipeline", "still", _pipeline("finds-one"), replace=True)
    vs.add("pipeline", "still-other", _pipeline("finds-other"), replace=True)


def main():
    """Serve until the process is ended."""
    add_pipelines()
    settings = Settings(Path(sys.argv[1]), port=int(sys.argv[2]), pipelines=PIPELINES)
    app = create_app(settings)
    mount_studio(app)
    serve_app(app, on_start=lambda address: print(address, flush=True), quiet=True)


if __name__ == "__main__":
    main()
