"""From chosen tracks to a grounding that carries their masks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from videoseg import Grounding, Prompt, Thought
from videoseg.types import AnswerStatus, Candidate, Comparison
from videoseg_tracks.tracks import Track, TrackPool

__all__ = ["Answer", "compare_tracks", "describe_pool", "list_tracks", "make_answer"]

Answer: TypeAlias = Literal["tracks", "keyframe"]
"""What a grounding carries: the masks of all frames, or that of each object's clearest frame."""


def make_answer(
    chosen: Sequence[Track],
    *,
    status: AnswerStatus,
    thought: Thought,
    answer: Answer = "tracks",
    warnings: Sequence[str] = (),
    confidence: float | None = None,
    judged: Sequence[str] = (),
    unjudged: Sequence[str] = (),
    stop_reason: str = "",
    comparison: Comparison | None = None,
) -> Grounding:
    """Return a grounding of the chosen tracks; the number of a track becomes the object's id.

    Args:
        chosen: The tracks.
        status: ``answered``, ``guessed`` or ``absent``.
        thought: The reasoning.
        answer: Whether it carries all masks or one for each object.
        warnings: What the user should know.
        confidence: In [0, 1], if known.
        judged: Words of the query that were judged.
        unjudged: Words that were not.
        stop_reason: Why there is no further round.
        comparison: How the tracks compare, as candidates with their numbers.
    """
    keyframe = max(chosen, key=_largest_area).clearest if chosen else None
    prompts = tuple(prompt for track in chosen for prompt in _prompts_of(track, answer))
    return Grounding(
        keyframe,
        prompts,
        thought,
        confidence=confidence,
        warnings=tuple(dict.fromkeys(warnings)),
        status=status,
        judged=tuple(judged),
        unjudged=tuple(unjudged),
        stop_reason=stop_reason,
        comparison=comparison,
    )


def compare_tracks(
    tracks: Sequence[Track], chosen: Collection[int], verdicts: Mapping[int, str]
) -> Comparison:
    """Return tracks as the candidates of an answer, each on the frame that shows it best.

    Args:
        tracks: All that were followed.
        chosen: The numbers of those of the answer.
        verdicts: By number, what was said of a track.
    """
    candidates = []
    for track in tracks:
        number, frame = track.track_id, track.clearest
        if (box := track.box(frame)) is not None:
            taken = number if number in chosen else None
            verdict = verdicts.get(number, "")
            candidates.append(
                Candidate(number, frame, box, object_id=taken, label=track.name, verdict=verdict)
            )
    return Comparison(tuple(candidates))


def list_tracks(tracks: Sequence[Track]) -> list[dict[str, Any]]:
    """Return the facts about each track that a trace keeps, JSON-serializable."""
    facts: list[dict[str, Any]] = []
    for track in tracks:
        box = track.box(track.clearest)
        facts.append(
            {
                "id": track.track_id,
                "name": track.name,
                "score": round(track.score, 4),
                "num_detections": track.num_detections,
                "visible": [[one.start, one.stop] for one in track.visible_ranges()],
                "clearest": track.clearest,
                "box": None if box is None else [round(value, 1) for value in box.as_tuple()],
            }
        )
    return facts


def describe_pool(pool: TrackPool) -> str:
    """Return in a sentence what was looked for and found."""
    known = [name for name in pool.names if name not in pool.unknown_names]
    told = f"Looked for {', '.join(known) or 'nothing'}; "
    if pool.unknown_names:
        told += f"not known: {', '.join(dict.fromkeys(pool.unknown_names))}; "
    if not pool.tracks:
        return f"{told}nothing was found."
    found = ", ".join(f"{track.track_id} ({track.name})" for track in pool.tracks)
    return f"{told}followed {found}."


def _largest_area(track: Track) -> int:
    return track.areas[track.clearest]


def _prompts_of(track: Track, answer: Answer) -> Iterator[Prompt]:
    masks: Mapping[int, Any] = track.masks
    frames = track.frames if answer == "tracks" else (track.clearest,)
    for frame in frames:
        # A box for the reports, which draw prompts; on one frame, to keep results small.
        box = track.box(frame) if frame == track.clearest else None
        # No score: that of a track says how well it fits its name, not the query.
        yield Prompt(track.track_id, frame, box=box, mask=masks[frame], label=track.name)
