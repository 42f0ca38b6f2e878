"""HTML views of a result for notebooks."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from videoseg._html import render
from videoseg.errors import ConfigError, MissingDependencyError, OutputError, VideoError
from videoseg.masks import Color
from videoseg.results.candidates import (
    candidate_frames,
    describe_comparison,
    describe_search,
)
from videoseg.results.colors import choose_colors
from videoseg.results.overlay import clip_rate
from videoseg.results.segmentation import Segmentation
from videoseg.results.thumbnails import Picture, PictureBook, embed_jpeg, include_frame, spread
from videoseg.results.wording import (
    collect_warnings,
    describe_answer,
    describe_judgement,
    describe_move,
    describe_object,
    describe_part,
    describe_selection,
    describe_thought,
    describe_untraced_thought,
    describe_video,
    find_visible_frames,
    format_frame,
)
from videoseg.text import shorten_text, well_formed
from videoseg.types import Frame, VideoSource

__all__ = ["SegmentationView", "segmentation_html", "show_segmentation"]

_STRIP_SIDE, _STRIP_BYTES = 320, 22_000
_CANDIDATE_FRAMES, _CANDIDATE_SIDE, _CANDIDATE_BYTES = 2, 560, 45_000
_CARD_FRAMES = 6
_CHIPS = 12
_WARNINGS = 8
_TURNS = 16
# A notebook stores every byte, so only a short clip with a small file is embedded.
_CLIP_SIDE, _CLIP_BYTES, _CLIP_FRAMES = 640, 4_000_000, 1500


@dataclass(frozen=True, slots=True)
class SegmentationView:
    """The return value of ``Segmentation.show``, which notebooks display.

    Args:
        html: The card, self-contained.
        text: A one-line summary for consoles.
    """

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def show_segmentation(segmentation: Segmentation, *, max_frames: int = 8) -> SegmentationView:
    """Return a view with a playable overlay, or pictures alone if its file would be large.

    Args:
        segmentation: The result.
        max_frames: How many overlay pictures, at least 1.

    Raises:
        ConfigError: If ``max_frames`` is below 1.
    """
    html = segmentation_html(segmentation, max_frames=max_frames, with_clip=True)
    text = f"{shorten_text(segmentation.query, 80)!r}: {describe_answer(segmentation)}"
    return SegmentationView(html, text)


def segmentation_html(
    segmentation: Segmentation, *, max_frames: int = _CARD_FRAMES, with_clip: bool = False
) -> str:
    """Return a compact card: query, answer, overlay pictures and reasoning.

    Without the video the masks are drawn on black, and the card says so.

    Args:
        segmentation: The result.
        max_frames: How many overlay pictures, at least 1.
        with_clip: Whether to include a playable overlay, if its file is not large.

    Raises:
        ConfigError: If ``max_frames`` is below 1.
    """
    if max_frames < 1:
        raise ConfigError(f"max_frames must be at least 1, got {max_frames}")
    problems = []
    source = segmentation.source
    frames = _choose_frames(segmentation, max_frames)
    try:
        if source is not None and source.num_frames is None:
            source = None
        book = _collect_pictures(segmentation, source, frames)
    except VideoError as error:
        problems.append(f"The video cannot be read any more ({error}).")
        source = None
        book = _collect_pictures(segmentation, None, frames)
    clip = ""
    if with_clip and 1 < len(segmentation.frames) <= _CLIP_FRAMES:
        try:
            clip = _encode_clip(segmentation, source, book.colors)
        except (OutputError, VideoError, MissingDependencyError) as error:
            problems.append(f"The clip cannot be shown ({error}).")
    on_black = source is None
    warnings = [*collect_warnings(segmentation, on_black=on_black), *problems]
    tracks = segmentation.tracks
    page = render(
        "card.html",
        query=shorten_text(segmentation.query.strip(), 300),
        answer=describe_answer(segmentation),
        status=segmentation.status,
        judgement=describe_judgement(segmentation),
        found=segmentation.found,
        objects=[describe_object(t.object_id, t.label, book.colors) for t in tracks[:_CHIPS]],
        more_objects=max(0, len(tracks) - _CHIPS),
        video=shorten_text(describe_video(segmentation.video), 200),
        part=shorten_text(describe_part(segmentation), 200),
        warnings=[shorten_text(text, 300) for text in warnings[:_WARNINGS]],
        clip=clip,
        frames=[
            _describe_picture(picture, segmentation, on_black=on_black)
            for frame in frames
            if (picture := book.get(frame)) is not None
        ],
        searched=describe_search(segmentation),
        comparison=describe_comparison(
            segmentation,
            book,
            most_frames=_CANDIDATE_FRAMES,
            side=_CANDIDATE_SIDE,
            max_bytes=_CANDIDATE_BYTES,
        ),
        turns=_describe_turns(segmentation),
        thought=describe_untraced_thought(segmentation),
    )
    return well_formed(page)


def _choose_frames(segmentation: Segmentation, count: int) -> list[int]:
    total = segmentation.video.num_frames
    frames = spread(find_visible_frames(segmentation) or segmentation.frames, count)
    keyframe = segmentation.grounding.keyframe
    if keyframe is not None and keyframe < total:
        frames = include_frame(frames, keyframe)
    return frames


def _collect_pictures(
    segmentation: Segmentation, source: VideoSource | None, frames: list[int]
) -> PictureBook:
    compared = candidate_frames(segmentation, _CANDIDATE_FRAMES)
    sides = dict.fromkeys(frames, _STRIP_SIDE) | dict.fromkeys(compared, _CANDIDATE_SIDE)
    book = PictureBook(sides, choose_colors(segmentation, source))
    black = np.zeros((*segmentation.video.size, 3), np.uint8)
    for frame in book.indices:
        masks = {track.object_id: track.mask(frame) for track in segmentation.tracks}
        book.add(frame, black if source is None else source[frame], masks)
    return book


def _describe_picture(
    picture: Picture, segmentation: Segmentation, *, on_black: bool
) -> dict[str, Any]:
    caption = format_frame(segmentation.video, picture.frame)
    image = picture.fitted(_STRIP_SIDE).draw(segmentation.object_ids, on_black=on_black)
    keyframe = " · keyframe" if picture.frame == segmentation.grounding.keyframe else ""
    return {
        "picture": embed_jpeg(image, _STRIP_BYTES, caption),
        "caption": caption + keyframe,
    }


def _encode_clip(
    segmentation: Segmentation, source: VideoSource | None, colors: Mapping[int, Color]
) -> str:
    """Return the overlay as a ``data:`` URI, or nothing if the file would be too large."""
    from videoseg.video import VideoWriter

    facts = segmentation.video
    frames: Iterable[tuple[int, Frame]]
    if source is None:
        black = np.zeros((*facts.size, 3), np.uint8)
        frames = ((frame, black) for frame in segmentation.frames)
    else:
        answered = segmentation.frames
        whole = source.iter_frames(answered.start, answered.stop)
        frames = ((frame, image) for frame, image in whole if frame in answered)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "overlay.mp4"
        fps, times = clip_rate(facts, source, segmentation.frames)
        with VideoWriter(path, fps, timestamps=times, quality=26) as writer:
            for frame, image in frames:
                masks = {track.object_id: track.mask(frame) for track in segmentation.tracks}
                picture = Picture(frame, image, masks, colors).fitted(_CLIP_SIDE)
                writer.write(picture.draw(segmentation.object_ids, on_black=source is None))
        data = path.read_bytes()
    if len(data) > _CLIP_BYTES:
        return ""
    return f"data:video/mp4;base64,{base64.b64encode(data).decode('ascii')}"


def _describe_turns(segmentation: Segmentation) -> list[dict[str, Any]]:
    turns = []
    for number, turn in enumerate(segmentation.trace.turns[:_TURNS], start=1):
        shown = describe_selection(segmentation.video, turn.selection)
        turns.append(
            {
                "number": number,
                "summary": f"saw {shown}, {describe_move(segmentation, turn)}",
                "thought": describe_thought(turn.thought),
                "stop_reason": shorten_text(turn.stop_reason, 300),
            }
        )
    return turns
