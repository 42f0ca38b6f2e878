"""Draws the picture of the studio in "Look and correct", with a real browser.

    python docs/images/render_studio.py [chromium]

It needs the plug-in videoseg-studio, the Python package playwright, and Chromium. A question is
asked about the demonstration's clip, and an object beside the answer is clicked.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright
from videoseg_synthetic import demo_clip

from videoseg.video import write_video

HERE = Path(__file__).resolve().parent
QUERY = "the object that comes into the picture"
SIZE = {"width": 1280, "height": 860}


def use_page(page: Page, address: str) -> None:
    """Ask the question, and mark another object with a box."""
    page.set_default_timeout(400_000)
    expect.set_options(timeout=400_000)
    page.goto(address)
    page.get_by_role("button", name="clip.mp4").click()
    page.fill("#query", QUERY)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Found")
    page.get_by_role("button", name="New object").click()
    expect(page.locator("#objects li")).to_have_count(2)
    canvas = page.locator("#canvas-a")
    bounds = canvas.bounding_box()
    assert bounds is not None
    corners = ((0.408, 0.32), (0.632, 0.715))
    places = [
        (bounds["x"] + bounds["width"] * x, bounds["y"] + bounds["height"] * y) for x, y in corners
    ]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=5)
    page.mouse.up()
    expect(page.locator("#status")).to_contain_text("new mask")
    page.get_by_role("button", name="Play").focus()
    page.wait_for_timeout(1_000)


def main() -> None:
    """Start a studio, use it, and photograph the page."""
    browser = shutil.which(sys.argv[1] if len(sys.argv) > 1 else "chromium")
    clip = demo_clip(size=(360, 640), num_frames=36)
    with tempfile.TemporaryDirectory() as folder:
        write_video(Path(folder) / "clip.mp4", clip.frames, fps=clip.fps)
        command = [sys.executable, "-m", "videoseg", "studio", folder, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as studio:
            try:
                assert studio.stdout is not None
                found = re.search(r"http://\S+", studio.stdout.readline())
                assert found is not None
                with sync_playwright() as started:
                    chromium = started.chromium.launch(
                        executable_path=browser, args=["--no-sandbox"]
                    )
                    page = chromium.new_page(viewport=SIZE)
                    use_page(page, found[0])
                    shot = page.screenshot()
                    chromium.close()
            finally:
                studio.terminate()
    with Image.open(io.BytesIO(shot)) as picture:
        small = picture.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
        small.save(HERE / "studio.png", optimize=True)


if __name__ == "__main__":
    main()
