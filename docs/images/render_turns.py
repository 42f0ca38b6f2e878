"""Draws the picture of a timeline in "Reading a trace", from a report.

    python docs/images/render_turns.py [chromium]

The episode is the one of that page. It needs Chromium or a browser with the same options.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from videoseg_synthetic import demo_clip

import videoseg as vs

HERE = Path(__file__).resolve().parent
QUERY = "the object that comes into the picture"
SIZE = (1000, 900)
MARGIN = 24


def main() -> None:
    """Answer the question, and photograph the section of the report with the timeline."""
    browser = sys.argv[1] if len(sys.argv) > 1 else "chromium"
    clip = demo_clip(size=(180, 320), num_frames=45)
    pipe = vs.Pipeline.from_name("attributes")
    with tempfile.TemporaryDirectory() as folder:
        page = pipe(clip.video, QUERY).save(Path(folder) / "out", parts=["report"])
        report = page / "report.html"
        text = report.read_text(encoding="utf-8")
        only = "main > :not(section:has(.timeline)) { display: none; } section { margin: 0; }"
        report.write_text(text.replace("</style>", only + "</style>"), encoding="utf-8")
        shot = Path(folder) / "shot.png"
        command = [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--force-device-scale-factor=2", f"--user-data-dir={folder}/browser"),
            *(f"--window-size={SIZE[0]},{SIZE[1]}", f"--screenshot={shot}", report.as_uri()),
        ]
        subprocess.run(command, check=True, capture_output=True)
        with Image.open(shot) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    rows = np.flatnonzero((pixels != pixels[0, 0]).any(axis=(1, 2)))
    cut = pixels[max(0, rows[0] - MARGIN) : rows[-1] + MARGIN]
    small = Image.fromarray(cut).convert("P", palette=Image.Palette.ADAPTIVE, colors=64)
    small.save(HERE / "turns.png", optimize=True)


if __name__ == "__main__":
    main()
