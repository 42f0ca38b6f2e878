"""Draws the picture on the first page: a question, its answer in masks, and the reasons.

    python docs/images/render_answer.py

Everything in it comes from a run of the pipeline ``attributes`` on the demonstration clip.
"""

from __future__ import annotations

import dataclasses
import re
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from videoseg_synthetic import demo_clip

import videoseg as vs
from videoseg.masks import object_color
from videoseg.results import draw_masks, draw_prompts

QUERY = "the object that is hidden by the red one"
HERE = Path(__file__).resolve().parent

SCALE = 2  # drawn twice as large, then reduced, so that text and lines are smooth
WIDTH, MARGIN, GAP = 1280, 32, 14
PAPER, INK, MUTED, LINE = (255, 255, 255), (24, 31, 38), (104, 115, 125), (222, 226, 230)


def font(size: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's own font, which is there on every machine."""
    loaded = ImageFont.load_default(size * SCALE)
    assert isinstance(loaded, ImageFont.FreeTypeFont)
    return loaded


class Canvas:
    """A picture that is drawn on in points."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width * SCALE, height * SCALE), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def text(
        self, x: float, y: float, text: str, *, size: int, color: tuple[int, int, int] = INK
    ) -> None:
        """Write one line with its top-left corner at (x, y)."""
        self.draw.text((x * SCALE, y * SCALE), text, font=font(size), fill=color)

    def rectangle(self, box: tuple[float, float, float, float], color: tuple[int, ...]) -> None:
        """Fill a rectangle."""
        self.draw.rectangle([value * SCALE for value in box], fill=color)

    def picture(self, x: float, y: float, width: float, frame: vs.types.Frame) -> float:
        """Place a frame and return its height."""
        height = width * frame.shape[0] / frame.shape[1]
        small = Image.fromarray(frame).resize(
            (round(width * SCALE), round(height * SCALE)), Image.Resampling.LANCZOS
        )
        mask = Image.new("L", small.size, 0)
        ImageDraw.Draw(mask).rounded_rectangle(
            (0, 0, small.width - 1, small.height - 1), radius=8 * SCALE, fill=255
        )
        self.image.paste(small, (round(x * SCALE), round(y * SCALE)), mask)
        return height

    def save(self, path: Path) -> None:
        """Reduce to the final size and save with as few colors as look the same."""
        size = (self.image.width // SCALE, self.image.height // SCALE)
        small = self.image.resize(size, Image.Resampling.LANCZOS)
        small.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


def spotlight(frame: vs.types.Frame, mask: vs.types.BoolArray) -> vs.types.Frame:
    """Return the frame with everything outside the mask in faint gray."""
    gray = frame.mean(axis=2, keepdims=True)
    faint = 0.25 * frame + 0.25 * gray + 0.5 * 205
    return np.where(mask[..., None], frame, faint).astype(np.uint8)


def reasons(result: vs.Segmentation) -> list[tuple[str, str]]:
    """Return from the last turn the measurement that decided, and the words that were used."""
    thought = result.trace.turns[-1].thought
    # Each part of the query scores each candidate: "candidate 2 scores 1.00 (the measurement)".
    text = f"{thought.temporal} {thought.spatial}"
    true = re.findall(r"candidate \d+ scores 1\.00 \(([^)]+)\)", text)
    words = thought.linguistic.removeprefix("Words used: ")
    return [*(("because", reason) for reason in true[:1]), ("words", " ".join(words.split()))]


def timeline(canvas: Canvas, result: vs.Segmentation, top: float, height: float) -> None:
    """Draw how large the mask is on each frame."""
    areas = result.tracks[0].areas
    left, right = MARGIN, WIDTH - MARGIN
    step = (right - left) / len(areas)
    canvas.rectangle((left, top + height, right, top + height + 0.5), LINE)
    for frame, area in enumerate(areas):
        bar = height * area / max(areas)
        x = left + frame * step
        canvas.rectangle(
            (x + 0.5, top + height - bar, x + step - 1, top + height), object_color(1)
        )


def main() -> None:
    """Run the pipeline and write ``answer.png``."""
    clip = demo_clip()
    result = vs.Pipeline.from_name("attributes")(clip.video, QUERY)
    keyframe = result.grounding.keyframe
    if keyframe is None:
        raise SystemExit("nothing was found; there is nothing to draw")
    last = len(clip.video) - 1
    frames = sorted({round(last * share) for share in (0.1, 0.36, 0.62, 0.88)} | {keyframe})
    nearest = min((f for f in frames if f != keyframe), key=lambda f: abs(f - keyframe))
    frames.remove(nearest)

    width = (WIDTH - 2 * MARGIN - GAP * (len(frames) - 1)) / len(frames)
    canvas = Canvas(WIDTH, 600)
    canvas.text(MARGIN, 24, f"\u201c{QUERY}\u201d", size=28)
    top = 80.0
    for place, frame in enumerate(frames):
        x = MARGIN + place * (width + GAP)
        masks = {track.object_id: track.mask(frame) for track in result.tracks}
        dimmed = spotlight(clip.video[frame], result.mask(frame))
        picture = draw_masks(dimmed, masks, opacity=0.0, tags=False)
        if frame == keyframe:
            # Box and points only: the mask is drawn already.
            given = [p for p in result.grounding.prompts if p.frame == keyframe]
            prompts = [dataclasses.replace(p, mask=None) for p in given]
            picture = draw_prompts(picture, prompts, tags=False)
        height = canvas.picture(x, top, width, picture)
        note = "keyframe, with the prompt" if frame == keyframe else ""
        canvas.text(x, top + height + 6, f"frame {frame}", size=14)
        canvas.text(x + 72, top + height + 6, note, size=14, color=MUTED)
    y = top + height + 38
    timeline(canvas, result, y, 34)
    canvas.text(MARGIN, y + 40, "pixels of the mask, frame by frame", size=14, color=MUTED)
    y += 74
    for name, text in reasons(result):
        canvas.text(MARGIN, y, name, size=14, color=MUTED)
        for line in textwrap.wrap(text, 150)[:2]:
            canvas.text(MARGIN + 76, y, line, size=14)
            y += 21
    path = HERE / "answer.png"
    canvas.image = canvas.image.crop((0, 0, canvas.image.width, round((y + 18) * SCALE)))
    canvas.save(path)


if __name__ == "__main__":
    main()
