"""Rules by which a benchmark turns masks into numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from videoseg.errors import ConfigError
from videoseg.text import shorten
from videoseg.types import from_dict

__all__ = ["FINAL_SCORE_PARTS", "MEASURES", "EvalProtocol", "Measure", "measure_name"]

Measure: TypeAlias = Literal[
    "j",
    "f",
    "j_and_f",
    "j_recall",
    "f_recall",
    "j_decay",
    "f_decay",
    "j_last_quarter",
    "jf_deviation",
    "f_dot",
    "j_and_f_dot",
    "disappear",
    "reappear",
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
    "final_score",
]

_NAMES_AND_DEFINITIONS: dict[str, tuple[str, str]] = {
    "j": ("J", "region similarity J: mean IoU of the frames"),
    "f": ("F", "boundary accuracy F: mean over the frames"),
    "j_and_f": ("J&F", "J&F: the mean of J and F"),
    "j_recall": ("J recall", "share of frames with J above 0.5"),
    "f_recall": ("F recall", "share of frames with F above 0.5"),
    "j_decay": ("J decay", "mean J of the first quarter of the frames minus that of the last"),
    "f_decay": ("F decay", "mean F of the first quarter of the frames minus that of the last"),
    "j_last_quarter": ("J last quarter", "mean J of the last quarter of the frames"),
    "jf_deviation": ("V", "V: standard deviation of J&F over the frames; lower is steadier"),
    "f_dot": ("F-dot", "F with a tolerance that depends on the size of the object"),
    "j_and_f_dot": ("J&F-dot", "J&F-dot: the mean of J and F-dot"),
    "disappear": ("J&F-dot away", "J&F-dot of the frames on which an object is out of sight"),
    "reappear": ("J&F-dot back", "J&F-dot of the frames after an object has come back"),
    "robustness": ("R", "R: 1 minus false positives relative to all annotated foreground"),
    "accuracy": ("A", "A: share of correctly labeled pixels"),
    "tiou": ("tIoU", "overlap in time: IoU of the frames that show the object"),
    "viou": (
        "vIoU",
        "IoU in space summed over the frames both show, divided by the frames either shows",
    ),
    "giou": ("gIoU", "mean IoU of the samples"),
    "ciou": ("cIoU", "summed intersection divided by summed union"),
    "precision_at_50": ("P@0.5", "share of samples with IoU of at least 0.5"),
    "window_iou": ("mIoU of windows", "mIoU: mean IoU of predicted and true window"),
    "window_recall_at_30": ("R@0.3", "R@0.3: share of windows with IoU of at least 0.3"),
    "window_recall_at_50": ("R@0.5", "R@0.5: share of windows with IoU of at least 0.5"),
    "window_recall_at_70": ("R@0.7", "R@0.7: share of windows with IoU of at least 0.7"),
    "no_target_accuracy": (
        "N-acc",
        "share of samples without a target that were answered with no mask",
    ),
    "target_accuracy": ("T-acc", "share of samples with a target that were answered with a mask"),
    "final_score": (
        "Final",
        "final score of the challenges of 2026: mean of J&F, N-acc and T-acc",
    ),
}

MEASURES: dict[str, str] = {key: text for key, (_, text) in _NAMES_AND_DEFINITIONS.items()}
"""Every measure a protocol can report, and its definition."""

FINAL_SCORE_PARTS: tuple[Measure, ...] = ("j_and_f", "no_target_accuracy", "target_accuracy")
"""The measures whose mean is ``final_score``. It belongs to a table, not to single samples."""

_PRINTED = ("frames", "start", "objects", "matching", "missing", "resolution", "overall")
# Rules that few protocols set.
_PRINTED_IF_SET = (
    *("true_objects", "overlaps", "void", "boundary", "smoothing", "predicted_overlaps"),
)


# The values of ``objects`` in the files of older versions.
_FORMER_OBJECTS = {"united": "union", "apart": "per-object"}


@dataclass(frozen=True, slots=True)
class EvalProtocol:
    """Rules of one benchmark; printed with every report.

    Args:
        name: Name of the protocol, as in ``videoseg score --protocol``.
        measures: The measures to report, in order.
        frames: Which annotated frames count: ``all``, or ``inner`` (without the first and the
            last, as in DAVIS semi-supervised).
        start: ``first-frame``: a frame counts whether or not the object has appeared;
            ``first-appearance``: from the first frame where ground truth or prediction show it.
        objects: ``union`` scores the union of all objects, ``per-object`` each object.
        matching: How predicted objects are matched to true ones in per-object scores: by ``id``,
            or ``best`` (the assignment with the highest mean J&F, as in DAVIS unsupervised).
        max_proposals: More predicted objects than this are an error; None for no bound.
        extra_objects: What to do about predicted objects without a true one: ``ignore``, or
            ``error``.
        missing: What to do about a sample without any prediction: ``zero`` (0 in every measure,
            as in the code of ReVOS and Long-RVOS), ``empty`` (score it as an empty answer,
            which is right if there is no target), ``left-out`` (leave it out of every mean, as
            in the script of ReasonVOS) or ``error``. Single objects that are missing from a
            prediction are empty masks.
        resolution: What to do about predictions of another size: ``error``, or ``nearest``
            (resize them to the ground truth by nearest neighbor).
        tolerance: Boundary tolerance, as in ``boundary_f``.
        overall: ``samples``: the plain mean over samples; ``objects``: over all objects of all
            samples; ``groups``: the plain mean of the means of ``groups``; ``object-groups``: the
            same, where the mean of a group is over its objects.
        groups: The groups that ``overall`` averages; other groups are only listed.
        source: Where the rules are from.
        true_objects: Which true objects count in per-object scores: ``all``, or ``first-frame``
            (ids up to the highest one in the first annotated frame, as in davis2017-evaluation:
            later objects do not count).
        overlaps: How overlapping annotations of one target are combined in a union: ``once``
            (their union is the target), ``dropped`` (pixels that several of them cover do not
            belong to the target, as in the code of LISA), or ``added`` (the union is the target,
            but ``accuracy`` and ``robustness`` compare 8-bit sums, as the script of ReVOS does,
            in which predicted pixels have the value of their PNG).
        void: How to treat pixels that the annotation marks as void: ``ignored``, or
            ``background`` (as in the semi-supervised task of davis2017-evaluation).
        boundary: How far apart boundaries may be in F: ``diagonal`` (``tolerance``), or
            ``object`` (also by the size of the object, as in MOSEv2; ``tolerance`` is not used).
        smoothing: Pixels added to intersection and union for J, as in MOSEv2; a frame where both
            masks are empty scores 1 in any case.
        predicted_overlaps: What to do about predicted objects that overlap in per-object scores:
            ``kept``, or ``lower-id`` (a pixel belongs to the object with the lowest id, as in
            pictures of ids).
    """

    name: str
    measures: tuple[Measure, ...]
    frames: Literal["all", "inner"] = "all"
    start: Literal["first-frame", "first-appearance"] = "first-frame"
    objects: Literal["union", "per-object"] = "union"
    matching: Literal["id", "best"] = "id"
    max_proposals: int | None = None
    extra_objects: Literal["ignore", "error"] = "ignore"
    missing: Literal["zero", "empty", "left-out", "error"] = "zero"
    resolution: Literal["error", "nearest"] = "error"
    tolerance: float = 0.008
    overall: Literal["samples", "objects", "groups", "object-groups"] = "samples"
    groups: tuple[str, ...] = ()
    source: str = ""
    true_objects: Literal["all", "first-frame"] = "all"
    overlaps: Literal["once", "dropped", "added"] = "once"
    void: Literal["ignored", "background"] = "ignored"
    boundary: Literal["diagonal", "object"] = "diagonal"
    smoothing: int = 0
    predicted_overlaps: Literal["kept", "lower-id"] = "kept"

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
        if "final_score" in self.measures and not set(FINAL_SCORE_PARTS) <= set(self.measures):
            problems.append(f"final_score needs the measures {', '.join(FINAL_SCORE_PARTS)} too")
        if self.averages_groups and not self.groups:
            problems.append(f"overall={self.overall!r} needs the groups to average")
        if self.smoothing < 0:
            problems.append(f"smoothing must not be negative, got {self.smoothing}")
        dotted = {"f_dot", "j_and_f_dot", "disappear", "reappear"}.intersection(self.measures)
        if dotted and self.boundary != "object":
            problems.append(f"{', '.join(sorted(dotted))} need boundary='object'")
        if self.boundary == "object" and (self.objects, self.void) != ("per-object", "background"):
            problems.append("boundary='object' needs objects='per-object' and void='background'")
        if not isinstance(self.tolerance, int | float) or not 0 < self.tolerance < math.inf:
            problems.append(f"tolerance must be positive and finite, got {self.tolerance}")
        if self.overlaps != "once" and (self.objects, self.start) != ("union", "first-frame"):
            problems.append(
                f"overlaps={self.overlaps!r} needs objects='union' and start='first-frame'"
            )
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

    @property
    def averages_groups(self) -> bool:
        """Whether the overall score is the mean of the means of ``groups``."""
        return self.overall in ("groups", "object-groups")

    @property
    def averages_objects(self) -> bool:
        """Whether means are over objects, and not over samples."""
        return self.overall in ("objects", "object-groups")

    def to_dict(self) -> dict[str, Any]:
        """Return the rules as plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EvalProtocol:
        """Build a protocol from what ``to_dict`` made; rules that are missing have defaults.

        Raises:
            ConfigError: If a rule is unknown or has another value than those allowed.
        """
        objects = data.get("objects")
        former = _FORMER_OBJECTS.get(objects) if isinstance(objects, str) else None
        return from_dict(cls, {**data, "objects": former} if former else dict(data))


def measure_name(measure: str) -> str:
    """Return the name of a measure in tables, as papers have it.

    Example:
        >>> measure_name("j_and_f")
        'J&F'
    """
    return _NAMES_AND_DEFINITIONS.get(measure, (measure,))[0]


@cache
def _choices() -> dict[str, tuple[str, ...]]:
    """Return the allowed values of each rule that has a fixed set of them."""
    hints = get_type_hints(EvalProtocol)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}
