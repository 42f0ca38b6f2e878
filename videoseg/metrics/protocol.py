"""How a benchmark turns masks into numbers, written down so that numbers can be compared."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from videoseg.errors import ConfigError
from videoseg.text import shorten

__all__ = ["MEASURES", "MEASURE_NAMES", "EvalProtocol", "Measure", "measure_name"]

Measure: TypeAlias = Literal[
    "j",
    "f",
    "j_and_f",
    "j_recall",
    "f_recall",
    "j_decay",
    "f_decay",
    "robustness",
    "accuracy",
    "tiou",
    "viou",
    "giou",
    "ciou",
    "precision_at_50",
    "window_iou",
    "window_recall_at_30",
    "window_recall_at_50",
    "window_recall_at_70",
    "no_target_accuracy",
    "target_accuracy",
]

MEASURES: dict[str, str] = {
    "j": "region similarity J: mean IoU of the frames",
    "f": "boundary accuracy F: mean over the frames",
    "j_and_f": "J&F: the mean of J and F",
    "j_recall": "share of frames with J above 0.5",
    "f_recall": "share of frames with F above 0.5",
    "j_decay": "mean J of the first quarter of the frames minus that of the last",
    "f_decay": "mean F of the first quarter of the frames minus that of the last",
    "robustness": "R: 1 minus false positives relative to all annotated foreground",
    "accuracy": "A: share of pixels labelled right",
    "tiou": "overlap in time: IoU of the frames that show the object",
    "viou": "IoU in space summed over the frames both show, divided by the frames either shows",
    "giou": "mean IoU of the samples",
    "ciou": "summed intersection divided by summed union",
    "precision_at_50": "share of samples with IoU of at least 0.5",
    "window_iou": "mIoU: mean IoU of predicted and true window",
    "window_recall_at_30": "R@0.3: share of windows with IoU of at least 0.3",
    "window_recall_at_50": "R@0.5: share of windows with IoU of at least 0.5",
    "window_recall_at_70": "R@0.7: share of windows with IoU of at least 0.7",
    "no_target_accuracy": "share of samples without a target that were answered with none",
    "target_accuracy": "share of samples with a target that were answered with one",
}
"""Every measure a protocol can report, with what it means."""

MEASURE_NAMES: dict[str, str] = {
    "j_and_f": "J&F",
    "j": "J",
    "f": "F",
    "j_recall": "J recall",
    "f_recall": "F recall",
    "j_decay": "J decay",
    "f_decay": "F decay",
    "robustness": "R",
    "accuracy": "A",
    "tiou": "tIoU",
    "viou": "vIoU",
    "giou": "gIoU",
    "ciou": "cIoU",
    "precision_at_50": "P@0.5",
    "window_iou": "mIoU of windows",
    "window_recall_at_30": "R@0.3",
    "window_recall_at_50": "R@0.5",
    "window_recall_at_70": "R@0.7",
    "no_target_accuracy": "N-acc",
    "target_accuracy": "T-acc",
}
"""Names of the measures in tables, as papers have them."""

_PRINTED = ("frames", "start", "objects", "matching", "missing", "resolution", "overall")
# Most protocols do without these; they are printed where they are set.
_PRINTED_IF_SET = ("true_objects", "overlaps", "void")


@dataclass(frozen=True, slots=True)
class EvalProtocol:
    """The rules of one benchmark; printed with every report.

    Args:
        name: What ``videoseg score --protocol`` calls it.
        measures: What is reported, in order.
        frames: Which annotated frames count: ``all``, or ``inner`` (without the first and the
            last, as DAVIS semi-supervised has it).
        start: ``first-frame``: a frame counts whether or not the object has appeared;
            ``first-appearance``: from the first frame where truth or prediction show it.
        objects: ``united``: the union of all objects is scored; ``apart``: each by itself.
        matching: How predicted objects find true ones if they are scored apart: ``id``, or
            ``best`` (the assignment with the highest mean J&F, as DAVIS unsupervised has it).
        max_proposals: More predicted objects than this are an error; None for no bound.
        extra_objects: What a predicted object without a true one does: ``ignore`` or ``error``.
        missing: What a prediction that is missing altogether is: ``zero`` (0 in every measure,
            as in the code of ReVOS and Long-RVOS), ``empty`` (scored as an answer of no mask,
            which is right where there is no target), ``left-out`` (not part of any mean, as in
            the script of ReasonVOS) or ``error``. An object that is missing from a prediction
            has no mask.
        resolution: What happens to a prediction of another size: ``error``, or ``nearest``
            (resized to the truth by nearest neighbour).
        tolerance: Tolerance of boundaries, as in ``boundary_f``.
        overall: ``samples``: the plain mean over samples; ``objects``: over all objects of all
            samples; ``groups``: the plain mean of the means of ``groups``.
        groups: The groups that ``overall`` is the mean of; the others are listed only.
        source: Where the rules are from.
        true_objects: Which true objects count if they are scored apart: ``all``, or
            ``first-frame`` (ids up to the highest one that the first annotated frame shows, as
            in davis2017-evaluation: what appears later does not count).
        overlaps: What it means where annotations of one target overlap, if they are united:
            ``once`` (their union is the target), ``dropped`` (a pixel that several of them cover
            is no target, as in the code of LISA), or ``added`` (the union is the target, but
            ``accuracy`` and ``robustness`` compare 8-bit sums, as the script of ReVOS does; a
            predicted pixel is in them what it is in its PNG).
        void: What pixels are that the annotation marks as void: ``ignored``, or ``background``
            (as davis2017-evaluation has it in its semi-supervised task).
    """

    name: str
    measures: tuple[Measure, ...]
    frames: Literal["all", "inner"] = "all"
    start: Literal["first-frame", "first-appearance"] = "first-frame"
    objects: Literal["united", "apart"] = "united"
    matching: Literal["id", "best"] = "id"
    max_proposals: int | None = None
    extra_objects: Literal["ignore", "error"] = "ignore"
    missing: Literal["zero", "empty", "left-out", "error"] = "zero"
    resolution: Literal["error", "nearest"] = "error"
    tolerance: float = 0.008
    overall: Literal["samples", "objects", "groups"] = "samples"
    groups: tuple[str, ...] = ()
    source: str = ""
    true_objects: Literal["all", "first-frame"] = "all"
    overlaps: Literal["once", "dropped", "added"] = "once"
    void: Literal["ignored", "background"] = "ignored"

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be one of {', '.join(allowed)}, got {shorten(value)}"
            for name, allowed in _choices().items()
            if (value := getattr(self, name)) not in allowed
        ]
        problems += [
            f"{name} must be a tuple of names, got {shorten(value)}"
            for name in ("measures", "groups")
            if isinstance(value := getattr(self, name), str)
        ]
        unknown = [measure for measure in self.measures if measure not in MEASURES]
        problems += [f"unknown measure {shorten(name)}" for name in unknown]
        if not self.measures:
            problems.append("a protocol reports at least one measure")
        if self.overall == "groups" and not self.groups:
            problems.append("overall='groups' needs the groups to average")
        if not isinstance(self.tolerance, int | float) or not 0 < self.tolerance < math.inf:
            problems.append(f"tolerance must be positive and finite, got {self.tolerance}")
        if self.overlaps != "once" and (self.objects, self.start) != ("united", "first-frame"):
            problems.append(f"overlaps={self.overlaps!r} goes with united objects from frame 0 on")
        if self.max_proposals is not None and self.max_proposals < 1:
            problems.append(f"max_proposals must be at least 1, got {self.max_proposals}")
        if problems:
            raise ConfigError([f"protocol {self.name!r}: {problem}" for problem in problems])

    def __str__(self) -> str:
        rules = [
            f"{field.name} {getattr(self, field.name)}"
            for field in fields(self)
            if field.name in _PRINTED
            or (field.name in _PRINTED_IF_SET and getattr(self, field.name) != field.default)
        ]
        return f"{self.name}: {', '.join(rules)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the rules, ready for JSON."""
        return asdict(self)


def measure_name(measure: str) -> str:
    """Return the name of a measure in tables.

    Example:
        >>> measure_name("j_and_f")
        'J&F'
    """
    return MEASURE_NAMES.get(measure, measure)


@cache
def _choices() -> dict[str, tuple[str, ...]]:
    """Return the values that a rule may have, for each rule that has few."""
    hints = get_type_hints(EvalProtocol)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}
