"""The words in which the grounder tells what it judged and found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from videoseg.types import Prompt
from videoseg_attributes.grounding.language import QueryPlan
from videoseg_attributes.grounding.measured_survey import MeasuredSurvey
from videoseg_attributes.grounding.measurements import MeasuredCandidate
from videoseg_attributes.grounding.reference_resolution import Aspect, Choice, Resolution

if TYPE_CHECKING:
    from videoseg_attributes.regions.survey import Survey

__all__ = [
    "PLAUSIBLE",
    "describe_box",
    "describe_closer_look",
    "describe_placement",
    "describe_plan",
    "describe_survey",
    "join_texts",
    "make_label",
    "make_warnings",
    "select_texts",
]

PLAUSIBLE = 0.5
"""What is less plausibly an object is taken for background."""

_LABEL_LENGTH = 60


def describe_plan(plan: QueryPlan) -> str:
    """Say which words are judged, how many are meant, and what is left out and why."""
    judged = ", ".join(f'"{words}"' for words in plan.judged_words)
    count = plan.target.number.count
    parts = [f"Judged: {judged}." if judged else "Nothing in the sentence can be judged."]
    if count != 1:
        parts.append("All that fit are meant." if count is None else f"{count} are meant.")
    if plan.unjudged:
        listed = "; ".join(f'"{item.words}" ({item.why})' for item in plan.unjudged[:6])
        parts.append(f"Not judged: {listed}.")
    return " ".join(parts)


def make_warnings(
    plan: QueryPlan, resolution: Resolution, measured: MeasuredSurvey
) -> tuple[str, ...]:
    """Return what the user should know about an answer."""
    warnings = []
    if plan.truncated:
        warnings.append("the query is very long; only its beginning was read")
    if plan.unjudged:
        words = ", ".join(f'"{item.words}"' for item in plan.unjudged[:8])
        rest = "the rest" if plan.target.judged else "no part of the query"
        warnings.append(
            f"words the grounder 'attributes' cannot judge: {words}; the answer rests on {rest}"
            + ("" if plan.target.judged else " and is simply what stands out most")
        )
    if resolution.choices and not resolution.enough:
        warnings.append(
            f"the query asks for {plan.target.number.count} objects, "
            f"only {len(resolution.choices)} fit"
        )
    if resolution.doubtful:
        warnings.append("nothing fits the query well; the nearest candidate is given")
    if not measured.tracks:
        warnings.append("the survey found no candidate at all")
    return tuple(warnings)


def describe_survey(survey: Survey, tracks: Sequence[MeasuredCandidate]) -> str:
    """Say which frames were surveyed and what was found there."""
    window = survey.window
    listed = "; ".join(
        f"{track.name} on frames {int(track.frames[track.first])}-"
        f"{int(track.frames[track.last])}, saliency {track.saliency:.2f}"
        + ("" if track.plausibility >= PLAUSIBLE else ", taken for background")
        for track in tracks
    )
    return (
        f"Surveyed {len(survey.frames)} of frames {window.start}-{window.stop - 1}: "
        f"{listed or 'no candidates'}."
    )


def describe_closer_look(dense: MeasuredSurvey, choices: Sequence[Choice]) -> str:
    """Say what a closer look showed of the chosen candidates."""
    window = dense.survey.window
    parts = []
    for choice in choices:
        track = choice.track
        parts.append(
            f"it is {track.name} there, seen on frames {int(track.frames[track.first])}-"
            f"{int(track.frames[track.last])}"
        )
    return f"A closer look at frames {window.start}-{window.stop - 1}: {'; '.join(parts)}."


def select_texts(resolution: Resolution, aspect: Aspect) -> list[str]:
    """Return the observations that belong to one kind of reasoning."""
    return [f"{item.text}." for item in resolution.observations if item.aspect == aspect]


def join_texts(*texts: str) -> str:
    """Join the texts that are not empty."""
    return " ".join(text for text in texts if text)


def describe_placement(
    prompts: Sequence[Prompt], choices: Sequence[Choice], *, closer: bool
) -> str:
    """Say where each object was localized, and which candidate it is.

    Args:
        prompts: One for each object; an id is the object's place in the choices, from 1.
        choices: What was chosen.
        closer: Whether the candidates are those of a closer look, which counts anew.
    """
    look = " of the closer look" if closer else ""
    return " ".join(
        f"Object {prompt.object_id} is {choices[prompt.object_id - 1].track.name}{look}, on frame "
        f"{prompt.frame}: {describe_box(prompt.box.as_tuple()) if prompt.box else ''}, "
        f"score {prompt.score:.2f}."
        for prompt in prompts
        if prompt.score is not None
    )


def describe_box(corners: tuple[float, float, float, float]) -> str:
    """Write a box for people."""
    x1, y1, x2, y2 = corners
    return f"x {x1:.0f} to {x2:.0f}, y {y1:.0f} to {y2:.0f}"


def make_label(plan: QueryPlan) -> str:
    """Return what the objects are called in messages and pictures."""
    words = plan.target.words or plan.text
    words = words.removeprefix("the ").removeprefix("a ").removeprefix("an ")
    return words[:_LABEL_LENGTH]
