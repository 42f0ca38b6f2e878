"""The sections of ``report.html``, each as a piece of HTML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from html import escape

from videoseg.results.overlay import FILL_OPACITY, ON_BLACK, draw_masks, draw_prompts
from videoseg.results.report.wording import (
    counted,
    frame_range,
    frame_time,
    joined,
    name_chip,
    shortened,
    text_block,
    visible_runs,
)
from videoseg.results.segmentation import Segmentation
from videoseg.results.thumbnails import Picture, PictureBook, jpeg_data_uri, scaled_prompt
from videoseg.text import seconds_text
from videoseg.types import Prompt, Thought
from videoseg.types.arrays import Frame, Size
from videoseg.types.episode import TraceTurn

__all__ = [
    "PICTURE_SIDE",
    "image_tag",
    "keyframe_section",
    "numbered_overlay",
    "objects_table",
    "overlay_uri",
    "run_section",
    "thought_html",
    "turn_html",
]

PICTURE_SIDE = 640
"""Large pictures have at least this many pixels on their longest side, so that lines and names
drawn on a small video stay crisp."""

_TABLE_ROWS = 60
_TEXT_LIMIT = 6000


def image_tag(uri: str, size: Size, text: str) -> str:
    """Return an image element; the browser can lay the page out before it is decoded."""
    return f"<img src='{uri}' width='{size[1]}' height='{size[0]}' alt='{escape(text)}'>"


def overlay_uri(
    picture: Picture, segmentation: Segmentation, max_bytes: int, *, on_black: bool
) -> str:
    """Return a picture with all masks drawn, as a data address."""
    return jpeg_data_uri(numbered_overlay(picture, segmentation, on_black=on_black), max_bytes)


def numbered_overlay(picture: Picture, segmentation: Segmentation, *, on_black: bool) -> Frame:
    """Return a picture with all masks drawn; of several objects, each with its number.

    The names stand in colored chips beside the pictures. In the pictures they would hide what
    is next to an object, and nobody could read them where the pictures are small.
    """
    tracks = segmentation.tracks
    return draw_masks(
        picture.image,
        picture.masks,
        labels={track.object_id: str(track.object_id) for track in tracks},
        opacity=ON_BLACK if on_black else FILL_OPACITY,
        tags=len(tracks) > 1,
    )


def objects_table(segmentation: Segmentation) -> str:
    """Return what is known of each object, as a table; nothing if there are none."""
    facts = segmentation.video
    scores = {
        prompt.object_id: prompt.score
        for prompt in segmentation.grounding.prompts
        if prompt.score is not None
    }
    rows = []
    for track in segmentation.tracks[:_TABLE_ROWS]:
        areas = track.areas
        largest = max(range(len(areas)), key=areas.__getitem__, default=0)
        share = 100 * areas[largest] / (track.size[0] * track.size[1]) if areas else 0.0
        runs = [frame_range(facts, *run) for run in visible_runs(track)]
        score = scores.get(track.object_id)
        cells = [
            joined(runs, 3) or "never",
            f"{share:.2g} % of frame {largest}" if share else "–",  # noqa: RUF001
            "–" if score is None else f"{score:.2f}",  # noqa: RUF001
        ]
        rows.append(
            f"<tr><th scope='row'>{name_chip(track.object_id, track.label)}</th>"
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
        )
    if not rows:
        return ""
    left_out = len(segmentation.tracks) - _TABLE_ROWS
    more = (
        f"<p class='note'>{left_out} more objects are in result.json.</p>" if left_out > 0 else ""
    )
    return (
        "<div class='wide'><table><thead><tr><th scope='col'>Object</th>"
        "<th scope='col'>Visible</th><th scope='col'>Largest mask</th>"
        "<th scope='col'>Fits the query</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>{more}"
    )


def turn_html(
    segmentation: Segmentation,
    turn: TraceTurn,
    number: int,
    shown: list[int],
    book: PictureBook,
    *,
    on_black: bool,
    max_bytes: int,
) -> str:
    """Return one turn: the frames it looked at beside what was thought and done."""
    facts, selection = segmentation.video, turn.selection
    figures = []
    for index in shown:
        if (picture := book.get(index)) is None:
            continue
        small = picture.fitted(240)
        image = small.image
        if on_black:
            image = draw_masks(image, small.masks, opacity=ON_BLACK, tags=False)
        role = " class='keyframe'" if index == selection.keyframe else ""
        note = " · keyframe" if index == selection.keyframe else ""
        tag = image_tag(
            jpeg_data_uri(image, max_bytes),
            (image.shape[0], image.shape[1]),
            f"{frame_time(facts, index)}, as turn {number} saw it",
        )
        figures.append(
            f"<figure{role}>{tag}<figcaption>{frame_time(facts, index)}{note}"
            "</figcaption></figure>"
        )
    left_out = len(selection.indices) - len(shown)
    if left_out > 0:
        figures.append(f"<p class='note'>and {counted(left_out, 'more frame')}</p>")
    window = frame_range(facts, selection.window.start, selection.window.stop)
    if len(selection.window) >= facts.num_frames:
        window = "the whole video"
    seen = f"{counted(len(selection.indices), 'frame')} out of {window}"
    if facts.num_frames == 1:
        seen = "the picture"
    sure = "" if selection.confidence is None else f" Confidence {selection.confidence:.2f}."
    reason = escape(shortened(selection.reason, 600))
    return (
        f"<article class='turn'><h3>Turn {number}: {_action(segmentation, turn)}</h3>"
        f"<div class='turn-body'><div class='seen'><p class='note'>Saw {seen}.{sure}"
        f" {reason}</p><div class='thumbs'>{''.join(figures)}</div></div>"
        f"<div class='thought'>{thought_html(turn.thought)}"
        f"<p class='note'>{_effort(turn)}</p></div></div></article>"
    )


def thought_html(thought: Thought) -> str:
    """Return the reasoning: its parts where the model told them apart, else the whole."""
    parts = [
        (name, text)
        for name, text in (
            ("Temporal", thought.temporal),
            ("Spatial", thought.spatial),
            ("Linguistic", thought.linguistic),
        )
        if text.strip()
    ]
    if not parts:
        return text_block(thought.text, _TEXT_LIMIT) or "<p class='note'>No reasoning given.</p>"
    html = "".join(
        f"<div class='part'><h4>{name}</h4>{text_block(text, _TEXT_LIMIT)}</div>"
        for name, text in parts
    )
    if thought.text.strip() and thought.text.strip() not in {text.strip() for _, text in parts}:
        whole = text_block(thought.text, _TEXT_LIMIT)
        html += f"<details><summary>The whole reasoning</summary>{whole}</details>"
    return html


def _action(segmentation: Segmentation, turn: TraceTurn) -> str:
    if turn.action == "answer":
        count = len(segmentation.grounding.object_ids)
        return f"answered with {counted(count, 'object')}" if count else "answered “not here”"
    if turn.look_window is None:
        return "asked to look again"
    asked = frame_range(segmentation.video, turn.look_window.start, turn.look_window.stop)
    if turn.look_keyframe is not None:
        asked += f", keyframe {turn.look_keyframe}"
    return f"asked for {asked}"


def _effort(turn: TraceTurn) -> str:
    parts = [
        f"{stage} {seconds_text(seconds)}"
        for stage, seconds in (
            ("sampler", turn.sampler_seconds),
            ("grounder", turn.grounder_seconds),
        )
        if seconds > 0
    ]
    if turn.thought.num_tokens is not None:
        parts.append(counted(turn.thought.num_tokens, "token"))
    return " · ".join(parts)


def keyframe_section(
    segmentation: Segmentation, frames: list[int], book: PictureBook, max_bytes: int
) -> str:
    """Return the frames on which objects were localised, with their prompts drawn."""
    facts = segmentation.video
    figures = []
    for frame in frames:
        if (picture := book.get(frame)) is None:
            continue
        picture = picture.enlarged(PICTURE_SIDE)
        size = (int(picture.image.shape[0]), int(picture.image.shape[1]))
        here = [prompt for prompt in segmentation.grounding.prompts if prompt.frame == frame]
        image = draw_prompts(
            picture.image,
            [
                replace(scaled_prompt(prompt, facts.size, size), label=str(prompt.object_id))
                for prompt in here
            ],
            tags=len(segmentation.grounding.object_ids) > 1,
        )
        rows = "".join(f"<li>{_prompt_text(prompt)}</li>" for prompt in here[:_TABLE_ROWS])
        text = f"Prompts of {counted(len(here), 'object')} on {frame_time(facts, frame)}"
        figures.append(
            f"<figure class='prompts'>{image_tag(jpeg_data_uri(image, max_bytes), size, text)}"
            f"<figcaption><p>{escape(text)}</p><ul>{rows}</ul></figcaption></figure>"
        )
    others = len({prompt.frame for prompt in segmentation.grounding.prompts}) - len(figures)
    if others > 0:
        more = f"Prompts on {counted(others, 'more frame')} are in result.json."
        figures.append(f"<p class='note'>{more}</p>")
    return "".join(figures)


def _prompt_text(prompt: Prompt) -> str:
    said = []
    if prompt.box is not None:
        x1, y1, x2, y2 = (f"{value:.0f}" for value in prompt.box.as_tuple())
        said.append(f"box ({x1}, {y1}) to ({x2}, {y2})")
    if prompt.points:
        said.append(
            "on it " + joined([f"({point.x:.0f}, {point.y:.0f})" for point in prompt.points], 4)
        )
    if prompt.negative_points:
        spots = [f"({point.x:.0f}, {point.y:.0f})" for point in prompt.negative_points]
        said.append("not on it " + joined(spots, 4))
    if prompt.mask is not None:
        said.append(f"mask of {counted(prompt.mask.area, 'pixel')}")
    if prompt.embedding is not None:
        said.append(f"embedding of {shortened(prompt.embedding.model, 60)}")
    if prompt.score is not None:
        said.append(f"score {prompt.score:.2f}")
    return f"{name_chip(prompt.object_id, prompt.label)} {escape('; '.join(said))}"


def run_section(segmentation: Segmentation) -> str:
    """Return the timings as a bar, and how the run can be repeated."""
    facts = segmentation.video
    head = [
        ("Seed", str(segmentation.seed)),
        ("Device", segmentation.device),
        ("Video", facts.path or "given as arrays"),
        ("Reader", facts.reader),
    ]
    lines = "".join(
        f"<tr><th scope='row'>{escape(shortened(name, 80))}</th>"
        f"<td>{escape(shortened(value, 400))}</td></tr>"
        for name, value in [*head, *sorted(segmentation.versions.items())[:80]]
    )
    pipeline = ""
    if segmentation.pipeline:
        text = shortened(_as_yaml(segmentation.pipeline), 20_000)
        pipeline = f"<h4>Pipeline</h4><pre>{escape(text)}</pre>"
    return (
        f"{_timing_bar(segmentation.timings)}<details><summary>Versions, configuration, seed"
        f"</summary><div class='wide'><table class='facts'><tbody>{lines}</tbody></table></div>"
        f"{pipeline}</details>"
    )


def _as_yaml(pipeline: Mapping[str, object]) -> str:
    import yaml

    plain = json.loads(json.dumps(pipeline, default=str))
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def _timing_bar(timings: Mapping[str, float]) -> str:
    parts = {name: value for name, value in timings.items() if 0 < value < float("inf")}
    total = parts.pop("total", 0.0)
    total = max(total, sum(parts.values()))
    if total > 1.01 * sum(parts.values()):
        parts["everything else"] = total - sum(parts.values())
    whole = total
    if whole <= 0:
        return ""
    pieces, legend = [], []
    for place, (name, value) in enumerate(list(parts.items())[:12]):
        text = f"{shortened(name, 40)} {seconds_text(value)}"
        pieces.append(
            f"<span class='piece p{place % 6}' style='width:{100 * value / whole:.2f}%' "
            f"title='{escape(text)}'></span>"
        )
        legend.append(f"<li><span class='dot p{place % 6}'></span>{escape(text)}</li>")
    return (
        f"<p>{seconds_text(total)} in all</p><div class='bar' aria-hidden='true'>"
        f"{''.join(pieces)}</div><ul class='legend'>{''.join(legend)}</ul>"
    )
