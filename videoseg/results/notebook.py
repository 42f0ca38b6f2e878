"""How a result shows itself in a notebook."""

from __future__ import annotations

import base64
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from videoseg.errors import ConfigError, MissingDependencyError, OutputError, VideoError
from videoseg.results.overlay import clip_rate
from videoseg.results.report.sections import image_tag, numbered_overlay, overlay_uri, thought_html
from videoseg.results.report.templating import template_text
from videoseg.results.report.wording import (
    all_warnings,
    answer_sentence,
    frame_range,
    frame_time,
    name_chip,
    shortened,
    video_line,
)
from videoseg.results.segmentation import Segmentation
from videoseg.results.thumbnails import Picture, PictureBook, spread
from videoseg.text import well_formed
from videoseg.types.arrays import Frame
from videoseg.types.video import VideoSource

__all__ = ["SegmentationView", "segmentation_html", "show_segmentation"]

_STRIP_SIDE, _STRIP_BYTES = 320, 22_000
_CARD_FRAMES = 6
# A clip is embedded if it is short and its file small; a notebook keeps every byte of it.
_CLIP_SIDE, _CLIP_BYTES, _CLIP_FRAMES = 640, 4_000_000, 1500


@dataclass(frozen=True, slots=True)
class SegmentationView:
    """What ``Segmentation.show`` returns; a notebook shows it by itself.

    Args:
        html: The card, self-contained.
        text: The same in a few words, for consoles.
    """

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def segmentation_html(segmentation: Segmentation, *, max_frames: int = _CARD_FRAMES) -> str:
    """Return a compact card: query, answer, overlay pictures and reasoning.

    Works without the video too: the masks are then drawn on black, and the card says so.

    Args:
        segmentation: The result.
        max_frames: How many overlay pictures, at least 1.

    Raises:
        ConfigError: If ``max_frames`` is below 1.
    """
    return _card(segmentation, max_frames=max_frames, with_clip=False)


def show_segmentation(segmentation: Segmentation, *, max_frames: int = 8) -> SegmentationView:
    """Return a view with the playable overlay, or with pictures where that would be large.

    Args:
        segmentation: The result.
        max_frames: How many overlay pictures, at least 1.

    Raises:
        ConfigError: If ``max_frames`` is below 1.
    """
    html = _card(segmentation, max_frames=max_frames, with_clip=True)
    text = f"{shortened(segmentation.query, 80)!r}: {answer_sentence(segmentation)}"
    return SegmentationView(html, text)


def _card(segmentation: Segmentation, *, max_frames: int, with_clip: bool) -> str:
    if max_frames < 1:
        raise ConfigError(f"max_frames must be at least 1, got {max_frames}")
    notes = all_warnings(segmentation)
    source = segmentation.source
    frames = _chosen_frames(segmentation, max_frames)
    try:
        if source is not None and source.num_frames is None:
            source = None
        book = _pictures(segmentation, source, frames)
    except VideoError as error:
        notes.append(f"The video cannot be read any more ({error}).")
        source = None
        book = _pictures(segmentation, None, frames)
    clip = ""
    if with_clip and 1 < segmentation.video.num_frames <= _CLIP_FRAMES:
        try:
            clip = _clip(segmentation, source)
        except (OutputError, VideoError, MissingDependencyError) as error:
            notes.append(f"The clip cannot be shown ({error}).")
    if source is None:
        notes.append("The video was not at hand, so the masks are drawn on black.")
    chips = [name_chip(track.object_id, track.label) for track in segmentation.tracks[:12]]
    left = len(segmentation.tracks) - len(chips)
    page = Template(template_text("card.html")).substitute(
        style=template_text("card.css"),
        query=escape(shortened(segmentation.query.strip(), 300)),
        answer=escape(answer_sentence(segmentation)),
        chips=" ".join(chips) + (f" and {left} more" if left > 0 else ""),
        video=escape(shortened(video_line(segmentation.video), 200)),
        clip=clip,
        strip="".join(
            _strip_figure(picture, segmentation, on_black=source is None)
            for picture in (book.get(frame) for frame in frames)
            if picture is not None
        ),
        warnings="".join(f"<p class='vs-warn'>{escape(shortened(n, 300))}</p>" for n in notes[:8]),
        reasoning=_reasoning(segmentation),
    )
    return well_formed(page)


def _chosen_frames(segmentation: Segmentation, count: int) -> list[int]:
    total = segmentation.video.num_frames
    visible = sorted({f for track in segmentation.tracks for f in track.visible_frames})
    frames = spread(visible or range(total), count)
    keyframe = segmentation.grounding.keyframe
    if keyframe is not None and keyframe < total and keyframe not in frames:
        nearest = min(frames, key=lambda frame: abs(frame - keyframe))
        frames[frames.index(nearest)] = keyframe
    return sorted(frames)


def _pictures(
    segmentation: Segmentation, source: VideoSource | None, frames: list[int]
) -> PictureBook:
    book = PictureBook(dict.fromkeys(frames, _STRIP_SIDE))
    black = np.zeros((*segmentation.video.size, 3), np.uint8)
    for frame in frames:
        masks = {track.object_id: track.mask(frame) for track in segmentation.tracks}
        book.add(frame, black if source is None else source[frame], masks)
    return book


def _strip_figure(picture: Picture, segmentation: Segmentation, *, on_black: bool) -> str:
    caption = frame_time(segmentation.video, picture.frame)
    keyframe = " · keyframe" if picture.frame == segmentation.grounding.keyframe else ""
    size = (int(picture.image.shape[0]), int(picture.image.shape[1]))
    uri = overlay_uri(picture, segmentation, _STRIP_BYTES, on_black=on_black)
    return (
        f"<figure>{image_tag(uri, size, caption)}"
        f"<figcaption>{escape(caption)}{keyframe}</figcaption></figure>"
    )


def _clip(segmentation: Segmentation, source: VideoSource | None) -> str:
    """Return a playable video element, or nothing if the file would be too large."""
    from videoseg.video import VideoWriter

    facts = segmentation.video
    black = np.zeros((*facts.size, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "overlay.mp4"
        fps, times = clip_rate(facts, source)
        with VideoWriter(path, fps, timestamps=times, quality=26) as writer:
            for frame in range(facts.num_frames) if source is None else ():
                picture = _clip_picture(segmentation, frame, black)
                writer.write(numbered_overlay(picture, segmentation, on_black=True))
            for frame, image in () if source is None else source.iter_frames():
                picture = _clip_picture(segmentation, frame, image)
                writer.write(numbered_overlay(picture, segmentation, on_black=False))
        data = path.read_bytes()
    if len(data) > _CLIP_BYTES:
        return ""
    address = f"data:video/mp4;base64,{base64.b64encode(data).decode('ascii')}"
    return (
        f"<video controls loop muted playsinline src='{address}' "
        f"aria-label='The video with the masks drawn'></video>"
    )


def _clip_picture(segmentation: Segmentation, frame: int, image: Frame) -> Picture:
    masks = {track.object_id: track.mask(frame) for track in segmentation.tracks}
    return Picture(frame, image, masks, segmentation.video.size).fitted(_CLIP_SIDE)


def _reasoning(segmentation: Segmentation) -> str:
    turns = segmentation.trace.turns[:16]
    if not turns:
        thought = segmentation.grounding.thought
        if not (thought.text or thought.temporal or thought.spatial or thought.linguistic):
            return ""
        return f"<details><summary>Why</summary>{thought_html(thought)}</details>"
    parts = []
    for number, turn in enumerate(turns, start=1):
        window = frame_range(
            segmentation.video, turn.selection.window.start, turn.selection.window.stop
        )
        act = "answered" if turn.action == "answer" else "asked to see more"
        parts.append(
            f"<h5>Turn {number}: saw {len(turn.selection.indices)} of {escape(window)}, {act}"
            f"</h5>{thought_html(turn.thought)}"
        )
    return f"<details><summary>Why</summary>{''.join(parts)}</details>"
