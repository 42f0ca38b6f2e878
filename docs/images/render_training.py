"""Draws the picture of the report in "Train a policy", from the run that the page makes.

    python roomy.py
    python docs/images/render_training.py runs/roomy [chromium]

It needs Chromium or a browser with the same options.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
SIZE = (1120, 1500)
MARGIN = 24
NUM_GROUPS = 2
"""How many groups of curves are shown: held-out samples and rewards."""


def main() -> None:
    """Photograph the top of a report."""
    report = Path(sys.argv[1]) / "training.html"
    browser = sys.argv[2] if len(sys.argv) > 2 else "chromium"
    text = report.read_text(encoding="utf-8")
    kept = f"h2:nth-of-type(n + {NUM_GROUPS + 2})"
    only = f"{kept}, {kept} ~ * {{ display: none; }} body {{ margin: 1rem auto; }}"
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder) / "page.html", Path(folder) / "shot.png"
        page.write_text(text.replace("</style>", only + "</style>"), encoding="utf-8")
        command = [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--force-device-scale-factor=1.5", f"--user-data-dir={folder}/browser"),
            *(f"--window-size={SIZE[0]},{SIZE[1]}", f"--screenshot={shot}", page.as_uri()),
        ]
        subprocess.run(command, check=True, capture_output=True)
        with Image.open(shot) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    rows = np.flatnonzero((pixels != pixels[0, 0]).any(axis=(1, 2)))
    cut = pixels[max(0, rows[0] - MARGIN) : rows[-1] + MARGIN]
    small = Image.fromarray(cut).convert("P", palette=Image.Palette.ADAPTIVE, colors=32)
    small.save(HERE / "training.png", optimize=True)


if __name__ == "__main__":
    main()
