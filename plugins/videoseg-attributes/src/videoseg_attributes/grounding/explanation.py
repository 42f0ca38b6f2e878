"""The grounder's explanations: which words it used, what it measured, and its warnings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from videoseg.types import Prompt, Window
from videoseg_attributes.grounding.language import ASKS_HOW_MANY, MAX_WORDS, QueryPlan
from videoseg_attributes.grounding.measured_survey import MeasuredSurvey
from videoseg_attributes.grounding.measurements import MeasuredCandidate
from videoseg_attributes.grounding.resolution import Aspect, Choice, Resolution

if TYPE_CHECKING:
    from videoseg_attributes.regions.survey import Survey

__all__ = [
    "PLAUSIBLE",
    "STILL",
    "describe_box",
    "describe_closer_look",
    "describe_placement",
    "describe_plan",
    "describe_survey",
    "explain_shortage",
    "explain_unjudged",
    "has_plausible",
    "join_texts",
    "make_label",
    "make_warnings",
    "select_texts",
    "tidy_words",
]

PLAUSIBLE = 0.5
"""Candidates that are less plausibly an object are treated as background."""

STILL = "a single frame does not show how something moves; ask about a longer part of the video"
"""What to tell where motion is asked about and only one frame was seen."""

_LABEL_LENGTH = 60
_ADVICE = (
    "describe the object in English by color, size, place, motion, time or number, such as "
    "'the red one on the left', or use the pipeline 'names' or one with a language model"
)
_COUNT_THEM = "to count objects, ask for all of them, such as 'the red ones'; else"
_ADVICE_WITH_NAMES = (
    "describe the object in English by names that the detector knows, color, size, place, motion, "
    "time or number, such as 'the red car on the left', or use a pipeline with a language model"
)


def describe_plan(plan: QueryPlan) -> str:
    """Return which words were used, how many objects are wanted, and which words were ignored."""
    used = ", ".join(f'"{words}"' for words in plan.used_words)
    count = plan.target.number.count
    parts = [f"Words used: {used}." if used else "No word of the query can be used."]
    if count != 1:
        parts.append(
            "All that match are wanted." if count is None else f"{count} objects are wanted."
        )
    if plan.ignored:
        listed = "; ".join(f'"{item.words}" ({item.why})' for item in plan.ignored[:6])
        parts.append(f"Words ignored: {listed}.")
    return " ".join(parts)


def make_warnings(
    plan: QueryPlan,
    resolution: Resolution,
    measured: MeasuredSurvey,
    *,
    unseen_in: Window | None = None,
    with_names: bool = False,
) -> tuple[str, ...]:
    """Return what the user should know about an answer, and what to do.

    Args:
        plan: The query.
        resolution: What it was found to refer to.
        measured: What was seen.
        unseen_in: The range that was asked about, if only a part of it was seen and the rest
            could change the answer.
        with_names: Whether a detector judges nouns.
    """
    warnings = []
    if plan.truncated:
        warnings.append(f"the query is too long; only its first {MAX_WORDS} words were read")
    if problem := explain_unjudged(plan, found=bool(resolution.choices), with_names=with_names):
        warnings.append(problem)
    warnings += explain_shortage(plan, resolution)
    if resolution.doubtful:
        warnings.append("nothing matches the query well; the closest match is returned")
    if plan.contradicts_itself and not resolution.choices:
        warnings.append(
            "the query contradicts itself as it was read; say in which direction, or what comes "
            "first, such as 'the object that moves left, then right'"
        )
    if resolution.ran_out:
        warnings.append(
            "fewer objects were seen than the query counts through; there may be more, which do "
            "not stand out"
        )
    if not measured.candidates:
        warnings.append(
            "no candidate objects were found; there may be objects that do not stand out"
        )
    elif not has_plausible(measured):
        warnings.append(
            "what was found may be background only; there may be objects that do not stand out"
        )
    if plan.speaks_of_motion and len(measured.survey.window) < 2:
        warnings.append(STILL)
    if unseen_in is not None:
        warnings.append(_explain_unseen(measured.survey.window, unseen_in))
    return tuple(warnings)


def explain_shortage(plan: QueryPlan, resolution: Resolution) -> list[str]:
    """Return what of several objects that a query asks for is not in the answer."""
    if not resolution.choices:
        return []
    if resolution.missing:
        words = ", ".join(f'"{tidy_words(words)}"' for words in resolution.missing)
        return [f"nothing was found that matches {words}; the answer is the rest"]
    if resolution.enough:
        return []
    count = plan.target.number.count
    if plan.target.alternatives or count is None:
        return [f"the query asks for more objects than the {len(resolution.choices)} that match"]
    return [f"the query asks for {count} objects, but only {len(resolution.choices)} match"]


def _explain_unseen(seen: Window, asked: Window) -> str:
    """Return that only a part was seen, and a range of the rest that can be asked about."""
    before, after = seen.start - asked.start, asked.stop - seen.stop
    if after >= before:
        start, stop = seen.stop, min(asked.stop, seen.stop + len(seen))
    else:
        start, stop = max(asked.start, seen.start - len(seen)), seen.start
    return (
        f"only frames {seen.start} to {seen.stop - 1} were looked at, which may not show the "
        f"object that is meant; ask about a part of the video, such as frames {start} to "
        f"{stop - 1}: cut that part out first, or pass video[{start}:{stop}] in Python"
    )


def has_plausible(measured: MeasuredSurvey) -> bool:
    """Return whether anything was seen that is not treated as background."""
    return any(candidate.plausibility >= PLAUSIBLE for candidate in measured.candidates)


def explain_unjudged(plan: QueryPlan, *, found: bool, with_names: bool = False) -> str:
    """Return what of a query cannot be judged, what was done, and what to do instead.

    Args:
        plan: The query.
        found: Whether there is an answer.
        with_names: Whether a detector judges nouns.
    """
    if plan.judged_wholly:
        return ""
    if plan.objection:
        problem = f"the query {plan.objection}"
    elif plan.ignored:
        words = ", ".join(f'"{item.words}"' for item in plan.ignored[:8])
        problem = f"the grounder 'attributes' does not understand {words}"
    elif plan.truncated:
        return ""
    else:
        problem = "the query says nothing that tells one object from another"
    is_one = plan.target.number.count == 1
    stands_out = "is the most salient object" if is_one else "is what stands out"
    basis = "uses the rest of the query" if plan.target.understood else stands_out
    done = f"; the answer {basis}" if found else ""
    count = f" {_COUNT_THEM}" if plan.objection == ASKS_HOW_MANY else ""
    return f"{problem}{done};{count} {_ADVICE_WITH_NAMES if with_names else _ADVICE}"


def describe_survey(survey: Survey, candidates: Sequence[MeasuredCandidate]) -> str:
    """Return which frames were surveyed and which candidates were found."""
    window = survey.window
    listed = "; ".join(
        f"{candidate.name} on frames {int(candidate.frames[candidate.first])} to "
        f"{int(candidate.frames[candidate.last])}, saliency {candidate.saliency:.2f}"
        + ("" if candidate.plausibility >= PLAUSIBLE else ", treated as background")
        for candidate in candidates
    )
    return (
        f"Surveyed {len(survey.frames)} of frames {window.start} to {window.stop - 1}: "
        f"{listed or 'no candidates'}."
    )


def describe_closer_look(dense: MeasuredSurvey, choices: Sequence[Choice]) -> str:
    """Return what a closer look showed of the chosen candidates."""
    window = dense.survey.window
    parts = []
    for choice in choices:
        candidate = choice.candidate
        parts.append(
            f"the object is {candidate.name} there, visible on frames "
            f"{int(candidate.frames[candidate.first])} to {int(candidate.frames[candidate.last])}"
        )
    return f"A closer look at frames {window.start} to {window.stop - 1}: {'; '.join(parts)}."


def select_texts(resolution: Resolution, aspect: Aspect) -> list[str]:
    """Return the observations that belong to one kind of reasoning."""
    return [f"{item.text}." for item in resolution.observations if item.aspect == aspect]


def join_texts(*texts: str) -> str:
    """Join the texts that are not empty."""
    return " ".join(text for text in texts if text)


def describe_placement(
    prompts: Sequence[Prompt], choices: Sequence[Choice], *, closer: bool
) -> str:
    """Return where each object was found, and which candidate it is.

    Args:
        prompts: One for each object; an id is the object's place in the choices, from 1.
        choices: What was chosen.
        closer: Whether the candidates are those of a closer look, which numbers them anew.
    """
    look = " of the closer look" if closer else ""
    return " ".join(
        f"Object {prompt.object_id} is {choices[prompt.object_id - 1].candidate.name}{look}, "
        f"on frame {prompt.frame}: {describe_box(prompt.box.as_tuple()) if prompt.box else ''}, "
        f"score {prompt.score:.2f}."
        for prompt in prompts
        if prompt.score is not None
    )


def describe_box(corners: tuple[float, float, float, float]) -> str:
    """Return a box in words."""
    x1, y1, x2, y2 = corners
    return f"x {x1:.0f} to {x2:.0f}, y {y1:.0f} to {y2:.0f}"


def tidy_words(words: str) -> str:
    """Return words of a query without the spaces that the parser put before signs.

    Example:
        >>> tidy_words("the person , not the dog .")
        'the person, not the dog'
    """
    return re.sub(r"\s+([,;.!?:)])", r"\1", words).replace("( ", "(").rstrip(" ,;.!?:")


def make_label(plan: QueryPlan, words: str = "") -> str:
    """Return what an object is called in messages and pictures.

    Args:
        plan: The query.
        words: Which of several descriptions in it the object is; empty if it is one description.
    """
    words = tidy_words(words or plan.target.words or plan.text)
    words = words.removeprefix("the ").removeprefix("a ").removeprefix("an ")
    return words[:_LABEL_LENGTH]
